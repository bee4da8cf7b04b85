//! MB/s of the first arrow of the flow on one core, over generated logs: `cargo bench -p sources`.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark over generated data")]

use std::fmt::Write as _;
use std::hint::black_box;

use bumpalo::Bump;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sources::DocumentBuffer;

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

fn joined(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    group.sample_size(20);
    for (name, lines) in [("sysmon", sysmon()), ("firewall", firewall())] {
        group.throughput(Throughput::BytesDecimal(joined(&lines).len() as u64));
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

criterion_group!(benches, documents);
criterion_main!(benches);
