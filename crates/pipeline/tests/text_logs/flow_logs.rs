//! VPC flow logs: the default format and custom ones, as text and as Parquet, by one config.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use pipeline::{MappedSource, shipped_mapping};
use serde_json::{Value, json};

use crate::laboratory::{check_golden, check_page, mapped, shipped};

const LOG: &str = include_str!("aws-vpc-flow.log");
const CUSTOM: &str = include_str!("aws-vpc-flow-custom.log");

#[test]
fn the_shipped_config_maps_every_kind_of_line_as_the_golden_file_says() {
    let source = shipped("aws-vpc-flow");
    check_golden("aws-vpc-flow", &source, LOG);
    check_golden("aws-vpc-flow-custom", &source, CUSTOM);
    check_golden("aws-vpc-flow-transit-gateway", &source, include_str!("aws-vpc-flow-transit-gateway.log"));
}

#[test]
fn the_default_format_is_read_with_its_header_and_without() {
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";
    let line =
        "2 111122223333 eni-0123456789abcdef0 203.0.113.12 10.0.1.5 44321 22 6 3 180 1772600767 1772600827 REJECT OK\n";
    let source = shipped("aws-vpc-flow");
    let event = mapped(&source, line.as_bytes()).remove(0).unwrap();
    assert_eq!(mapped(&source, format!("{header}{line}").as_bytes()), [Ok(event.clone())]);
    assert_eq!((&event["activity_name"], &event["action"]), (&json!("Refuse"), &json!("Denied")));
    assert_eq!((&event["src_endpoint"]["ip"], &event["dst_endpoint"]["port"]), (&json!("203.0.113.12"), &json!(22)));
    assert_eq!(event["connection_info"]["protocol_name"], "tcp");
    assert_eq!((&event["time"], &event["duration"]), (&json!(1_772_600_767_000_i64), &json!(60_000)));
    // Nobody says whose interface it is.
    assert_eq!(event["unmapped"]["interface_id"], "eni-0123456789abcdef0");
}

#[test]
fn a_custom_format_has_its_own_order_and_maybe_newer_fields() {
    let log = "action dstaddr srcaddr start end some-new-field\nACCEPT 10.0.0.2 10.0.0.1 1772600767 1772600770 x\n";
    let event = mapped(&shipped("aws-vpc-flow"), log.as_bytes()).remove(0).unwrap();
    assert_eq!((&event["src_endpoint"]["ip"], &event["dst_endpoint"]["ip"]), (&json!("10.0.0.1"), &json!("10.0.0.2")));
    assert_eq!(event["unmapped"], json!({ "some-new-field": "x" }));
}

#[test]
fn a_config_of_ones_own_names_the_order_of_fields_of_a_log_without_header() {
    let config = json!({ "custom_source_events": {
        "source_name": "shop-flows", "extends": "aws-vpc-flow",
        "decode": { "format": "delimited", "separator": " ", "columns": [
            "interface-id", "srcaddr", "dstaddr", "dstport", "action", "flow-direction", "start", "end", "log-status"
        ] },
        "ocsf_mapping": {}
    } });
    let source = MappedSource::new("shop-flows", &config.to_string(), &|name| shipped_mapping(name).map(str::to_owned));
    let line = "eni-0a 203.0.113.12 10.0.1.5 22 REJECT ingress 1772600767 1772600827 OK";
    let message = json!({
        "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/flows", "logStream": "eni-0a-all",
        "logEvents": [{ "id": "1", "timestamp": 1_772_600_767_000_i64, "message": line }]
    });
    let event = mapped(&source.unwrap(), message.to_string().as_bytes()).remove(0).unwrap();
    assert_eq!((&event["activity_name"], &event["dst_endpoint"]["port"]), (&json!("Refuse"), &json!(22)));
    assert_eq!(event["dst_endpoint"]["interface_uid"], "eni-0a");
}

#[test]
fn a_line_in_a_message_field_is_a_flow() {
    let line = "2 111122223333 eni-0a 203.0.113.12 10.0.1.5 44321 22 6 3 180 1772600767 1772600827 REJECT OK";
    let source = shipped("aws-vpc-flow");
    let event = mapped(&source, json!({ "message": line, "host": "a" }).to_string().as_bytes()).remove(0).unwrap();
    assert_eq!((&event["activity_name"], &event["unmapped"]["_envelope.host"]), (&json!("Refuse"), &json!("a")));
}

#[test]
fn values_that_do_not_fit_and_unknown_words_are_kept() {
    let log = "version account-id srcaddr dstaddr srcport dstport protocol packets bytes start end action flow-direction \
               traffic-path tcp-flags\n\
               5 unknown 10.0.1.9 192.0.2.9 70000 99999999999 999 99999999999999999999 9223372036854775807 1772600767 \
               1772600800 DROP sideways 12 99999999999\n";
    let text = shipped_mapping("aws-vpc-flow").unwrap();
    let source = MappedSource::new("flows", text, &|_| None).unwrap();
    let event = mapped(&source, log.as_bytes()).remove(0).unwrap();
    assert_eq!((&event["activity_id"], &event["activity_name"]), (&json!(99), &json!("DROP")));
    assert_eq!((&event["action_id"], &event["action"]), (&json!(99), &json!("DROP")));
    let connection = &event["connection_info"];
    assert_eq!((&connection["direction_id"], &connection["direction"]), (&json!(99), &json!("sideways")));
    assert_eq!((&connection["boundary_id"], &connection["boundary"]), (&json!(99), &json!("12")));
    assert_eq!(event["traffic"], json!({ "bytes": i64::MAX }));
    for (field, value) in [
        ("srcport", "70000"),
        ("dstport", "99999999999"),
        ("packets", "99999999999999999999"),
        ("tcp_flags", "99999999999"),
    ] {
        assert_eq!(event["unmapped"][field], value);
    }
}

/// The same flows as the service writes them to Parquet: names with underscores, numbers as integers.
fn parquet(log: &str) -> Vec<u8> {
    const LONG: [&str; 4] = ["packets", "bytes", "start", "end"];
    const SHORT: [&str; 6] = ["version", "srcport", "dstport", "protocol", "tcp_flags", "traffic_path"];
    let mut lines = log.lines();
    let names: Vec<String> = lines.next().unwrap().split(' ').map(|name| name.replace('-', "_")).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let columns = names.iter().enumerate().map(|(at, name)| {
        let texts = || rows.iter().map(|row| Some(row[at]).filter(|text| *text != "-"));
        let column: ArrayRef = if LONG.contains(&name.as_str()) {
            Arc::new(texts().map(|text| text.map(|text| text.parse().unwrap())).collect::<Int64Array>())
        } else if SHORT.contains(&name.as_str()) {
            Arc::new(texts().map(|text| text.map(|text| text.parse().unwrap())).collect::<Int32Array>())
        } else {
            Arc::new(StringArray::from_iter(rows.iter().map(|row| Some(row[at]))))
        };
        (name.as_str(), column, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn text_and_parquet_of_the_same_flows_give_the_same_events() {
    let source = shipped("aws-vpc-flow");
    let of_text = mapped(&source, LOG.as_bytes());
    assert_eq!(of_text.iter().filter(|fate| fate.is_ok()).count(), 4);
    assert_eq!(mapped(&source, &parquet(LOG)), of_text);
    assert_eq!(mapped(&source, &parquet(CUSTOM)).len(), CUSTOM.lines().count() - 1);
}

#[test]
fn records_without_data_are_no_events() {
    let fates: Vec<Result<Value, String>> = mapped(&shipped("aws-vpc-flow"), LOG.as_bytes());
    let discarded: Vec<String> = fates.into_iter().filter_map(Result::err).collect();
    assert_eq!(discarded, ["discarded: nodata", "discarded: skipdata"]);
}

#[test]
fn the_page_shows_what_comes_out() {
    check_page("aws-vpc-flow");
}

#[test]
fn real_flow_logs_give_an_event_for_each_line_with_data() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/");
    for name in ["vpcflow-v2.log", "vpcflow-v5.log"] {
        let Ok(log) = std::fs::read_to_string(format!("{data}{name}")) else {
            println!("skipped: ../shared/data is not here");
            return;
        };
        let without_data = log.matches(" NODATA").count() + log.matches(" SKIPDATA").count();
        let fates = mapped(&shipped("aws-vpc-flow"), log.as_bytes());
        let events: Vec<&Value> = fates.iter().filter_map(|fate| fate.as_ref().ok()).collect();
        assert_eq!(events.len() + without_data, log.trim_end().lines().count() - 1, "{name}");
        assert!(events.iter().all(|event| event["src_endpoint"]["ip"].is_string()));
    }
}
