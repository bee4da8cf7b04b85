//! S3 server access logs: text as S3 delivers it, and JSON as CloudWatch Logs has it.

use serde_json::{Value, json};

use crate::laboratory::{check_golden, check_page, mapped, shipped};

const LOG: &str = include_str!("aws-s3-access.log");

fn line(operation: &str) -> &'static str {
    LOG.lines().find(|line| line.contains(operation)).unwrap()
}

#[test]
fn the_shipped_config_maps_every_kind_of_line_as_the_golden_file_says() {
    check_golden("aws-s3-access", &shipped("aws-s3-access"), LOG);
}

#[test]
fn text_and_json_of_the_same_request_give_the_same_event() {
    let source = shipped("aws-s3-access");
    let of_text = mapped(&source, line("REST.GET.OBJECT").as_bytes()).remove(0).unwrap();
    let fields = json!({
        "schema_version_id": "V_1_0", "bucket_arn": "arn:aws:s3:::shop-data", "bucket_name": "shop-data",
        "request_time": "2026-03-04T05:06:07.000Z",
        "bucket_owner_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff",
        "remote_ip": "203.0.113.9", "requester": "arn:aws:iam::111122223333:user/ops/ann",
        "request_id": "5E0A6B7C8D9E0001", "operation": "REST.GET.OBJECT",
        "key_name": "invoices/2026/march%2520final.pdf",
        "request_uri": "GET /invoices/2026/march%20final.pdf?x-id=GetObject HTTP/1.1",
        "http_status": 200, "error_code": null, "bytes_sent": 48211, "object_size": 48211, "total_time": 21,
        "turn_around_time": 18, "referer": null, "user_agent": "aws-cli/2.15.0", "version_id": null,
        "host_id": "hQ7example+Host/Id1=", "signature_version": "SigV4", "cipher_suite": "TLS_AES_128_GCM_SHA256",
        "authentication_type": "AuthHeader", "host_header": "shop-data.s3.eu-central-1.amazonaws.com",
        "tls_version": "TLSv1.3", "access_point_arn": null, "acl_required": null, "source_region": "eu-central-1"
    });
    let subscription = json!({
        "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/s3/access", "logStream": "a",
        "logEvents": [{ "id": "1", "timestamp": 1_772_600_767_000_i64, "message": fields.to_string() }]
    });
    let mut of_json = mapped(&source, subscription.to_string().as_bytes()).remove(0).unwrap();
    assert_eq!(of_json["metadata"]["product"]["version"], "V_1_0");
    of_json["metadata"]["product"].as_object_mut().unwrap().remove("version");
    of_json["metadata"]["original_time"] = of_text["metadata"]["original_time"].clone();
    of_json["unmapped"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("_envelope."));
    assert_eq!(of_json, of_text);
}

#[test]
fn quotes_in_headers_and_addresses_change_no_other_field() {
    let source = shipped("aws-s3-access");
    let forged: Vec<&str> = LOG.lines().filter(|line| line.contains("forged") || line.contains("%2522")).collect();
    assert_eq!(forged.len(), 2);
    for line in forged {
        let event = mapped(&source, line.as_bytes()).remove(0).unwrap();
        assert_eq!((&event["status_code"], &event["status_detail"]), (&json!("403"), &json!("AccessDenied")), "{line}");
        assert_eq!(event["unmapped"]["bytes_sent"], "243");
        assert_eq!(event["dst_endpoint"]["hostname"], "shop-data.s3.eu-central-1.amazonaws.com");
        assert_eq!(event["unmapped"]["source_region"], "eu-central-1");
    }
}

#[test]
fn a_line_that_is_no_access_log_is_refused() {
    let fates: Vec<Result<Value, String>> = mapped(&shipped("aws-s3-access"), LOG.as_bytes());
    let refused: Vec<&String> = fates.iter().filter_map(|fate| fate.as_ref().err()).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("no readable time"), "{refused:?}");
}

#[test]
fn the_page_shows_what_comes_out() {
    check_page("aws-s3-access");
}
