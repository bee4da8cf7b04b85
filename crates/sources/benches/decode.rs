//! MB/s of the first arrow of the flow on one core, over generated logs: `cargo bench -p sources`.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a benchmark over generated data")]

use std::hint::black_box;

use bumpalo::Bump;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sources::{Columns, Decode, Delimited, DocumentBuffer, FieldNames, Framing, Item, Records, TextFields};

const EVENTS: usize = 20_000;

/// A small generator, so that every run measures the same bytes.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Sysmon process creations, ends, file creations and accesses as the Kinesis agent for Windows sends them.
fn sysmon() -> Vec<String> {
    let mut noise = Noise(1);
    (0..EVENTS)
        .map(|n| {
            let (pid, minute) = (noise.next(60_000), noise.next(60));
            let guid = format!("{{6a910b9d-498a-5ee0-{:04x}-{:012x}}}", noise.next(65_536), n);
            let time = format!("2026-03-01 10:{minute:02}:54.631");
            let common = format!("RuleName: -\\r\\nUtcTime: {time}\\r\\nProcessGuid: {guid}\\r\\nProcessId: {pid}\\r\\n");
            let image = "C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\\\\powershell.exe";
            let (id, text) = match n % 4 {
                0 => (1, format!("Process Create:\\r\\n{common}Image: {image}\\r\\nFileVersion: 10.0.19041.1 (WinBuild.160101.0800)\\r\\nDescription: Windows PowerShell\\r\\nProduct: Microsoft\\u00ae Windows\\u00ae Operating System\\r\\nCompany: Microsoft Corporation\\r\\nOriginalFileName: PowerShell.EXE\\r\\nCommandLine: \\\"{image}\\\" -NoProfile -ExecutionPolicy Bypass -File C:\\\\Scripts\\\\run{n}.ps1\\r\\nCurrentDirectory: C:\\\\Users\\\\alice\\\\\\r\\nUser: EXAMPLE\\\\alice\\r\\nLogonGuid: {guid}\\r\\nLogonId: 0x3E7{n:X}\\r\\nTerminalSessionId: 1\\r\\nIntegrityLevel: High\\r\\nHashes: SHA1=3F2A9C5B8E7D6F1A0B4C9D8E7F6A5B4C3D2E1F0A,MD5=0123456789ABCDEF0123456789ABCDEF,SHA256=9785001B0DCF755EDDB8AF294A373C0B87B2498660F724E76C4D53F9C217C7A3,IMPHASH=F34D5F2D4577ED6D9CEEC516C1F5A744\\r\\nParentProcessGuid: {guid}\\r\\nParentProcessId: 4104\\r\\nParentImage: C:\\\\Windows\\\\explorer.exe\\r\\nParentCommandLine: C:\\\\Windows\\\\Explorer.EXE\\r\\nParentUser: EXAMPLE\\\\alice")),
                1 => (5, format!("Process terminated:\\r\\n{common}Image: {image}\\r\\nUser: EXAMPLE\\\\alice")),
                2 => (11, format!("File created:\\r\\n{common}Image: {image}\\r\\nTargetFilename: C:\\\\Users\\\\alice\\\\AppData\\\\Local\\\\Temp\\\\__PSScriptPolicyTest_{n}.ps1\\r\\nCreationUtcTime: {time}\\r\\nUser: EXAMPLE\\\\alice")),
                _ => (10, format!("Process accessed:\\r\\nRuleName: -\\r\\nUtcTime: {time}\\r\\nSourceProcessGUID: {guid}\\r\\nSourceProcessId: {pid}\\r\\nSourceThreadId: 4732\\r\\nSourceImage: {image}\\r\\nTargetProcessGUID: {guid}\\r\\nTargetProcessId: 640\\r\\nTargetImage: C:\\\\Windows\\\\System32\\\\lsass.exe\\r\\nGrantedAccess: 0x1410\\r\\nCallTrace: C:\\\\Windows\\\\SYSTEM32\\\\ntdll.dll+9c534|C:\\\\Windows\\\\System32\\\\KERNELBASE.dll+305fe|C:\\\\Windows\\\\System32\\\\KERNEL32.DLL+17bd4\\r\\nSourceUser: EXAMPLE\\\\alice\\r\\nTargetUser: NT AUTHORITY\\\\SYSTEM")),
            };
            format!("{{\"EventId\":{id},\"Description\":\"{text}\",\"LevelDisplayName\":\"Informational\",\"LogName\":\"Microsoft-Windows-Sysmon/Operational\",\"MachineName\":\"WORKSTATION6.example.com\",\"ProviderName\":\"Microsoft-Windows-Sysmon\",\"TimeCreated\":\"2026-03-01T10:{minute:02}:56.537Z\",\"Index\":{n},\"UserName\":\"S-1-5-18\",\"Keywords\":\"\",\"source_instance_id\":\"i-6dfc71dee38be64a0\"}}")
        })
        .collect()
}

/// Network Firewall flow records.
fn firewall() -> Vec<String> {
    let mut noise = Noise(2);
    (0..EVENTS)
        .map(|n| {
            let (a, b, port) = (noise.next(255), noise.next(255), noise.next(65_536));
            let (pkts, bytes) = (noise.next(1_000), noise.next(1_000_000));
            format!("{{\"firewall_name\":\"edge\",\"availability_zone\":\"us-east-1a\",\"event_timestamp\":\"1451761681\",\"event\":{{\"timestamp\":\"2026-01-02T19:08:01.324979+0000\",\"flow_id\":{}{n:06},\"event_type\":\"netflow\",\"src_ip\":\"10.0.{a}.{b}\",\"src_port\":{port},\"dest_ip\":\"203.0.113.{b}\",\"dest_port\":443,\"proto\":\"TCP\",\"app_proto\":\"tls\",\"netflow\":{{\"pkts\":{pkts},\"bytes\":{bytes},\"start\":\"2026-01-02T19:07:01.324883+0000\",\"end\":\"2026-01-02T19:08:00.324883+0000\",\"age\":59,\"min_ttl\":64,\"max_ttl\":64}},\"tcp\":{{\"tcp_flags\":\"1b\",\"syn\":true,\"fin\":true,\"psh\":true,\"ack\":true}}}}}}", noise.next(1_000_000_000))
        })
        .collect()
}

/// Load balancer lines.
fn balancer() -> Vec<String> {
    let mut noise = Noise(3);
    (0..EVENTS)
        .map(|n| {
            let (a, port) = (noise.next(255), noise.next(65_536));
            format!("h2 2026-01-02T19:08:01.324979Z app/edge/50dc6c495c0c9188 203.0.113.{a}:{port} 10.0.0.66:9000 0.000 0.{:03} 0.000 200 200 {} 57 \"GET https://www.example.com:443/item/{n}?q=a HTTP/2.0\" \"Mozilla/5.0 (X11; Linux x86_64)\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 \"Root=1-58337262-36d228ad5d99923122bbe354\" \"www.example.com\" \"session-reused\" 1 2026-01-02T19:08:01.324000Z \"forward\" \"-\" \"-\" \"10.0.0.66:9000\" \"200\" \"-\" \"-\"", noise.next(1_000), noise.next(5_000))
        })
        .collect()
}

fn joined(lines: &[String], separator: &str) -> Vec<u8> {
    lines.join(separator).into_bytes()
}

/// JSON to documents, nothing else.
fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    group.sample_size(20);
    for (name, lines) in [("sysmon", sysmon()), ("firewall", firewall())] {
        group.throughput(Throughput::BytesDecimal(lines.iter().map(String::len).sum::<usize>() as u64));
        group.bench_function(name, |bencher| {
            let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
            bencher.iter(|| {
                let mut nodes = 0;
                for line in &lines {
                    let document = buffer.parse(line.as_bytes(), &bump).expect("generated");
                    nodes += black_box(&document).len();
                    buffer.recycle(document);
                    bump.reset();
                }
                nodes
            });
        });
    }
    group.finish();
}

/// The nodes of all events of an input: framing, documents, rendered messages. Any fault is a fault of the benchmark.
fn decode_all(decode: &Decode, mut records: Records<'_>, buffer: &mut DocumentBuffer, bump: &mut Bump) -> usize {
    let mut nodes = 0;
    while let Some(item) = records.next_item().expect("in memory") {
        let Item::Event(event) = item else { panic!("{item:?}") };
        let mut document = decode.document(&event, buffer, bump).expect("generated");
        decode.split_message(&mut document);
        nodes += black_box(&document).len();
        buffer.recycle(document);
        bump.reset();
    }
    nodes
}

/// Bytes to documents by all steps of a source.
fn inputs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("input");
    group.sample_size(20);
    let sysmon = sysmon();
    let messages = TextFields {
        at: vec!["Description".to_owned()],
        event_id: vec!["EventId".to_owned()],
        names: FieldNames::shipped("windows-sysmon").expect("is shipped"),
    };
    let lines = Decode { framing: Framing::Ndjson, ..Decode::default() };
    let sysmon_lines = Decode { text_fields: Some(messages), ..lines.clone() };
    let array = Decode { framing: Framing::JsonArray { at: vec!["Records".to_owned()] }, ..Decode::default() };
    let delimited = Delimited {
        columns: Columns::Named((0..32).map(|n| format!("column_{n}")).collect()),
        separator: b' ',
        quote: Some(b'"'),
    };
    let balancer_lines = Decode { framing: Framing::Delimited(delimited), ..Decode::default() };
    let records = [b"{\"Records\":[", joined(&firewall(), ",").as_slice(), b"]}"].concat();
    for (name, decode, plain, packed) in [
        ("sysmon", &sysmon_lines, joined(&sysmon, "\n"), None),
        (
            "sysmon zstd",
            &sysmon_lines,
            joined(&sysmon, "\n"),
            Some(zstd::encode_all(&joined(&sysmon, "\n")[..], 3).expect("in memory")),
        ),
        ("firewall", &lines, joined(&firewall(), "\n"), None),
        ("firewall array", &array, records, None),
        ("balancer", &balancer_lines, joined(&balancer(), "\n"), None),
    ] {
        group.throughput(Throughput::BytesDecimal(plain.len() as u64));
        let input = packed.as_ref().unwrap_or(&plain);
        group.bench_function(name, |bencher| {
            let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
            bencher.iter(|| decode_all(decode, decode.records_of_slice(input), &mut buffer, &mut bump));
        });
    }
    group.finish();
}

criterion_group!(benches, documents, inputs);
criterion_main!(benches);
