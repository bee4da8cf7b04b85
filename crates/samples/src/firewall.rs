//! AWS Network Firewall logs: flows, alerts and the four forms of TLS inspection records, as the service writes them
//! to S3 or Firehose, one JSON object a line.

use serde_json::{Map, Value, json};

use crate::period::{Clock, Period, format_time};
use crate::random::Random;
use crate::world::{private_address, public_address};

/// A kind of Network Firewall record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirewallLog {
    /// A flow, one direction of it.
    Netflow,
    /// An alert of a rule that let the packet pass.
    AlertAllowed,
    /// An alert of a rule that blocked, from a firewall that does not write a verdict yet.
    AlertBlocked,
    /// An alert with HTTP fields and the verdict `drop`.
    AlertHttp,
    /// An alert with TLS fields and the verdict `reject`. The server's subject is written twice, as the service does.
    AlertTls,
    /// An alert of the packet decoder, without addresses.
    AlertDecoder,
    /// TLS inspection: the client sent no server name.
    TlsNoServerName,
    /// TLS inspection: the server's certificate is for another name.
    TlsNameMismatch,
    /// TLS inspection: the server's certificate is revoked.
    TlsRevoked,
    /// TLS inspection: the revocation status could not be found out.
    TlsRevocationUnknown,
}

impl FirewallLog {
    /// Every kind, in the order of declaration.
    pub const ALL: [FirewallLog; 10] = [
        FirewallLog::Netflow,
        FirewallLog::AlertAllowed,
        FirewallLog::AlertBlocked,
        FirewallLog::AlertHttp,
        FirewallLog::AlertTls,
        FirewallLog::AlertDecoder,
        FirewallLog::TlsNoServerName,
        FirewallLog::TlsNameMismatch,
        FirewallLog::TlsRevoked,
        FirewallLog::TlsRevocationUnknown,
    ];

    /// How many of 1,000 records are of this kind.
    fn share(self) -> u64 {
        match self {
            FirewallLog::Netflow => 780,
            FirewallLog::AlertAllowed => 90,
            FirewallLog::AlertBlocked => 40,
            FirewallLog::AlertHttp => 35,
            FirewallLog::AlertTls => 35,
            FirewallLog::AlertDecoder => 4,
            FirewallLog::TlsNoServerName | FirewallLog::TlsNameMismatch => 5,
            FirewallLog::TlsRevoked | FirewallLog::TlsRevocationUnknown => 3,
        }
    }
}

/// Records in about the proportions of a firewall with a few alerting rules, without end.
pub fn network_firewall(seed: u64) -> NetworkFirewall {
    NetworkFirewall::new(seed, Period::default())
}

/// One record of that kind.
///
/// ```
/// let line = samples::network_firewall_log(samples::FirewallLog::TlsRevoked, 1);
/// assert!(line.contains(r#""status":"REVOKED""#));
/// ```
pub fn network_firewall_log(kind: FirewallLog, seed: u64) -> String {
    network_firewall(seed).log(kind)
}

/// An endless stream of Network Firewall records, each a line of JSON without its line feed.
#[derive(Clone, Debug)]
pub struct NetworkFirewall {
    random: Random,
    clock: Clock,
}

impl NetworkFirewall {
    /// A stream of the given seed and times.
    pub fn new(seed: u64, period: Period) -> NetworkFirewall {
        NetworkFirewall { random: Random::new(seed), clock: Clock::new(period) }
    }

    /// The next record, of the kind asked for.
    pub fn log(&mut self, kind: FirewallLog) -> String {
        let random = &mut self.random;
        let time = self.clock.tick(random);
        let tls_inspection = matches!(
            kind,
            FirewallLog::TlsNoServerName
                | FirewallLog::TlsNameMismatch
                | FirewallLog::TlsRevoked
                | FirewallLog::TlsRevocationUnknown
        );
        let event =
            if tls_inspection { tls_inspection_event(kind, time, random) } else { engine_event(kind, time, random) };
        // The log is written some seconds after the event; the TLS inspection log has a number here.
        let written = time / 1_000 + random.between(1, 40) as i64;
        let record = json!({
            "firewall_name": random.pick(&["egress-firewall", "egress-firewall", "inspection-vpc-firewall"]),
            "availability_zone": random.pick(&["eu-central-1a", "eu-central-1b", "us-west-2-lax-1a"]),
            "event_timestamp": if tls_inspection { json!(written) } else { json!(written.to_string()) },
            "event": event,
        });
        let line = record.to_string();
        if kind == FirewallLog::AlertTls {
            line.replacen(r#""tls":{"#, r#""tls":{"subject":"CN=first.example.org","#, 1)
        } else {
            line
        }
    }
}

impl Iterator for NetworkFirewall {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut ticket = self.random.below(FirewallLog::ALL.iter().map(|kind| kind.share()).sum());
        let kind = FirewallLog::ALL.into_iter().find(|kind| {
            let found = ticket < kind.share();
            ticket = ticket.saturating_sub(kind.share());
            found
        });
        Some(self.log(kind.unwrap_or(FirewallLog::Netflow)))
    }
}

/// A record of the stateful engine (Suricata's EVE form).
fn engine_event(kind: FirewallLog, time: i64, random: &mut Random) -> Value {
    let mut event = Map::new();
    let timestamp = format!("{}{:03}+0000", format_time(time, "%Y-%m-%dT%H:%M:%S%.3f"), random.below(1_000));
    event.insert("timestamp".into(), json!(timestamp));
    if kind == FirewallLog::AlertDecoder {
        event.insert("event_type".into(), json!("alert"));
        event.insert(
            "alert".into(),
            alert("allowed", 2_200_003, "SURICATA IPv4 truncated packet", "Generic Protocol Command Decode", 3),
        );
        return Value::Object(event);
    }
    event.insert("flow_id".into(), json!(random.between(1_000_000_000, 2_200_000_000_000_000)));
    event.insert("event_type".into(), json!(if kind == FirewallLog::Netflow { "netflow" } else { "alert" }));

    let icmp = kind == FirewallLog::Netflow && random.chance(10);
    let version_6 = random.chance(12);
    let (source, destination) = if version_6 {
        let mut address = |network| format!("2001:0db8:{network}:0000:0000:0000:0000:{:04x}", random.below(0x1_0000));
        (address("0020"), address("00ff"))
    } else {
        (private_address(random), public_address(random))
    };
    let (protocol, port, application) = match kind {
        FirewallLog::AlertHttp => ("TCP", 80, "http"),
        FirewallLog::AlertTls => ("TCP", 443, "tls"),
        _ if icmp && version_6 => ("IPv6-ICMP", 0, ""),
        _ if icmp => ("ICMP", 0, ""),
        _ => *random.pick_from(&[
            ("TCP", 443, "tls"),
            ("TCP", 22, "ssh"),
            ("UDP", 53, "dns"),
            ("TCP", 8081, "failed"),
            ("TCP", 80, "http"),
        ]),
    };
    event.insert("src_ip".into(), json!(source));
    event.insert("src_port".into(), json!(if icmp { 0 } else { random.between(32_768, 65_535) }));
    event.insert("dest_ip".into(), json!(destination));
    event.insert("dest_port".into(), json!(port));
    event.insert("proto".into(), json!(protocol));
    if icmp {
        event.insert("icmp_type".into(), json!(if version_6 { 128 } else { 8 }));
        event.insert("icmp_code".into(), json!(0));
    }
    if !application.is_empty() {
        event.insert("app_proto".into(), json!(application));
    }
    match kind {
        FirewallLog::Netflow => netflow(&mut event, time, protocol == "TCP", random),
        FirewallLog::AlertAllowed => {
            event.insert("alert".into(), alert("allowed", 1_000_002, "watch new outbound service", "", 3));
        }
        FirewallLog::AlertBlocked => {
            event
                .insert("alert".into(), alert("blocked", 2_403_300, "EXAMPLE address on block list", "Misc Attack", 2));
        }
        FirewallLog::AlertHttp => {
            event.insert(
                "alert".into(),
                alert("blocked", 1_000_010, "deny file sharing sites", "Potential Corporate Privacy Violation", 1),
            );
            event.insert("verdict".into(), json!({ "action": "drop" }));
            event.insert("tx_id".into(), json!(0));
            event.insert("aws_category".into(), json!("[\"File Sharing\"]"));
            event.insert("direction".into(), json!("to_server"));
            event.insert(
                "http".into(),
                json!({
                    "hostname": "files.example.net",
                    "url": "/upload?id=17",
                    "http_user_agent": "curl/8.11.1",
                    "http_method": "POST",
                    "protocol": "HTTP/1.1",
                    "length": 0,
                    "request_headers": [{ "name": "host", "value": "files.example.net" }, { "name": "accept", "value": "*/*" }],
                }),
            );
        }
        _ => {
            event.insert(
                "alert".into(),
                alert("blocked", 1_000_011, "deny look-alike names", "A suspicious string was detected", 1),
            );
            event.insert("verdict".into(), json!({ "action": "reject" }));
            event.insert("direction".into(), json!("to_server"));
            event.insert("tls".into(), tls(random));
        }
    }
    Value::Object(event)
}

fn alert(action: &str, id: u64, signature: &str, category: &str, severity: u64) -> Value {
    json!({
        "action": action, "gid": 1, "signature_id": id, "rev": 3, "signature": signature, "category": category,
        "severity": severity,
    })
}

fn netflow(event: &mut Map<String, Value>, time: i64, tcp: bool, random: &mut Random) {
    let packets = random.between(1, 400);
    let length = random.below(90_000) as i64;
    let instant = |ms: i64| format!("{}000+0000", format_time(ms, "%Y-%m-%dT%H:%M:%S%.3f"));
    event.insert(
        "netflow".into(),
        json!({
            "pkts": packets,
            "bytes": packets * random.between(54, 1_400),
            "start": instant(time - 60_000 - length),
            "end": instant(time - 60_000),
            "age": length / 1_000,
            "min_ttl": 63,
            "max_ttl": 64,
        }),
    );
    if tcp {
        let complete = random.chance(70);
        event.insert(
            "tcp".into(),
            if complete {
                json!({ "tcp_flags": "1b", "syn": true, "fin": true, "psh": true, "ack": true })
            } else {
                json!({ "tcp_flags": "02", "syn": true })
            },
        );
    }
}

fn tls(random: &mut Random) -> Value {
    let version = random.pick(&["TLS 1.2", "TLS 1.3", "UNDETERMINED"]);
    if version != "TLS 1.2" {
        return json!({ "sni": "exampIe.com", "version": version });
    }
    let pairs = |digits: String| {
        digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>().join(":")
    };
    json!({
        "subject": "CN=exampIe.com",
        "issuerdn": "C=XX, O=Example Trust, CN=Example Issuing CA 2",
        "serial": pairs(random.hex(16)).to_ascii_uppercase(),
        "fingerprint": pairs(random.hex(40)),
        "sni": "exampIe.com",
        "version": version,
        "notbefore": "2025-01-14T00:00:00",
        "notafter": "2025-04-14T23:59:59",
        "ja3": { "hash": random.hex(32), "string": "771,4865-4866-49195,0-23-65281-10-11,29-23-24,0" },
    })
}

fn tls_inspection_event(kind: FirewallLog, time: i64, random: &mut Random) -> Value {
    let mut event = Map::new();
    let fraction = random.below(1_000);
    event.insert("timestamp".into(), json!(format!("{}{fraction:03}Z", format_time(time, "%Y-%m-%dT%H:%M:%S%.3f"))));
    event.insert("src_ip".into(), json!(private_address(random)));
    event.insert("src_port".into(), json!(random.between(32_768, 65_535).to_string()));
    event.insert("dest_ip".into(), json!(public_address(random)));
    event.insert("dest_port".into(), json!("443"));
    match kind {
        FirewallLog::TlsNoServerName => {
            event.insert("sni".into(), json!("-"));
            event.insert("tls_error".into(), json!({ "error_message": "Server name is not found in client hello." }));
        }
        FirewallLog::TlsNameMismatch => {
            event.insert("sni".into(), json!("intranet.example.org"));
            let message =
                "SNI: intranet.example.org Match Failed to server certificate names: www.example.net/example.net ";
            event.insert("tls_error".into(), json!({ "error_message": message }));
        }
        _ => {
            let (status, action) = match kind {
                FirewallLog::TlsRevoked => ("REVOKED", random.pick(&["DROP", "REJECT"])),
                _ => ("UNKNOWN", random.pick(&["PASS", "DROP"])),
            };
            event.insert("sni".into(), json!("revoked.example.com"));
            event.insert(
                "revocation_check".into(),
                json!({ "leaf_cert_fpr": random.hex(40), "status": status, "action": action }),
            );
        }
    }
    Value::Object(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_one_json_object_on_one_line_and_repeats_with_its_seed() {
        for kind in FirewallLog::ALL {
            let line = network_firewall_log(kind, 9);
            assert_eq!(line, network_firewall_log(kind, 9));
            assert!(!line.contains('\n'));
            let record: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(record["event"].get("event_type").is_none(), record["event_timestamp"].is_number(), "{kind:?}");
        }
    }

    #[test]
    fn the_stream_is_mostly_flows_and_has_every_kind() {
        let lines: Vec<String> = network_firewall(2).take(4_000).collect();
        let flows = lines.iter().filter(|line| line.contains("netflow")).count();
        assert!((2_900..3_350).contains(&flows), "{flows}");
        for part in ["\"drop\"", "\"reject\"", "tls_error", "REVOKED", "UNKNOWN", "truncated", "ICMP", "2001:0db8"] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part}");
        }
    }

    #[test]
    fn a_tls_alert_names_its_subject_twice() {
        let line =
            (0..).map(|seed| network_firewall_log(FirewallLog::AlertTls, seed)).find(|line| line.contains("issuerdn"));
        assert_eq!(line.unwrap().matches("\"subject\"").count(), 2);
    }
}
