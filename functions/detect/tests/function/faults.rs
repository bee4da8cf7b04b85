//! Faults at requests to AWS: what is in the lake is published all the same.

use serde_json::{Value, json};

use crate::cloud::Fault;
use crate::laboratory::{FIFO, INTERVAL, Laboratory, MINUTE, STANDARD, last_firing};

/// Two windows with a sign-in each, one of which comes late; the schedule and every end of a query are delivered twice.
fn run(laboratory: &mut Laboratory) {
    let time = last_firing() - 2 * MINUTE;
    laboratory.set_state(&json!({"watermark": last_firing() - 2 * INTERVAL}));
    laboratory.cloud.lake.sign_in(time, "mallory");
    two_rounds(laboratory);
    laboratory.cloud.lake.sign_in(time - MINUTE, "mallory");
    laboratory.time_passes(INTERVAL);
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

/// Runs with a fault at one request, and gives the ids of the findings that were published, repetitions included. Nothing if
/// the run took fewer requests, as it may if it met other moments of the schedule.
fn with_fault(topic: &str, number: usize, fault: Fault) -> Option<Vec<String>> {
    let mut laboratory = Laboratory::new(topic);
    laboratory.cloud.fail_at(number, fault);
    run(&mut laboratory);
    let id = |message: &str| {
        let finding: Value = serde_json::from_str(message).unwrap();
        finding["finding_info"]["uid"].as_str().unwrap().to_owned()
    };
    let found = laboratory.messages("finding").iter().map(|published| id(&published.message)).collect();
    (laboratory.cloud.requests().len() > number).then_some(found)
}

#[test]
fn a_lost_answer_repeats_a_message_on_a_standard_topic_at_most_once() {
    let requests = without_fault(STANDARD);
    let published = requests.iter().enumerate().filter(|(_, request)| request.starts_with("SNS"));
    let mut repeated = 0;
    for (number, _) in published {
        let Some(mut found) = with_fault(STANDARD, number, Fault::Unanswered) else { continue };
        assert!(found.len() <= 3, "{found:?}");
        repeated += found.len() - 2;
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 2, "nothing is lost");
    }
    assert!(repeated > 0, "SNS cannot tell a repetition here");
}

#[test]
fn a_message_that_is_refused_for_a_while_is_published_later() {
    let requests = without_fault(FIFO);
    let published = requests.iter().enumerate().filter(|(_, request)| request.starts_with("SNS"));
    for (number, _) in published {
        for fault in [Fault::Busy, Fault::Denied] {
            let Some(found) = with_fault(FIFO, number, fault) else { continue };
            assert_eq!(found.len(), 2, "{fault:?} at request {number}");
        }
    }
}
