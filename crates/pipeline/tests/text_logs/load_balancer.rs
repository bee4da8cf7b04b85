//! Access logs of an Application Load Balancer: through the shipped config, and through a config without `decode`, as the
//! AWS transformation library has one. There the lines are cut as that library's preprocessor cuts them, and every line
//! becomes a valid row.

use pipeline::{MappedSource, Sources};
use serde_json::{Value, json};

use crate::laboratory::{check_golden, check_page, mapped, shipped};

/// A mapping of the library's kind: it reads fields that only its preprocessor makes.
fn config(source_name: &str, events: &[&str]) -> String {
    let attributes = json!({
        "metadata": { "product": { "name": "ELB", "vendor_name": "AWS", "uid": "$.elb" } },
        "severity_id": 1,
        "activity_id": { "enum": { "evaluate": "$.request_method", "values": { "GET": 3, "POST": 6 }, "other": 99 } },
        "http_request": {
            "http_method": "$.request_method",
            "user_agent": "$.user_agent",
            "url": { "url_string": "$.request_url", "hostname": "$.domain_name", "scheme": "$.type" }
        },
        "http_response": { "code": "$.elb_status_code" },
        "src_endpoint": { "ip": "$.client_ip", "port": "$.client_port" },
        "dst_endpoint": { "hostname": "$.target_group_arn", "ip": "$.target_ip", "port": "$.target_port" },
        "time": "$.time",
        "tls": { "version": "$.ssl_protocol", "cipher": "$.ssl_cipher" },
        "unmapped": { "targets": "$.target_ip_list", "protocol": "$.request_protocol" }
    });
    let event = json!({ "schema": "http_activity", "schema_mapping": attributes });
    let events: serde_json::Map<String, Value> = events.iter().map(|&key| (key.to_owned(), event.clone())).collect();
    json!({ "custom_source_events": {
        "source_name": source_name,
        "matched_field": "$.type",
        "timestamp": { "field": "$.time", "format": "%Y-%m-%dT%H:%M:%S.%fZ" },
        "ocsf_mapping": events
    } })
    .to_string()
}

fn source() -> MappedSource {
    MappedSource::new("aws-alb", &config("aws-alb", &["http", "https", "h2"]), &|_| None).unwrap()
}

/// A line with these fields; the others are as of a request that was forwarded.
fn line(changes: &[(&str, &str)]) -> String {
    const FIELDS: [(&str, &str); 29] = [
        ("type", "https"),
        ("time", "2026-03-04T05:06:07.080900Z"),
        ("elb", "app/shop/0123456789abcdef"),
        ("client", "198.51.100.7:50123"),
        ("target", "10.1.2.3:8080"),
        ("request_processing_time", "0.001"),
        ("target_processing_time", "0.020"),
        ("response_processing_time", "0.000"),
        ("elb_status_code", "200"),
        ("target_status_code", "200"),
        ("received_bytes", "310"),
        ("sent_bytes", "1520"),
        ("request", "\"GET https://shop.example.com:443/cart?id=7 HTTP/1.1\""),
        ("user_agent", "\"probe/2.1 (test)\""),
        ("ssl_cipher", "TLS_AES_128_GCM_SHA256"),
        ("ssl_protocol", "TLSv1.3"),
        (
            "target_group_arn",
            "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/fedcba9876543210",
        ),
        ("trace_id", "\"Root=1-69a7-0123456789abcdef01234567\""),
        ("domain_name", "\"shop.example.com\""),
        ("chosen_cert_arn", "\"session-reused\""),
        ("matched_rule_priority", "5"),
        ("request_creation_time", "2026-03-04T05:06:07.050000Z"),
        ("actions_executed", "\"waf,forward\""),
        ("redirect_url", "\"-\""),
        ("error_reason", "\"-\""),
        ("target_list", "\"10.1.2.3:8080\""),
        ("target_status_code_list", "\"200\""),
        ("classification", "\"-\""),
        ("classification_reason", "\"-\""),
    ];
    let mut fields: Vec<&str> = Vec::new();
    for (name, value) in FIELDS {
        let change = changes.iter().find(|(changed, _)| *changed == name);
        fields.push(change.map_or(value, |(_, value)| value));
    }
    fields.extend(changes.iter().filter(|(name, _)| *name == "more").map(|(_, value)| *value));
    fields.join(" ") + "\n"
}

fn event(changes: &[(&str, &str)]) -> Value {
    mapped(&source(), line(changes).as_bytes()).remove(0).unwrap()
}

#[test]
fn every_type_of_request_is_a_row() {
    for kind in ["http", "https", "h2", "grpcs", "ws", "wss", "h3"] {
        let event = event(&[("type", kind)]);
        assert_eq!(event["http_request"]["url"]["scheme"], kind);
        assert_eq!((&event["activity_name"], &event["class_uid"]), (&json!("Get"), &json!(4002)));
        assert_eq!(event["time"], 1_772_600_767_080_i64);
    }
}

#[test]
fn addresses_and_ports_come_apart_in_every_spelling() {
    for (client, ip, port) in [
        ("198.51.100.7:50123", "198.51.100.7", 50_123),
        ("[2001:db8::5]:443", "2001:db8::5", 443),
        ("2001:db8::1:50718", "2001:db8::1", 50_718),
        ("2001:db8:4538:1:bcf4:5264:e01c:f215:80", "2001:db8:4538:1:bcf4:5264:e01c:f215", 80),
        ("::ffff:10.0.0.1:80", "::ffff:10.0.0.1", 80),
    ] {
        let event = event(&[("client", client), ("target", client), ("target_list", &format!("\"{client}\""))]);
        for endpoint in ["src_endpoint", "dst_endpoint"] {
            assert_eq!((&event[endpoint]["ip"], &event[endpoint]["port"]), (&json!(ip), &json!(port)), "{client}");
        }
        assert_eq!(event["unmapped"]["targets"], ip);
    }
}

#[test]
fn a_dash_is_no_value() {
    let event = event(&[
        ("target", "-"),
        ("target_list", "\"-\""),
        ("target_processing_time", "-1"),
        ("target_status_code", "-"),
        ("user_agent", "\"-\""),
        ("ssl_cipher", "-"),
        ("ssl_protocol", "-"),
        ("domain_name", "\"-\""),
    ]);
    let destination = json!({
        "hostname": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/fedcba9876543210",
        "name": "app/shop/0123456789abcdef"
    });
    assert_eq!(event["dst_endpoint"], destination);
    assert!(event.get("tls").is_none() && event["http_request"].get("user_agent").is_none());
    assert!(!event.to_string().contains("\"-\""), "{event}");
}

#[test]
fn a_request_that_the_balancer_itself_refuses_is_a_row() {
    let refused = [("target", "-"), ("target_group_arn", "-"), ("target_list", "\"-\""), ("target_status_code", "-")];
    let event = event(&refused);
    assert_eq!(event["dst_endpoint"], json!({ "name": "app/shop/0123456789abcdef" }));
}

#[test]
fn requests_come_apart_whatever_the_client_sent() {
    let request = |text: &str| event(&[("request", text)]);
    let parts = |event: &Value| {
        let request = &event["http_request"];
        [&request["http_method"], &request["url"]["url_string"], &event["unmapped"]["protocol"]].map(Value::clone)
    };
    assert_eq!(
        parts(&request(r#""POST https://x.example:443/a b?q=\"y\" HTTP/2.0""#)),
        [json!("POST"), json!("https://x.example:443/a b?q=\"y\""), json!("HTTP/2.0")]
    );
    let malformed = request(r#""- http://x.example:80- ""#);
    assert_eq!(parts(&malformed), [Value::Null, json!("http://x.example:80-"), Value::Null]);
    assert_eq!(malformed["activity_name"], "Unknown");
    assert_eq!(request(r#""BREW http://x.example:80/ HTTP/1.1""#)["activity_id"], 99);
    assert_eq!(parts(&request("\"GET /\"")), [json!("GET"), json!("/"), Value::Null]);
    // What is no request line at all stays whole.
    assert_eq!(parts(&request("\"\\x16\\x03\"")), [Value::Null, json!("\\x16\\x03"), Value::Null]);
    assert_eq!(request("\"-\"")["http_request"]["url"]["path"], "-");
}

#[test]
fn older_and_newer_lines_keep_every_field() {
    let newest = event(&[("more", "TID_0123 \"in.example.com\" \"/in\" \"TransformSuccess\" \"10.9.8.7\" \"later\"")]);
    let names =
        ["conn_trace_id", "transformed_host", "transformed_uri", "request_transform_status", "ip_address", "_35"];
    let values = ["TID_0123", "in.example.com", "/in", "TransformSuccess", "10.9.8.7", "later"];
    for (name, value) in names.into_iter().zip(values) {
        assert_eq!(newest["unmapped"][name], value);
    }
    assert!(event(&[])["unmapped"].get("conn_trace_id").is_none());
    assert_eq!(event(&[])["unmapped"]["actions_executed"], "waf,forward");
    let whole = line(&[]);
    let old = whole.split_once(" \"shop.example.com\"").unwrap().0;
    assert!(mapped(&source(), old.as_bytes())[0].is_ok());
}

#[test]
fn events_that_are_in_fields_already_are_read_as_they_are() {
    let fields = json!({ "type": "h2", "time": "2026-03-04T05:06:07.1Z", "elb": "app/a/b", "client_ip": "10.0.0.1", "elb_status_code": 404 });
    let log = format!("{fields}\n{}{fields}\n", line(&[]));
    let events: Vec<Value> = mapped(&source(), log.as_bytes()).into_iter().map(Result::unwrap).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], events[2]);
    assert_eq!(events[0]["src_endpoint"]["ip"], "10.0.0.1");
}

#[test]
fn a_config_has_the_last_word() {
    let own = |change: Value| {
        let mut config: Value = serde_json::from_str(&config("aws-alb", &["http", "wss"])).unwrap();
        let members = config["custom_source_events"].as_object_mut().unwrap();
        members.extend(change.as_object().unwrap().clone());
        MappedSource::new("aws-alb", &config.to_string(), &|_| None).unwrap()
    };
    let wss = line(&[("type", "wss")]);
    assert!(mapped(&own(json!({})), wss.as_bytes())[0].is_ok());
    assert!(mapped(&own(json!({})), line(&[]).as_bytes())[0].is_err(), "no event `https` to fall back on");
    let kept = mapped(&own(json!({ "absent": [""] })), line(&[("type", "wss"), ("user_agent", "\"-\"")]).as_bytes());
    assert_eq!(kept[0].as_ref().unwrap()["http_request"]["user_agent"], "-");
    let decoded = own(json!({ "decode": { "format": "ndjson" } }));
    assert!(mapped(&decoded, wss.as_bytes())[0].is_err());
}

#[test]
fn a_sources_file_may_name_the_preprocessor() {
    let text = config("shop-front", &["http", "https", "h2"]);
    let sources = |module: &str| {
        let file = json!({ "sources": [{
            "name": "shop-front", "mapping_file": "shop.json", "preprocessor_module": module,
            "input_paths": { "s3": { "enabled": true, "source_buckets": [{ "bucket_name": "*" }] } }
        }] });
        Sources::from_text(&file.to_string(), &|name| (name == "shop.json").then(|| text.clone())).unwrap()
    };
    let source = |sources: &Sources| mapped(sources.iter().next().unwrap(), line(&[]).as_bytes())[0].is_ok();
    assert!(source(&sources("alb_preprocessor")));
    assert!(!source(&sources("my_preprocessor")));
}

#[test]
fn the_config_of_the_aws_library_takes_every_type() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/");
    let Ok(text) = std::fs::read_to_string(format!("{shared}data/aws-library/aws_alb.json")) else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let source = MappedSource::new("aws-alb", &text, &|_| None).unwrap();
    let lines: String = ["http", "https", "h2", "grpcs", "ws", "wss"].map(|kind| line(&[("type", kind)])).concat();
    for event in mapped(&source, lines.as_bytes()) {
        assert_eq!(event.unwrap()["http_request"]["url"]["url_string"], "https://shop.example.com:443/cart?id=7");
    }
    let reported = std::fs::read_to_string(format!("{shared}vectors/cases/ingest/m1-alb.log")).unwrap();
    let events = mapped(&source, reported.as_bytes());
    assert_eq!(events.len(), 5);
    for event in events {
        event.unwrap();
    }
}

#[test]
fn the_shipped_config_maps_every_kind_of_line_as_the_golden_file_says() {
    check_golden("aws-alb", &shipped("aws-alb"), include_str!("aws-alb.log"));
    check_golden("aws-alb-more", &shipped("aws-alb"), include_str!("aws-alb-more.log"));
}

#[test]
fn the_stand_in_cuts_lines_as_the_shipped_config_does() {
    let (shipped, stand_in) = (shipped("aws-alb"), source());
    assert_eq!(stand_in.decode().framing, shipped.decode().framing);
    for (column, text) in
        [("client", "10.0.0.1:80"), ("target", "[::1]:1"), ("target_list", "::1:1"), ("request", "A b")]
    {
        let fields = |source: &MappedSource| format!("{:?}", source.decode().split_columns.fields(column, text));
        assert_eq!(fields(&stand_in), fields(&shipped));
    }
}

#[test]
fn the_page_shows_what_comes_out() {
    check_page("aws-alb");
}
