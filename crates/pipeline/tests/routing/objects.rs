//! Objects: which rule wins, and what its captures become.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lake::quarantine::Origin;
use ocsf::rows_to_json;
use ocsf::schema::{Schema, Version};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{Bounds, DEFAULT_SOURCES, Naming, ObjectRoute, Settings, Sources, Stores, transform_object};
use proptest::prelude::*;
use serde_json::{Value, json};
use store::MemoryStore;

use crate::sources;

/// What becomes of an object, as the reference page writes it.
pub(crate) fn route(sources: &Sources, bucket: &str, key: &str) -> String {
    match sources.of_object(bucket, key) {
        ObjectRoute::Taken(routed) => {
            let captures = routed.captures.iter().map(|(name, value)| format!(", {name}={value}"));
            routed.source.name().to_owned() + &captures.collect::<String>()
        }
        ObjectRoute::Excluded(source) => format!("excluded by {}", source.name()),
        ObjectRoute::Unclaimed => "unclaimed".to_owned(),
    }
}

/// Sources `a`, `b`, … with one rule each.
fn rules(rules: &[Value]) -> String {
    let sources = rules.iter().zip('a'..).map(|(rule, name)| {
        json!({"name": name.to_string(), "input_paths": {"s3": {"enabled": true, "source_buckets": [rule]}}})
    });
    json!({ "sources": sources.collect::<Vec<_>>() }).to_string()
}

#[test]
fn the_most_specific_rule_wins_whatever_the_order_of_the_file() {
    let narrow_to_wide = [
        json!({"bucket_name": "*", "prefix": "logs/aws/nfw/", "suffix": ".gz"}),
        json!({"bucket_name": "*", "prefix": "logs/aws/nfw/"}),
        json!({"bucket_name": "logs", "prefix": "logs/aws/*"}),
        json!({"bucket_name": "*", "prefix": "logs/{team}/"}),
        json!({"bucket_name": "l*", "prefix": "logs/*/"}),
        json!({"bucket_name": "*"}),
    ];
    let cases = [
        ("logs", "logs/aws/nfw/a.gz", 0),
        ("logs", "logs/aws/nfw/a", 1),
        ("logs", "logs/aws/a", 2),
        ("other", "logs/aws/a", 3),
        ("logs", "logs//a", 4),
        ("logs", "log", 5),
    ];
    for turn in 0..narrow_to_wide.len() {
        let mut turned = narrow_to_wide.clone();
        turned.rotate_left(turn);
        turned[1..].reverse();
        let sources = sources(&rules(&turned));
        for (bucket, key, expected) in cases {
            let at = turned.iter().position(|rule| *rule == narrow_to_wide[expected]).unwrap();
            let name = ('a'..).nth(at).unwrap().to_string();
            let found = route(&sources, bucket, key);
            // In a bucket whose name starts with an `l`, the fifth rule says more than the fourth.
            let name = if expected == 3 { name + ", team=aws" } else { name };
            assert_eq!(found, name, "s3://{bucket}/{key} by {turned:?}");
        }
    }
}

#[test]
fn a_rule_that_excludes_leaves_the_rest_to_one_that_is_equal_but_for_that() {
    let excluding = json!({"bucket_name": "*", "prefix": "x/", "exclude": ["x/digest/*", "*.tmp"]});
    let all = json!({"bucket_name": "*", "prefix": "x/*"});
    for text in [rules(&[excluding.clone(), all.clone()]), rules(&[all.clone(), excluding.clone()])] {
        let sources = sources(&text);
        let found = ["x/a", "x/digest/a", "x/a.tmp"].map(|key| route(&sources, "logs", key));
        assert_eq!(found[1..], [found[1].clone(), found[1].clone()]);
        assert_ne!(found[0], found[1]);
    }
    let alone = sources(&rules(&[excluding]));
    assert_eq!(route(&alone, "logs", "x/digest/a"), "excluded by a");
    assert_eq!(route(&alone, "logs", "y/digest/a"), "unclaimed");
}

#[test]
fn one_of_several_ends_must_match() {
    let sources = sources(&rules(&[json!({"bucket_name": "*", "suffix": [".json", "-{part}.json.gz"]})]));
    for (key, expected) in
        [("a.json", "a"), ("x/a-7.json.gz", "a, part=7"), ("x/a.json.gz", "unclaimed"), ("a.json.bak", "unclaimed")]
    {
        assert_eq!(route(&sources, "logs", key), expected, "{key}");
    }
}

#[test]
fn the_shipped_file_takes_cloudtrails_logs_and_leaves_its_digests_alone() {
    let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
    let day = "eu-central-1/2025/03/03/111122223333_x_eu-central-1_20250303T0800Z_a.json.gz";
    for (key, expected) in [
        (format!("AWSLogs/111122223333/CloudTrail/{day}"), "aws-cloudtrail, account=111122223333"),
        (format!("AWSLogs/111122223333/CloudTrail-Insight/{day}"), "aws-cloudtrail, account=111122223333"),
        (format!("a b/c+d/AWSLogs/111122223333/CloudTrail/{day}"), "aws-cloudtrail, account=111122223333"),
        (format!("aws-cloudtrail/AWSLogs/111122223333/CloudTrail/{day}"), "aws-cloudtrail, account=111122223333"),
        (
            format!("AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail/{day}"),
            "aws-cloudtrail, organization=o-a1b2c3d4e5, account=111122223333",
        ),
        ("aws-cloudtrail/2025/a.json".to_owned(), "aws-cloudtrail"),
        (format!("AWSLogs/111122223333/CloudTrail-Digest/{day}"), "excluded by aws-cloudtrail"),
        (format!("AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail-Digest/{day}"), "excluded by aws-cloudtrail"),
        (format!("aws-cloudtrail/AWSLogs/111122223333/CloudTrail-Digest/{day}"), "excluded by aws-cloudtrail"),
        ("AWSLogs/111122223333/elasticloadbalancing/eu-central-1/a.log.gz".to_owned(), "unclaimed"),
        ("aws-network-firewall/a.log.gz".to_owned(), "aws-network-firewall"),
    ] {
        assert_eq!(route(&sources, "staging", &key), expected, "{key}");
    }
}

#[test]
fn the_shipped_file_takes_findings_where_guardduty_exports_them() {
    let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
    for (key, expected) in [
        ("AWSLogs/111122223333/GuardDuty/eu-central-1/2026/03/02/a.jsonl.gz", "aws-guardduty, account=111122223333"),
        ("x/AWSLogs/111122223333/GuardDuty/eu-central-1/2026/03/02/a.jsonl.gz", "aws-guardduty, account=111122223333"),
        ("aws-guardduty/2026/03/02/08/findings-1", "aws-guardduty"),
        ("aws-security-hub/2026/03/02/08/findings-1", "aws-security-hub"),
    ] {
        assert_eq!(route(&sources, "staging", key), expected, "{key}");
    }
}

#[test]
fn the_shipped_file_takes_logs_of_web_acls_and_resolvers_where_aws_delivers_them() {
    let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
    for (key, expected) in [
        (
            "AWSLogs/111122223333/WAFLogs/eu-central-1/shop/2026/03/04/05/05/111122223333_waflogs_eu-central-1_shop_a.log.gz",
            "aws-waf, account=111122223333",
        ),
        ("x/AWSLogs/111122223333/WAFLogs/cloudfront/site/2026/03/04/05/05/a.log.gz", "aws-waf, account=111122223333"),
        ("aws-waf/2026/03/04/05/delivery-1", "aws-waf"),
        (
            "AWSLogs/111122223333/vpcdnsquerylogs/vpc-0123456789abcdef0/2026/03/04/a.log.gz",
            "aws-route53-resolver, account=111122223333",
        ),
        ("aws-route53-resolver/2026/03/04/05/delivery-1", "aws-route53-resolver"),
        ("aws-eks-audit/2026/03/04/05/delivery-1", "aws-eks-audit"),
    ] {
        assert_eq!(route(&sources, "staging", key), expected, "{key}");
    }
}

#[test]
fn the_shipped_file_takes_logs_where_aws_writes_them() {
    let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
    let balancer = "AWSLogs/111122223333/elasticloadbalancing/eu-central-1/2026/03/04";
    let file = "111122223333_elasticloadbalancing_eu-central-1";
    for (key, expected) in [
        (
            "logs/AWSLogs/111122223333/vpcflowlogs/eu-central-1/2026/03/04/a.log.gz".to_owned(),
            "aws-vpc-flow, account=111122223333",
        ),
        (
            "AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-central-1/year=2026/month=03/day=04/\
             hour=05/a.log.parquet"
                .to_owned(),
            "aws-vpc-flow, account=111122223333",
        ),
        (
            format!("{balancer}/{file}_app.shop.0123456789abcdef_20260304T0510Z_192.0.2.1_a.log.gz"),
            "aws-alb, account=111122223333, region=eu-central-1",
        ),
        (format!("{balancer}/conn_log.{file}_app.shop.0123456789abcdef_a.log.gz"), "excluded by aws-alb"),
        (format!("{balancer}/health_check_log.{file}_app.shop.0123456789abcdef_a.log.gz"), "excluded by aws-alb"),
        (format!("{balancer}/{file}_net.shop.0123456789abcdef_a.log.gz"), "unclaimed"),
        ("aws-s3-access/2026-03-04-05-06-07-0123456789ABCDEF".to_owned(), "aws-s3-access"),
        (
            "aws-s3-access/111122223333/eu-central-1/shop-data/2026/03/04/2026-03-04-05-06-07-0123".to_owned(),
            "aws-s3-access, account=111122223333, region=eu-central-1, bucket=shop-data, year=2026, month=03, day=04",
        ),
    ] {
        assert_eq!(route(&sources, "staging", &key), expected, "{key}");
    }
}

/// Every record has the same day; the account of one is its own.
const DOOR: &str = r#"{"custom_source_events": {
    "source_name": "door",
    "account": "$.account",
    "timestamp": {"field": "$.at", "format": "epoch"},
    "select": [{"when": {"exists": "$.at"}, "event": "any"}],
    "ocsf_mapping": {"any": {"schema": "base_event", "schema_mapping": {
        "activity_id": 1, "severity_id": 1, "message": MESSAGE,
        "metadata": {"product": {"name": "Door", "vendor_name": "Example"}}}}}}}"#;

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "door"
    }

    fn identity(&self) -> Vec<String> {
        vec!["door".to_owned()]
    }
}

/// Accounts in the lake, and its rows, of a log of doors under a key.
fn lake_of(message: &str, key: &str, log: &str) -> (BTreeSet<String>, Vec<Value>) {
    let mapping = DOOR.replace("MESSAGE", message);
    let rule = json!({"bucket_name": "*", "prefix": "{account}/{door}/"});
    let sources = Sources::from_text(&rules(&[rule]), &|_| Some(mapping.clone())).unwrap();
    let settings = Settings {
        region: "eu-central-1".parse().unwrap(),
        account: "external_configured".parse().unwrap(),
        seal: Default::default(),
        memory: 1 << 30,
        bounds: Bounds::default(),
    };
    let (lake, quarantine) = (MemoryStore::default(), MemoryStore::default());
    let stores = Stores { lake: Arc::new(lake.clone()), quarantine: Arc::new(quarantine.clone()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let routed = sources.of_object("logs", key).taken().unwrap();
    let origin = |_| Origin::S3 { bucket: "logs".into(), key: key.into(), version: None, offset: 0, index: 0 };
    transform_object(routed, &settings, &stores, runtime.handle(), log.as_bytes(), &Named, origin, || true).unwrap();
    assert!(quarantine.objects().is_empty());
    let objects = lake.objects();
    let account = |key: &String| key.split("accountId=").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (objects.keys().map(account).collect(), objects.into_values().flat_map(rows).collect())
}

fn rows(object: Bytes) -> Vec<Value> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
    let schema = Schema::get(Version::default());
    reader.flat_map(|batch| rows_to_json(schema, &batch.unwrap()).unwrap()).collect()
}

#[test]
fn the_account_of_the_key_is_that_of_records_that_name_none() {
    let log = "{\"at\": 1740990000}\n{\"at\": 1740990000, \"account\": \"999988887777\"}\n{\"at\": 1740990000, \"account\": \"none\"}\n";
    let accounts = |key| lake_of("null", key, log).0.into_iter().collect::<Vec<_>>();
    assert_eq!(accounts("111122223333/d1/a.log"), ["111122223333", "999988887777"]);
    assert_eq!(accounts("not-an-account/d1/a.log"), ["999988887777", "external_configured"]);
}

#[test]
fn a_mapping_reads_what_the_key_says_and_no_event_can_pass_for_it() {
    let log = "{\"at\": 1740990000, \"_key\": {\"door\": \"forged\"}}\n";
    let (_, read) = lake_of("\"$._key.door\"", "111122223333/north/a.log", log);
    assert_eq!(read[0]["message"], "north");
    let unmapped = read[0]["unmapped"].to_string();
    assert!(unmapped.contains("event._key") && unmapped.contains("forged"), "{unmapped}");
    // What no mapping asks for is not written.
    let (_, unread) = lake_of("\"x\"", "111122223333/north/a.log", "{\"at\": 1740990000}\n");
    assert!(!unread[0].to_string().contains("north"), "{unread:?}");
}

proptest! {
    #[test]
    fn what_is_captured_stands_in_the_key(key in "[a-c/{}*é ]{0,12}") {
        let sources = sources(&rules(&[
            json!({"bucket_name": "*", "prefix": "*a/{x}/"}),
            json!({"bucket_name": "*", "prefix": "{y}b", "suffix": "/{z}c", "exclude": ["*c*a*"]}),
        ]));
        if let Some(routed) = sources.of_object("logs", &key).taken() {
            for (_, value) in routed.captures.iter() {
                prop_assert!(key.contains(value) && !value.contains('/') && !value.is_empty());
            }
        }
    }
}
