//! From the schedule to the message.

use serde_json::{Value, json};

use crate::laboratory::{
    FIFO, HOUR, INTERVAL, LATER, LOOKBACK, Laboratory, MINUTE, RULE, STANDARD, last_firing, now, rule,
};

#[test]
fn what_is_in_the_lake_becomes_one_message_though_all_is_delivered_twice() {
    for topic in [STANDARD, FIFO] {
        let mut laboratory = Laboratory::new(topic);
        let time = last_firing() - 7 * MINUTE;
        laboratory.cloud.lake.sign_in(time, "mallory");
        laboratory.cloud.lake.sign_in(time, "alice");

        laboratory.fire().unwrap();
        laboratory.fire().unwrap();
        laboratory.deliver_ends(2);
        laboratory.fire().unwrap();
        laboratory.deliver_ends(2);

        let [message] = &laboratory.messages("finding")[..] else {
            panic!("{:?}", laboratory.cloud.topics.published())
        };
        assert_eq!(message.topic, topic);
        assert_eq!(message.attributes["rule_id"], RULE);
        assert_eq!(message.attributes["level"], "high");
        assert_eq!(message.group.is_some(), topic == FIFO);
        let finding: Value = serde_json::from_str(&message.message).unwrap();
        assert_eq!(finding["class_uid"], 2004);
        assert!(message.message.contains("mallory"), "{finding:#}");
        assert_eq!(laboratory.messages("alert"), []);
    }
}

#[test]
fn a_schedule_without_news_starts_nothing() {
    let mut laboratory = Laboratory::new(STANDARD);
    // Right after the last window was looked at.
    laboratory.set_state(&json!({"watermark": now() / INTERVAL * INTERVAL + INTERVAL}));
    assert_eq!(laboratory.fire().unwrap()["started"], 0);
    assert!(laboratory.cloud.athena.started().is_empty());
}

#[test]
fn a_record_that_comes_late_within_the_ingest_delay_is_found() {
    let mut laboratory = Laboratory::new(STANDARD);
    let time = last_firing() - MINUTE;
    laboratory.set_state(&json!({"watermark": last_firing() - 2 * INTERVAL}));
    laboratory.cloud.lake.sign_in(time, "mallory");
    laboratory.fire().unwrap();
    laboratory.deliver_ends(1);
    assert_eq!(laboratory.messages("finding").len(), 1);

    // An event of the window that was looked at just now arrives, and the schedule fires again.
    laboratory.cloud.lake.sign_in(time - MINUTE, "mallory");
    laboratory.time_passes(LATER);
    laboratory.fire().unwrap();
    laboratory.deliver_ends(1);

    let messages = laboratory.messages("finding");
    assert_eq!(messages.len(), 2, "the late one, and the first one not again");
}

#[test]
fn a_schedule_that_had_stopped_catches_up_without_a_gap() {
    let mut laboratory = Laboratory::new(STANDARD);
    let stopped = last_firing() - 72 * HOUR;
    let mut events = 0;
    for time in (stopped..last_firing()).step_by((50 * MINUTE) as usize) {
        laboratory.cloud.lake.sign_in(time, "mallory");
        events += 1;
    }
    laboratory.set_state(&json!({"watermark": stopped}));

    laboratory.fire().unwrap();
    laboratory.deliver_ends(2);

    assert_eq!(laboratory.messages("finding").len(), events);
    assert!(laboratory.state()["watermark"].as_i64().unwrap() >= stopped + 72 * HOUR);
    assert!(laboratory.cloud.athena.started().len() > 1, "in several windows");
    // What began before the stop is looked at again as far back as windows overlap.
    assert!(laboratory.cloud.athena.started()[0].sql.contains(&(stopped - (LOOKBACK - INTERVAL)).to_string()));
}

#[test]
fn state_changes_of_others_are_left_alone() {
    let mut laboratory = Laboratory::new(STANDARD);
    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");
    laboratory.fire().unwrap();
    let mut event = laboratory.cloud.athena.events().last().unwrap().clone();
    let requests = laboratory.cloud.requests().len();

    event["detail"]["workgroupName"] = json!("others");
    assert_eq!(laboratory.function.invoke(&event).unwrap(), json!({"ignored": "workgroup"}));
    event["detail"]["workgroupName"] = json!("detections");
    event["detail"]["currentState"] = json!("RUNNING");
    assert_eq!(laboratory.function.invoke(&event).unwrap(), json!({"ignored": "state"}));
    assert_eq!(laboratory.cloud.requests().len(), requests, "nothing was asked for");
    event["detail"]["currentState"] = json!("SUCCEEDED");
    event["detail"]["queryExecutionId"] = json!("01234567-0123-0123-0123-012345678901");
    assert_eq!(laboratory.function.invoke(&event).unwrap()["published"], 0);
    assert_eq!(laboratory.messages("finding"), []);

    assert!(laboratory.function.invoke(&json!({"Records": []})).is_err());
}

#[test]
fn a_query_whose_end_nobody_told_of_is_collected_by_the_next_schedule() {
    let mut laboratory = Laboratory::new(STANDARD);
    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");
    laboratory.fire().unwrap();
    laboratory.cloud.athena.events();

    laboratory.fire().unwrap();

    assert_eq!(laboratory.messages("finding").len(), 1);
}

#[test]
fn a_query_that_fails_raises_one_alert_and_is_tried_again() {
    // The table has no such column.
    let faulty = rule("SELECT time, nobody FROM {{aws-cloudtrail}} WHERE {{window}}");
    let mut laboratory = Laboratory::with(STANDARD, &faulty, &[]);
    laboratory.fire().unwrap();
    laboratory.deliver_ends(2);
    laboratory.time_passes(0);
    laboratory.fire().unwrap();
    laboratory.deliver_ends(2);

    assert_eq!(laboratory.cloud.athena.started().len(), 2);
    assert_eq!(laboratory.messages("alert").len(), 1);
    assert_eq!(laboratory.messages("finding"), []);
    let watermark = laboratory.state()["watermark"].as_i64().unwrap();
    assert!(watermark < last_firing(), "the window is still to be looked at");
}

#[test]
fn a_running_query_is_not_waited_for() {
    let mut laboratory = Laboratory::new(STANDARD);
    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");
    laboratory.cloud.athena.hold(true);

    assert_eq!(laboratory.fire().unwrap()["started"], 1);
    assert_eq!(laboratory.fire().unwrap(), json!({"started": 0, "collected": 0, "published": 0, "failures": 0}));

    laboratory.cloud.athena.hold(false);
    laboratory.deliver_ends(1);
    assert_eq!(laboratory.messages("finding").len(), 1);
}

#[test]
fn the_figures_are_those_that_alarms_watch() {
    let mut laboratory = Laboratory::new(STANDARD);
    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");
    laboratory.set_state(&json!({"watermark": last_firing() - 3 * HOUR}));
    laboratory.fire().unwrap();
    laboratory.deliver_ends(1);

    let is_blob = |line: &&String| line.contains("QueriesStarted");
    let lines = laboratory.function.output(|lines| lines.iter().filter(is_blob).count() >= 2);
    let blobs: Vec<Value> = lines.iter().filter(is_blob).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(blobs[0]["service"], "detect");
    assert_eq!(blobs[0]["RulesActive"], 1);
    assert_eq!((&blobs[0]["QueriesStarted"], &blobs[0]["DetectionFailures"]), (&json!(1), &json!(0)));
    // Due was the first firing after the watermark.
    let lag = blobs[0]["DetectionLag"].as_i64().unwrap();
    assert!((3 * HOUR - INTERVAL..3 * HOUR + INTERVAL).contains(&lag), "{lag}");
    assert_eq!((&blobs[1]["QueriesCollected"], &blobs[1]["FindingsPublished"]), (&json!(1), &json!(1)));
}

#[test]
fn a_rule_file_that_is_refused_counts_as_a_failure_and_does_not_hold_up_the_others() {
    let mut laboratory = Laboratory::new(STANDARD);
    laboratory.cloud.buckets.put("settings/rules/broken.yaml", "titel: x\n");
    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");

    let answer = laboratory.fire().unwrap();

    assert_eq!((&answer["started"], &answer["failures"]), (&json!(1), &json!(1)));
    let lines = laboratory.function.output(|lines| lines.iter().any(|line| line.contains("did you mean `title`?")));
    assert!(lines.iter().any(|line| line.contains("broken.yaml")));
}

#[test]
fn what_keeps_the_function_from_starting_is_told() {
    let laboratory = Laboratory::with(STANDARD, "", &[("SLUICE_TOPIC", "findings")]);
    let exit = laboratory.function.exit().unwrap();
    let message = exit.start_error.unwrap()["errorMessage"].as_str().unwrap().to_owned();
    assert!(message.starts_with("SLUICE_TOPIC is `findings`, which is no topic."), "{message}");
}

#[test]
fn a_table_that_is_not_there_yet_fails_no_rule_and_is_seen_as_soon_as_it_is() {
    let all = rule("SELECT time FROM {{aws-cloudtrail}} WHERE {{window}}");
    let mut laboratory = Laboratory::with(STANDARD, &all, &[]);
    laboratory.cloud.lake.be_empty(true);
    assert_eq!(laboratory.fire().unwrap(), json!({"started": 1, "collected": 0, "published": 0, "failures": 0}));
    laboratory.deliver_ends(1);
    assert_eq!(laboratory.cloud.topics.published(), []);
    assert!(laboratory.state()["watermark"].is_i64());

    laboratory.cloud.lake.sign_in(last_firing() - 7 * MINUTE, "mallory");
    laboratory.cloud.lake.be_empty(false);
    laboratory.time_passes(LATER);
    laboratory.fire().unwrap();
    laboratory.deliver_ends(1);

    assert_eq!(laboratory.messages("finding").len(), 1);
}
