//! What becomes of each kind of raw event under the shipped configs, as files to read.
//!
//! `golden_files/<config>/<case>.json` holds a generated raw event and the OCSF event it becomes, in the form in which it
//! comes back out of the columns. `cargo xtask bless shipped_configs` rewrites the files;
//! review the difference like code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mapping::diagnostic::SourceText;
use samples::FirewallLog;
use serde_json::{Value, json};

use crate::harness::{Fate, Harness, shipped_text};

/// A raw event and the name of its file.
pub(crate) struct Case {
    name: String,
    line: String,
}

pub(crate) fn case(name: impl Into<String>, line: String) -> Case {
    Case { name: name.into(), line }
}

/// The first generated event of that id, from a host with a recent Sysmon.
fn sysmon_now(id: u16) -> String {
    sysmon_with(id, &[".corp.example.com"])
}

/// The first generated event of that id that has all of these texts.
fn sysmon_with(id: u16, texts: &[&str]) -> String {
    (0..10_000)
        .filter_map(|seed| samples::sysmon_event(id, seed))
        .find(|line| texts.iter().all(|text| line.contains(text)))
        .unwrap_or_else(|| panic!("no generated event {id} has {texts:?}"))
}

/// A generated process creation with a text at the end of its command line.
fn sysmon_with_command_line(text: &str) -> String {
    sysmon_now(1).replacen("\\r\\nCurrentDirectory: ", &format!("{text}\\r\\nCurrentDirectory: "), 1)
}

fn firewall_with(kind: FirewallLog, texts: &[&str]) -> String {
    (0..10_000)
        .map(|seed| samples::network_firewall_log(kind, seed))
        .find(|line| texts.iter().all(|text| line.contains(text)))
        .unwrap_or_else(|| panic!("no generated {kind:?} has {texts:?}"))
}

/// A record that only says when the firewall wrote it.
fn without_timestamp(line: String) -> String {
    let mut record: Value = serde_json::from_str(&line).unwrap();
    record["event"].as_object_mut().unwrap().remove("timestamp");
    record.to_string()
}

/// Compares, or rewrites under `cargo xtask bless`; every event must be valid OCSF and without problems.
pub(crate) fn check_golden(config: &str, cases: Vec<Case>) {
    let harness = Harness::shipped(config);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shipped_configs/golden_files").join(config);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    if update {
        fs::create_dir_all(&folder).unwrap();
    }
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for case in cases {
        let mapped = match harness.map(&case.line) {
            Fate::Mapped(mapped) => mapped,
            Fate::Refused(reason) => {
                faults.push(format!("{}: {reason}", case.name));
                continue;
            }
        };
        faults.extend(mapped.problems.iter().map(|problem| format!("{}: {problem:?}", case.name)));
        faults.extend(mapped.errors.iter().map(|error| format!("{}: {error}", case.name)));
        let raw: Value = serde_json::from_str(&case.line).unwrap();
        let mut content = json!({ "raw": raw, "destination": mapped.destination, "event": mapped.event });
        if !mapped.warnings.is_empty() {
            content["warnings"] = json!(mapped.warnings);
        }
        let content = serde_json::to_string_pretty(&content).unwrap() + "\n";
        let path = folder.join(format!("{}.json", case.name));
        assert!(names.insert(path.clone()), "two cases are called {}", case.name);
        if update {
            fs::write(&path, content).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != content {
            faults.push(format!("{}: {} differs", case.name, path.display()));
        }
    }
    for stray in files_of(&folder).difference(&names) {
        if update {
            fs::remove_file(stray).unwrap();
        } else {
            faults.push(format!("{} belongs to no case", stray.display()));
        }
    }
    assert!(faults.is_empty(), "{}\n(run `cargo xtask bless shipped_configs`)", faults.join("\n"));
}

fn files_of(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The raw events of a config's golden files. They are the input of its test: a new case is a new file with only `raw`.
pub(crate) fn golden_events(config: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shipped_configs/golden_files").join(config);
    let event = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut content: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        (name, content["raw"].take())
    };
    files_of(&folder).into_iter().map(event).collect()
}

#[test]
fn lint_finds_nothing_in_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mapping-configs");
    let configs = files_of(&folder).into_iter().filter(|file| !file.ends_with("sources.json"));
    let configs: Vec<String> = configs.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(configs.len() >= 7, "{configs:?}");
    for name in &configs {
        let text = shipped_text(name).unwrap();
        let checked = mapping::check(&text, &shipped_text);
        let source = SourceText::new(name, &text);
        let found: Vec<String> = checked.diagnostics.iter().map(|found| found.render(&source, false)).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn windows_sysmon_maps_every_kind_of_event_as_the_golden_files_say() {
    let mut cases: Vec<Case> = samples::sysmon_event_ids().map(|id| case(format!("{id:03}"), sysmon_now(id))).collect();
    cases.extend([
        case("001-parent-ended", sysmon_with(1, &["{00000000-0000-0000-0000-000000000000}"])),
        case("001-schema-3.40", sysmon_with(1, &["LEGACY-SRV"])),
        case("001-technique", sysmon_with(1, &["technique_id=T1036,"])),
        case("001-sub-technique", sysmon_with(1, &["technique_id=T1059.001,"])),
        case("001-no-version-information", sysmon_with(1, &["updater.exe", "FileVersion: -"])),
        case(
            "001-spoofed",
            sysmon_with_command_line(
                "\\r\\nUser: NT AUTHORITY\\\\SYSTEM\\r\\nIntegrityLevel: System\\r\\nHashes: none",
            ),
        ),
        case("001-app-container", sysmon_with(1, &["AppContainer"])),
        case("003-ipv6", sysmon_with(3, &["SourceIsIpv6: true"])),
        case("003-inbound", sysmon_with(3, &["Initiated: false"])),
        case("004-stopped", sysmon_with(4, &["Stopped"])),
        case("008-no-module", sysmon_with(8, &["StartModule: -"])),
        case("008-schema-3.40", sysmon_with(8, &["LEGACY-SRV", "StartModule: \\r"])),
        case("010-lsass", sysmon_with(10, &["lsass.exe"])),
        case("012-create-value", sysmon_with(12, &["CreateValue"])),
        case("012-delete-key", sysmon_with(12, &["DeleteKey"])),
        case("012-delete-value", sysmon_with(12, &["DeleteValue"])),
        case("013-several-lines", sysmon_with(13, &["Set shell"])),
        case("014-value", sysmon_with(14, &["RenameValue"])),
        case("015-unread", sysmon_with(15, &["Hash: Unknown"])),
        case("017-anonymous", sysmon_with(17, &["<Anonymous Pipe>"])),
        case("019-technique", sysmon_with(19, &["technique_id="])),
        case("020-script", sysmon_with(20, &["Type: Script"])),
        case("022-cname", sysmon_with(22, &["type:  5 "])),
        case("022-empty-answer", sysmon_with(22, &["type:  33 ;"])),
        case("022-no-such-name", sysmon_with(22, &["9003"])),
        case("022-timeout", sysmon_with(22, &["1460"])),
        case("023-shredded", sysmon_with(23, &["false - shredded"])),
        case("027-technique", sysmon_with(27, &["technique_id="])),
        case("255-several-lines", sysmon_with(255, &["write protected"])),
    ]);
    check_golden("windows-sysmon", cases);
}

#[test]
fn windows_sysmon_precise_maps_what_it_changes_as_the_golden_files_say() {
    let cases = vec![
        case("001", sysmon_now(1)),
        case("006", sysmon_now(6)),
        case("007", sysmon_now(7)),
        case("007-unsigned", sysmon_with(7, &["Unavailable"])),
        case("009", sysmon_now(9)),
        case("012-create-key", sysmon_with(12, &["CreateKey"])),
        case("012-create-value", sysmon_with(12, &["CreateValue"])),
        case("012-delete-key", sysmon_with(12, &["DeleteKey"])),
        case("012-delete-value", sysmon_with(12, &["DeleteValue"])),
        case("013-binary", sysmon_with(13, &["Binary Data"])),
        case("013-default", sysmon_with(13, &["(Default)"])),
        case("013-dword", sysmon_with(13, &["DWORD", "technique_id="])),
        case("013-qword", sysmon_with(13, &["QWORD"])),
        case("013-text", sysmon_with(13, &["Details: C:"])),
        case("014-key", sysmon_with(14, &["RenameKey"])),
        case("014-value", sysmon_with(14, &["RenameValue"])),
    ];
    check_golden("windows-sysmon-precise", cases);
}

#[test]
fn aws_network_firewall_maps_every_kind_of_record_as_the_golden_files_say() {
    let cases = vec![
        case("netflow-tcp", firewall_with(FirewallLog::Netflow, &["\"TCP\"", "\"1b\""])),
        case("netflow-udp", firewall_with(FirewallLog::Netflow, &["\"UDP\""])),
        case("netflow-icmp", firewall_with(FirewallLog::Netflow, &["\"ICMP\""])),
        case("netflow-ipv6-icmp", firewall_with(FirewallLog::Netflow, &["\"IPv6-ICMP\""])),
        case("netflow-unknown-application", firewall_with(FirewallLog::Netflow, &["\"failed\""])),
        case("netflow-local-zone", firewall_with(FirewallLog::Netflow, &["us-west-2-lax-1a"])),
        case("alert-allowed", firewall_with(FirewallLog::AlertAllowed, &[])),
        case("alert-blocked", firewall_with(FirewallLog::AlertBlocked, &[])),
        case("alert-http", firewall_with(FirewallLog::AlertHttp, &[])),
        case("alert-tls", firewall_with(FirewallLog::AlertTls, &["issuerdn"])),
        case("alert-tls-without-certificate", firewall_with(FirewallLog::AlertTls, &["UNDETERMINED"])),
        case("alert-decoder", firewall_with(FirewallLog::AlertDecoder, &[])),
        case("tls-no-server-name", firewall_with(FirewallLog::TlsNoServerName, &[])),
        case("tls-name-mismatch", firewall_with(FirewallLog::TlsNameMismatch, &[])),
        case("tls-revoked-drop", firewall_with(FirewallLog::TlsRevoked, &["DROP"])),
        case("tls-revoked-reject", firewall_with(FirewallLog::TlsRevoked, &["REJECT"])),
        case("tls-revocation-unknown-pass", firewall_with(FirewallLog::TlsRevocationUnknown, &["PASS"])),
        case("netflow-without-timestamp", without_timestamp(firewall_with(FirewallLog::Netflow, &["\"TCP\""]))),
        case("alert-decoder-without-timestamp", without_timestamp(firewall_with(FirewallLog::AlertDecoder, &[]))),
    ];
    check_golden("aws-network-firewall", cases);
}

#[test]
fn aws_cloudtrail_maps_every_kind_of_event_as_the_golden_files_say() {
    let cases = samples::cloudtrail_kinds().map(|kind| case(kind, samples::cloudtrail_event(kind, 1).unwrap()));
    check_golden("aws-cloudtrail", cases.chain(odd_cloudtrail_events()).collect());
}

/// The golden files of a mapping whose inputs are their own `raw`.
fn check_golden_events(config: &str) {
    let events = golden_events(config).into_iter();
    check_golden(config, events.map(|(name, event)| case(name, event.to_string())).collect());
}

#[test]
fn aws_guardduty_maps_every_kind_of_finding_as_the_golden_files_say() {
    check_golden_events("aws-guardduty");
}

#[test]
fn aws_security_hub_maps_every_kind_of_finding_as_the_golden_files_say() {
    check_golden_events("aws-security-hub");
}

#[test]
fn aws_waf_maps_every_kind_of_request_as_the_golden_files_say() {
    check_golden_events("aws-waf");
}

#[test]
fn aws_eks_audit_maps_every_kind_of_audit_event_as_the_golden_files_say() {
    check_golden_events("aws-eks-audit");
}

#[test]
fn aws_route53_resolver_maps_every_kind_of_query_as_the_golden_files_say() {
    check_golden_events("aws-route53-resolver");
}

/// Events whose caller nobody knows, or that sum up others.
fn odd_cloudtrail_events() -> Vec<Case> {
    let call = |identity: Value| {
        json!({
            "eventVersion": "1.11", "userIdentity": identity, "eventTime": "2025-03-03T08:00:00Z",
            "eventSource": "cognito-identity.amazonaws.com", "eventName": "GetId", "awsRegion": "eu-central-1",
            "sourceIPAddress": "198.51.100.20", "userAgent": "aws-sdk-js/3.750.0",
            "requestParameters": {"identityPoolId": "eu-central-1:2f0c8f8e-0d35-4d4e-9a54-6a1c0c7f9d11"},
            "responseElements": null, "requestID": "6f1b2f0e-9f86-4c7f-8a63-1f4b9f0d2c77",
            "eventID": "0b8b7a52-2f6e-4d2a-8d2b-3c5f9a7e6d10", "readOnly": false, "eventType": "AwsApiCall",
            "managementEvent": false, "recipientAccountId": "111122223333", "eventCategory": "Data",
        })
    };
    let summed_up = |primary: Value, details: Value| {
        json!({
            "eventVersion": "1.0", "accountId": "111122223333", "eventId": "7a1d9a3c-52b4-4b0e-8f0e-5b1f5d3c2a90",
            "eventCategory": "Aggregated", "eventType": "AwsAggregatedEvent", "awsRegion": "eu-central-1",
            "eventSource": "s3.amazonaws.com",
            "timeWindow": {
                "windowStart": "2025-03-03T08:00:00Z", "windowEnd": "2025-03-03T08:05:00Z", "windowSize": "PT5M",
            },
            "summary": {"primaryDimension": primary, "details": details},
        })
    };
    let role = "arn:aws:sts::111122223333:assumed-role/report-job/nightly";
    let dimension = |name: &str, values: &[(&str, u32)]| {
        let statistics: Vec<Value> = values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"dimension": name, "statistics": statistics})
    };
    let of_one_call = summed_up(
        dimension("eventName", &[("PutObject", 412)]),
        json!([dimension("userIdentity", &[(role, 412)]), dimension("userAgent", &[("Boto3", 400), ("aws-cli", 12)])]),
    );
    let of_resources = summed_up(
        dimension("resourceARN", &[("arn:aws:s3:::example-orders", 30), ("arn:aws:s3:::example-logs", 3)]),
        json!([
            dimension("eventName", &[("GetObject", 31), ("HeadObject", 2)]),
            dimension("userIdentity", &[(role, 20), ("arn:aws:iam::111122223333:user/backup", 13)]),
        ]),
    );
    let of_a_caller =
        summed_up(dimension("userIdentity", &[(role, 7)]), json!([dimension("eventName", &[("GetObject", 7)])]));
    let cases = [
        ("identity-unknown", call(json!({"type": "Unknown"}))),
        ("identity-account-only", call(json!({"accountId": "111122223333"}))),
        ("identity-principal-only", call(json!({"type": "Unknown", "principalId": "AIDAEXAMPLENOBODY001"}))),
        ("identity-invoked-by-only", call(json!({"invokedBy": "delivery.logs.amazonaws.com"}))),
        ("identity-missing", call(Value::Null)),
        ("aggregated-by-call", of_one_call),
        ("aggregated-by-resource", of_resources),
        ("aggregated-by-caller", of_a_caller),
    ];
    cases.into_iter().map(|(name, event)| case(name, event.to_string())).collect()
}
