//! Values that a real fleet writes now and then, and what must not happen to their events.

use serde_json::{Value, json};

use crate::harness::{Fate, Harness, MappedLine};

/// A Sysmon event with these lines below the title.
fn sysmon(id: u16, fields: &str) -> Value {
    json!({
        "EventId": id,
        "Description": format!("Title:\n{fields}").replace('\n', "\r\n"),
        "LevelDisplayName": "Informational",
        "LogName": "Microsoft-Windows-Sysmon/Operational",
        "MachineName": "WS-1.example.com",
        "ProviderName": "Microsoft-Windows-Sysmon",
        "TimeCreated": "2025-03-03T08:00:01.1234567Z",
        "Index": 7,
        "UserName": "S-1-5-18",
        "Keywords": "",
    })
}

fn mapped(config: &str, event: &Value) -> MappedLine {
    match Harness::shipped(config).map(&event.to_string()) {
        Fate::Mapped(mapped) => {
            assert!(mapped.errors.is_empty(), "{:?}", mapped.errors);
            *mapped
        }
        Fate::Refused(reason) => panic!("{reason}"),
    }
}

const PROCESS: &str = "ProcessGuid: {a}\nProcessId: 8\nImage: C:\\x\\y.exe\n";

#[test]
fn a_time_may_lack_its_fraction() {
    let line = mapped("windows-sysmon", &sysmon(5, &format!("UtcTime: 2025-03-03 08:00:00\n{PROCESS}")));
    assert_eq!(line.event["time"], 1_740_988_800_000_i64);
}

#[test]
fn an_event_of_schema_2_has_the_time_of_the_log() {
    let line = mapped("windows-sysmon", &sysmon(4, "SequenceNumber: 1\nState: Started"));
    assert_eq!(line.event["time"], 1_740_988_801_123_i64);
    assert_eq!(line.event["unmapped"]["Description.SequenceNumber"], "1");
}

#[test]
fn an_access_mask_beyond_32_bits_is_kept_as_text() {
    let fields = "UtcTime: 2025-03-03 08:00:00.000\nSourceProcessGUID: {a}\nSourceProcessId: 8\nSourceThreadId: 1\n\
        SourceImage: C:\\x\\y.exe\nTargetProcessGUID: {b}\nTargetProcessId: 9\nTargetImage: <unknown process>\n\
        GrantedAccess: 0x80000000\nCallTrace: ?";
    let line = mapped("windows-sysmon", &sysmon(10, fields));
    assert_eq!(line.event.get("actual_permissions"), None);
    assert_eq!(line.event["unmapped"]["Description.GrantedAccess"], "0x80000000");
    assert_eq!(line.event["process"]["name"], "<unknown process>");
    assert_eq!(line.event["process"].get("file"), None);
    assert_eq!(line.problems.len(), 1);
}

#[test]
fn addresses_may_have_zones_and_ports_may_be_missing() {
    let fields = "UtcTime: 2025-03-03 08:00:00.000\nProcessGuid: {a}\nProcessId: 4\nImage: System\nUser: -\nProtocol: udp\n\
        Initiated: true\nSourceIsIpv6: true\nSourceIp: fe80::1%4\nSourceHostname: -\nSourcePort: -\nSourcePortName: -\n\
        DestinationIsIpv6: true\nDestinationIp: ff02::1:3\nDestinationHostname: \nDestinationPort: 5355\n\
        DestinationPortName: llmnr";
    let line = mapped("windows-sysmon", &sysmon(3, fields));
    assert_eq!(line.event["src_endpoint"], json!({ "ip": "fe80::1%4" }));
    assert_eq!(line.event["dst_endpoint"], json!({ "ip": "ff02::1:3", "port": 5355, "svc_name": "llmnr" }));
    assert_eq!(line.event["connection_info"]["protocol_ver_id"], 6);
    assert_eq!(line.event["actor"], json!({ "process": { "name": "System", "pid": 4, "uid": "{a}" } }));
}

#[test]
fn a_path_that_ends_in_a_separator_still_has_a_name() {
    let fields = format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}TargetFilename: C:\\x\\\nCreationUtcTime: -");
    let line = mapped("windows-sysmon", &sysmon(11, &fields));
    assert_eq!(line.event["file"]["name"], "C:\\x\\");
}

#[test]
fn a_user_without_domain_is_the_whole_name() {
    let fields = format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}User: LOCAL$");
    let line = mapped("windows-sysmon", &sysmon(5, &fields));
    assert_eq!(line.event["process"]["user"], json!({ "name": "LOCAL$" }));
}

#[test]
fn a_record_without_index_has_no_uid() {
    let mut event = sysmon(5, &format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}"));
    event["Index"] = Value::Null;
    assert_eq!(mapped("windows-sysmon", &event).event["metadata"].get("uid"), None);
}

#[test]
fn registry_events_whose_exporter_lost_the_event_type_are_kept() {
    let fields = format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}TargetObject: HKCR");
    let line = mapped("windows-sysmon", &sysmon(12, &fields));
    assert_eq!((&line.event["activity_id"], &line.event["file"]["type"]), (&json!(0), &json!("Registry Object")));
    let line = mapped("windows-sysmon-precise", &sysmon(12, &fields));
    assert_eq!((&line.event["activity_id"], &line.event["reg_key"]), (&json!(0), &json!({ "path": "HKCR" })));
}

#[test]
fn a_value_of_64_kilobytes_is_kept_whole() {
    let script = "x".repeat(65_000);
    let fields = format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}TargetObject: HKLM\\a\nDetails: {script}");
    let line = mapped("windows-sysmon", &sysmon(13, &fields));
    assert_eq!(line.event["unmapped"]["Details"].as_str().map(str::len), Some(65_000));
}

#[test]
fn a_host_header_that_is_no_name_does_not_become_one() {
    let alert = json!({
        "firewall_name": "fw", "availability_zone": "eu-central-1a", "event_timestamp": "1740988801",
        "event": {
            "timestamp": "2025-03-03T08:00:00Z", "event_type": "alert", "src_ip": "10.0.0.1", "src_port": 1,
            "dest_ip": "192.0.2.1", "dest_port": 80, "proto": "TCP", "http": { "hostname": "/../" },
            "alert": { "action": "allowed", "signature_id": 1, "severity": 3, "signature": "" },
        },
    });
    let line = mapped("aws-network-firewall", &alert);
    assert_eq!(line.event["dst_endpoint"].get("hostname"), None);
    assert_eq!(line.event["unmapped"]["event.http.hostname"], "/../");
    assert_eq!(line.event["firewall_rule"]["uid"], "1");
}

#[test]
fn a_time_that_cannot_be_read_gives_way_to_the_one_of_the_log() {
    let line = mapped("windows-sysmon", &sysmon(5, &format!("UtcTime: 3/3/2025 8:00 AM\n{PROCESS}")));
    assert_eq!(line.event["time"], 1_740_988_801_123_i64);
    assert_eq!(line.event["metadata"]["original_time"], "3/3/2025 8:00 AM");
    let problems: Vec<_> = line.problems.iter().map(|problem| (&*problem.attribute, &*problem.value)).collect();
    assert_eq!(problems, [("process.terminated_time", "3/3/2025 8:00 AM"), ("time", "3/3/2025 8:00 AM")]);
}

#[test]
fn a_firewall_record_whose_time_cannot_be_read_has_the_time_it_was_written() {
    let mut record: Value =
        serde_json::from_str(&samples::network_firewall_log(samples::FirewallLog::Netflow, 1)).unwrap();
    record["event"]["timestamp"] = json!("yesterday");
    let line = mapped("aws-network-firewall", &record);
    let written: i64 = record["event_timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(line.event["time"], written * 1_000);
    assert_eq!(line.event["metadata"]["original_time"], "yesterday");
    assert_eq!(line.problems.len(), 1);
}

#[test]
fn the_hash_of_schema_1_is_a_hash() {
    let fields = format!(
        "UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}IntegrityLevel: High\nHashType: SHA1\n\
        Hash: 2FD4E1C67A2D28FCED849EE1BB76E7391B93EB12\nParentProcessGuid: {{b}}\nParentProcessId: 4\nParentImage: System"
    );
    let line = mapped("windows-sysmon", &sysmon(1, &fields));
    let hash = json!({ "algorithm": "SHA-1", "algorithm_id": 2, "value": "2FD4E1C67A2D28FCED849EE1BB76E7391B93EB12" });
    assert_eq!(line.event["process"]["file"]["hashes"], json!([hash]));
    assert_eq!(line.event["process"]["integrity"], "High");
    assert_eq!(line.event.get("unmapped").and_then(|unmapped| unmapped.get("Description.Hash")), None);
}

#[test]
fn a_hash_that_is_empty_or_too_long_is_left_out_and_kept_as_it_came() {
    let long = "A".repeat(65);
    for hashes in [
        "MD5=60B725F10C9C85C70D97880DFE8191B3,SHA256=".to_owned(),
        format!("MD5=60B725F10C9C85C70D97880DFE8191B3,SHA256={long}"),
    ] {
        let fields = format!(
            "UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}TargetFilename: C:\\a.txt\nHashes: {hashes}\nIsExecutable: true"
        );
        let line = mapped("windows-sysmon", &sysmon(26, &fields));
        assert_eq!(line.event["unmapped"]["Description.Hashes"], hashes.as_str());
        let kept = &line.event["file"]["hashes"];
        assert_eq!(
            kept,
            &json!([{ "algorithm": "MD5", "algorithm_id": 1, "value": "60B725F10C9C85C70D97880DFE8191B3" }])
        );
        let of_hashes = line.problems.iter().filter(|problem| problem.attribute == "file.hashes");
        assert_eq!(of_hashes.count(), 1, "{:?}", line.problems);
    }
}

#[test]
fn a_request_without_an_id_is_left_out_whole() {
    let mut event: Value = serde_json::from_str(&samples::cloudtrail_event("create-tags", 1).unwrap()).unwrap();
    event["requestID"] = Value::Null;
    event["eventID"] = Value::Null;
    let line = mapped("aws-cloudtrail", &event);
    assert_eq!(line.event["api"].get("request"), None);
    let unmapped = line.event["unmapped"].as_object().unwrap();
    assert!(unmapped.keys().any(|key| key.starts_with("requestParameters.")), "{unmapped:?}");
    let breach = line.problems[0].breach.as_ref().unwrap().to_string();
    assert_eq!(breach, "required attribute `api.request.uid` is missing");
}

#[test]
fn fields_that_flatten_to_one_path_are_both_kept() {
    let mut event = sysmon(5, &format!("UtcTime: 2025-03-03 08:00:00.000\n{PROCESS}"));
    event["x"] = json!({ "y": "inner" });
    event["x.y"] = json!("outer");
    assert_eq!(mapped("windows-sysmon", &event).event["unmapped"]["x.y"], "inner,outer");
}

#[test]
fn an_alert_without_an_address_is_a_finding() {
    let line = samples::network_firewall_log(samples::FirewallLog::AlertBlocked, 1);
    for (field, value) in [("src_ip", Value::Null), ("dest_ip", Value::Null), ("dest_ip", json!("(unknown)"))] {
        let mut record: Value = serde_json::from_str(&line).unwrap();
        record["event"][field] = value.clone();
        let line = mapped("aws-network-firewall", &record);
        assert_eq!(line.event["class_uid"], 2004, "{field} is {value}");
        assert_eq!(line.event["finding_info"]["title"], record["event"]["alert"]["signature"]);
    }
}

#[test]
fn a_guardduty_finding_with_odd_values_is_a_finding_and_keeps_them() {
    let finding = json!({
        "schemaVersion": 2, "accountId": 111_122_223_333_u64, "region": "eu-central-1", "partition": "aws",
        "id": "f1", "arn": "arn:aws:guardduty:eu-central-1:111122223333:detector/d/finding/f1",
        "type": "Recon:EC2/Portscan", "severity": 5, "createdAt": "yesterday", "updatedAt": "2026-03-02T08:15:04Z",
        "title": "T", "description": ["a", "b"],
        "resource": {
            "resourceType": "S3Bucket",
            "s3BucketDetails": {"arn": "arn:aws:s3:::example-logs", "name": "example-logs"},
        },
        "service": {
            "count": 1_000_000_000_000_u64, "archived": "TRUE", "evidence": {},
            "action": {"networkConnectionAction": {
                "connectionDirection": "inbound",
                "remoteIpDetails": {"ipAddressV4": "not an address"}, "remotePortDetails": {"port": 70_000},
                "localIpDetails": {"ipAddressV6": "2001:db8::22"}, "localPortDetails": {"port": "22"},
            }},
        },
    });
    let line = mapped("aws-guardduty", &finding);
    let event = &line.event;
    assert_eq!((&event["activity_name"], &event["status"]), (&json!("Close"), &json!("Suppressed")));
    assert_eq!(event["resources"][0]["uid"], "arn:aws:s3:::example-logs");
    assert_eq!(event["resources"][0]["owner"]["account"]["uid"], "111122223333");
    let [evidence] = event["evidences"].as_array().unwrap().as_slice() else { panic!("{event}") };
    assert_eq!(evidence["connection_info"], json!({"direction": "Inbound", "direction_id": 1}));
    assert_eq!(evidence["dst_endpoint"], json!({"ip": "2001:db8::22", "port": 22}));
    assert_eq!(evidence.get("src_endpoint"), None);
    let action = "service.action.networkConnectionAction";
    for (key, value) in [
        ("createdAt".to_owned(), "yesterday"),
        ("description[]".to_owned(), "a,b"),
        ("service.count".to_owned(), "1000000000000"),
        (format!("{action}.remoteIpDetails.ipAddressV4"), "not an address"),
        (format!("{action}.remotePortDetails.port"), "70000"),
    ] {
        assert_eq!(event["unmapped"][&key], value, "{key}");
    }
    assert_eq!(line.problems.len(), 5, "{:?}", line.problems);
}

#[test]
fn a_security_hub_finding_with_single_values_for_lists_is_read_all_the_same() {
    let finding = json!({
        "ProductArn": "arn:aws:securityhub:eu-central-1::product/example/scanner", "Id": "f-1",
        "AwsAccountId": "111122223333", "UpdatedAt": "2026-03-02T08:15:04Z", "Title": "T",
        "Types": "Software and Configuration Checks", "Severity": {"Label": "HIGH"}, "Resources": [],
        "Vulnerabilities": {
            "Id": "CVE-2026-0001", "FixAvailable": "PARTIAL", "ExploitAvailable": "yes", "ReferenceUrls": [],
            "VulnerablePackages": {"Name": "lib", "Version": 1, "Epoch": "none"},
            "Cvss": {"Version": "3.1", "BaseScore": "high"},
        },
    });
    let line = mapped("aws-security-hub", &finding);
    let event = &line.event;
    assert_eq!(event["finding_info"]["types"], json!(["Software and Configuration Checks"]));
    let vulnerability = json!({
        "cve": {"uid": "CVE-2026-0001"}, "is_exploit_available": true,
        "affected_packages": [{"name": "lib", "version": "1"}],
    });
    assert_eq!(event["vulnerabilities"], json!([vulnerability]));
    for (key, value) in [
        ("Cvss.BaseScore", "high"),
        ("Cvss.Version", "3.1"),
        ("FixAvailable", "PARTIAL"),
        ("VulnerablePackages.Epoch", "none"),
    ] {
        assert_eq!(event["unmapped"][format!("Vulnerabilities.{key}")], value, "{key}");
    }
}
