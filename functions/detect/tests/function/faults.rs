//! One fault at each request to AWS, of each kind: what is in the lake is published all the same, and once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cloud::Fault;
use crate::laboratory::{FIFO, INTERVAL, LATER, Laboratory, MINUTE, STANDARD, last_firing};

/// Two windows with a sign-in each, one of which comes late; the schedule and every end of a query are delivered twice.
fn run(laboratory: &mut Laboratory) {
    let time = last_firing() - 2 * MINUTE;
    laboratory.set_state(&json!({"watermark": last_firing() - 2 * INTERVAL}));
    laboratory.cloud.lake.sign_in(time, "mallory");
    two_rounds(laboratory);
    laboratory.cloud.lake.sign_in(time - MINUTE, "mallory");
    laboratory.time_passes(LATER);
    two_rounds(laboratory);
}

fn two_rounds(laboratory: &mut Laboratory) {
    laboratory.fire_with_retries();
    laboratory.fire_with_retries();
    laboratory.deliver_ends(2);
    // Later, the schedule fires again: whatever broke off above is made up for.
    laboratory.time_passes(0);
    laboratory.fire_with_retries();
    laboratory.deliver_ends(2);
    laboratory.time_passes(0);
    laboratory.fire_with_retries();
    laboratory.deliver_ends(2);
}

fn without_fault(topic: &str) -> Vec<String> {
    let mut laboratory = Laboratory::new(topic);
    run(&mut laboratory);
    assert_eq!(laboratory.messages("finding").len(), 2);
    assert_eq!(laboratory.messages("alert"), []);
    laboratory.cloud.requests()
}

/// Runs with a fault at one of the requests that begin with `start`, and gives the ids of the findings that were published, repetitions included. Nothing if
/// the run took fewer requests, as it may if it met other moments of the schedule.
fn with_fault(topic: &str, start: &'static str, number: usize, fault: Fault) -> Option<Vec<String>> {
    let mut laboratory = Laboratory::new(topic);
    laboratory.cloud.fail_at(start, number, fault);
    run(&mut laboratory);
    let id = |message: &str| {
        let finding: Value = serde_json::from_str(message).unwrap();
        finding["finding_info"]["uid"].as_str().unwrap().to_owned()
    };
    let found: Vec<String> = laboratory.messages("finding").iter().map(|published| id(&published.message)).collect();
    assert_eq!(laboratory.kept(), found.iter().cloned().collect(), "{fault:?} at {start} {number}");
    let requests = laboratory.cloud.requests();
    let met = requests.iter().filter(|request| request.starts_with(start)).count() > number;
    met.then_some(found)
}

#[test]
fn a_fault_at_any_request_loses_nothing_and_a_fifo_topic_repeats_nothing() {
    let requests = without_fault(FIFO);
    assert!(requests.len() > 20, "{requests:#?}");
    let mut met = 0;
    for (number, request) in requests.iter().enumerate() {
        for fault in [Fault::Busy, Fault::Unanswered] {
            let Some(found) = with_fault(FIFO, "", number, fault) else { continue };
            assert_eq!(found.len(), 2, "{fault:?} at request {number}, {request}");
            met += 1;
        }
    }
    assert!(met > requests.len(), "most faults were met: {met} of {}", 2 * requests.len());
}

#[test]
fn a_right_that_is_missing_for_a_while_loses_nothing() {
    // One request of each kind: what it is for does not depend on when it comes.
    let mut kinds = BTreeSet::new();
    for (number, request) in without_fault(FIFO).iter().enumerate() {
        let kind: String = request.split(['?', '-']).next().unwrap_or_default().to_owned();
        if kinds.insert(kind)
            && let Some(found) = with_fault(FIFO, "", number, Fault::Denied)
        {
            assert_eq!(found.len(), 2, "request {number}, {request}");
        }
    }
    assert!(kinds.len() > 8, "{kinds:?}");
}

#[test]
fn a_lost_answer_repeats_a_message_on_a_standard_topic_at_most_once() {
    let mut repeated = 0;
    for number in 0..2 {
        let mut found = with_fault(STANDARD, "SNS", number, Fault::Unanswered).unwrap();
        repeated += found.len() - 2;
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 2, "nothing is lost");
    }
    assert_eq!(repeated, 2, "SNS cannot tell a repetition here");
}
