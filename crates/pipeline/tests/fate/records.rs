//! Batches of stream records: what is reported is the lowest record that is not durable.

use lake::quarantine::{Origin, Reason};
use pipeline::{Batch, Destination, Refusal, RouteError};
use proptest::prelude::*;
use sources::{Decode, Document};
use store::{Fault, Operation};

use crate::laboratory::{
    Fates, Laboratory, Record, aggregated, event_source, faults, gzip, records, sequence_number, sources,
};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn everything_before_the_reported_record_is_durable_and_that_record_is_not(
        records in records(0..12), faults in faults(), memory in 500..50_000_usize, time_for in 0..30_usize,
    ) {
        let laboratory = Laboratory::new(&records, memory).failing(faults);
        let outcome = laboratory.transform(0..records.len(), time_for);
        let fates = laboratory.fates();
        let safe = outcome.retry_from.unwrap_or(records.len());
        prop_assert!(safe <= records.len());
        for (index, record) in records[..safe].iter().enumerate() {
            let had_all_the_time = index == 0 && fates.is_kept(0);
            prop_assert!(had_all_the_time || fates.of(record) == Fates::settled(record));
        }
        if let Some(record) = records.get(safe) {
            prop_assert_ne!(fates.of(record), Fates::settled(record));
        }
        prop_assert!(outcome.retry_from.is_none() || !outcome.errors.is_empty());
    }

    #[test]
    fn nothing_is_lost_by_the_time_lambda_stops_asking(
        records in records(0..12), faults in faults(), memory in 500..50_000_usize, bisect: bool,
    ) {
        let laboratory = Laboratory::new(&records, memory).failing(faults);
        event_source(records.len(), bisect, |batch| {
            laboratory.heal_a_little();
            laboratory.transform(batch, usize::MAX).retry_from
        });
        let fates = laboratory.fates();
        for record in &records {
            prop_assert!(fates.of(record).covers(&Fates::settled(record)), "{record:?}: {:?}", fates.of(record));
        }
    }

    #[test]
    fn the_same_batch_gives_the_same_keys_and_bytes(records in records(0..12), memory in 500..50_000_usize) {
        let laboratory = Laboratory::new(&records, memory);
        laboratory.transform(0..records.len(), usize::MAX);
        let once = laboratory.objects();
        laboratory.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(&laboratory.objects(), &once);

        let elsewhere = Laboratory::new(&records, memory);
        elsewhere.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(elsewhere.objects(), once);
    }

    #[test]
    fn a_batch_that_is_tried_again_as_it_was_leaves_the_lake_as_if_nothing_had_failed(
        records in records(1..12), faults in faults(), memory in 500..50_000_usize,
    ) {
        let laboratory = Laboratory::new(&records, memory).failing(faults);
        laboratory.transform(0..records.len(), usize::MAX);
        laboratory.heal();
        laboratory.transform(0..records.len(), usize::MAX);
        let undisturbed = Laboratory::new(&records, memory);
        undisturbed.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(laboratory.objects(), undisturbed.objects());
    }

    #[test]
    fn every_event_is_in_one_place_and_counted_there(records in records(0..12), memory in 500..50_000_usize) {
        let laboratory = Laboratory::new(&records, memory);
        let outcome = laboratory.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(outcome.retry_from, None);
        let fates = laboratory.fates();
        for record in &records {
            prop_assert_eq!(fates.of(record), Fates::settled(record));
        }
        let (written, quarantined) = fates.totals();
        prop_assert_eq!(outcome.counts.total_written(), written);
        prop_assert_eq!(outcome.counts.total_quarantined(), quarantined);
        prop_assert_eq!(outcome.counts.records_in, written + quarantined);
        prop_assert_eq!(outcome.objects, laboratory.objects().len() as u64);
    }
}

#[test]
fn a_small_budget_cuts_a_batch_into_parts_that_hold_the_same_events() {
    let records: Vec<_> = (0..40).map(|index| Record::badges(index, 3)).collect();
    let whole = Laboratory::new(&records, 1 << 30);
    whole.transform(0..records.len(), usize::MAX);
    assert_eq!(whole.objects().len(), 1);
    let cut = Laboratory::new(&records, 2_000);
    cut.transform(0..records.len(), usize::MAX);
    assert!(cut.objects().len() > 5, "{}", cut.objects().len());
    for record in &records {
        assert_eq!(cut.fates().of(record), Fates::settled(record));
    }
}

#[test]
fn a_record_that_expands_beyond_the_budget_is_cut_into_parts_too() {
    let records = [Record::badges(0, 1), Record::gzip_of_badges(1, 500)];
    let laboratory = Laboratory::new(&records, 2_000);
    assert_eq!(laboratory.transform(0..2, usize::MAX).retry_from, None);
    assert!(laboratory.objects().len() > 50, "{}", laboratory.objects().len());
    for record in &records {
        assert_eq!(laboratory.fates().of(record), Fates::settled(record));
    }
}

fn reasons(laboratory: &Laboratory<'_>) -> Vec<String> {
    laboratory.lines().iter().map(|line| line.reason().to_owned()).collect()
}

/// It had the whole time, and would have no more the next time.
#[test]
fn the_first_record_is_quarantined_if_it_takes_more_time_than_there_is() {
    let records = [Record::gzip_of_badges(0, 50), Record::badges(1, 1)];
    for memory in [1 << 30, 500] {
        let laboratory = Laboratory::new(&records, memory);
        let outcome = laboratory.transform(0..2, 10);
        assert_eq!((outcome.retry_from, outcome.counts.total_written()), (Some(1), 10), "{:?}", outcome.errors);
        let [line] = &laboratory.lines()[..] else { panic!("one line is expected") };
        assert!(line.is_whole() && line.raw() == records[0].data);
        assert_eq!(
            (line.reason(), line.message()),
            (
                "out_of_time",
                "it takes more time than an invocation has; the record is kept as it came; events of it that were \
                 written: 10"
            )
        );
        assert_eq!(laboratory.transform(1..2, 10).retry_from, None);
    }
}

#[test]
fn a_later_record_is_retried_if_time_runs_out_in_it() {
    let records = [Record::badges(0, 1), Record::gzip_of_badges(1, 50), Record::badges(2, 1)];
    for memory in [1 << 30, 500] {
        let laboratory = Laboratory::new(&records, memory);
        let outcome = laboratory.transform(0..3, 10);
        assert_eq!(
            (outcome.retry_from, &outcome.errors[..]),
            (Some(1), &["out of time in record 1 of 3".to_owned()][..])
        );
        assert_eq!(laboratory.transform(1..3, usize::MAX).retry_from, None);
        assert!(laboratory.lines().is_empty());
        assert!(records.iter().all(|record| laboratory.fates().of(record).covers(&Fates::settled(record))));
    }
}

#[test]
fn time_is_asked_for_between_the_records_of_an_aggregated_one() {
    let user_records = (0..20).map(|index| Record::badges(index, 1).data);
    let records = [Record::badges(90, 1), Record::of_bytes(aggregated(user_records))];
    let laboratory = Laboratory::new(&records, 1 << 30);
    assert_eq!(laboratory.transform(0..2, 10).retry_from, Some(1));
    let laboratory = Laboratory::new(&records, 1 << 30);
    assert_eq!(laboratory.transform(1..2, 10).retry_from, None);
    let lines = laboratory.lines();
    assert!(lines.len() == 1 && lines[0].raw() == records[1].data && lines[0].reason() == "out_of_time", "{lines:?}");
}

#[test]
fn a_record_that_is_quarantined_for_its_time_stays_in_the_stream_if_quarantine_fails() {
    let records = [Record::gzip_of_badges(0, 50)];
    let fault = Fault::permanent(Operation::Put).on_keys_with("out_of_time");
    let laboratory = Laboratory::new(&records, 1 << 30).failing((vec![], vec![fault]));
    assert_eq!(laboratory.transform(0..1, 10).retry_from, Some(0));
}

/// 17 MiB of text shrink to a few kilobytes, which are kept; 4 KiB of the text are not enough to have it again.
#[test]
fn a_record_with_an_event_that_is_too_long_is_kept_as_it_came() {
    let mut text = Record::badges(0, 2).data;
    text.extend(format!("{{\"uid\":\"long\",\"kind\":\"{}\"}}\nnonsense\n", "x".repeat(17 << 20)).bytes());
    text.extend(Record::badges(1, 3).data);
    let records = [Record::of_bytes(gzip(&text)), Record::badges(2, 1)];
    let laboratory = Laboratory::new(&records, 1 << 30);
    let outcome = laboratory.transform(0..2, usize::MAX);
    assert_eq!((outcome.retry_from, outcome.counts.total_written(), outcome.counts.records_in), (None, 6, 7));
    let [line] = &laboratory.lines()[..] else { panic!("{:?}", reasons(&laboratory)) };
    assert!(line.is_whole() && line.part().is_none() && line.raw() == records[0].data);
    let message =
        "an event is longer than 16777216 bytes; the record is kept as it came; events of it that were written: 5";
    assert_eq!((line.reason(), line.message()), ("oversized", message));
}

#[test]
fn an_event_too_large_for_the_lake_does_not_fail_its_neighbours() {
    let mut records: Vec<_> = (0..3).map(|index| Record::badges(index, 1)).collect();
    records.insert(1, Record::giant(9));
    let laboratory = Laboratory::new(&records, 1 << 30);
    let outcome = laboratory.transform(0..records.len(), usize::MAX);
    assert_eq!(outcome.retry_from, None);
    assert_eq!(outcome.counts.quarantined.into_iter().collect::<Vec<_>>(), [("oversized".to_owned(), 1)]);
    for record in &records {
        assert_eq!(laboratory.fates().of(record), Fates::settled(record));
    }
}

#[test]
fn a_long_list_is_no_reason_to_refuse_an_event() {
    let records = [Record::with_observers(0, 3_000)];
    let laboratory = Laboratory::new(&records, 1 << 30);
    let outcome = laboratory.transform(0..1, usize::MAX);
    assert_eq!((outcome.counts.total_written(), outcome.retry_from), (1, None));
}

#[test]
fn a_quarantine_that_cannot_be_put_keeps_the_record_in_the_stream() {
    let mut records: Vec<_> = (0..5).map(|index| Record::badges(index, 1)).collect();
    records[3] = Record::undecodable(3);
    let laboratory = Laboratory::new(&records, 1 << 30)
        .failing((vec![], vec![Fault::permanent(Operation::Put).on_keys_with("quarantine/")]));
    assert_eq!(laboratory.transform(0..5, usize::MAX).retry_from, Some(3));
}

#[test]
fn a_put_whose_answer_is_lost_is_reported_and_done_over() {
    let records = [Record::badges(0, 1)];
    let lost = Fault::permanent(Operation::Put).times(1).afterwards();
    let laboratory = Laboratory::new(&records, 1 << 30).failing((vec![lost], vec![]));
    assert_eq!(laboratory.transform(0..1, usize::MAX).retry_from, Some(0));
    let once = laboratory.objects();
    assert_eq!(laboratory.transform(0..1, usize::MAX).retry_from, None);
    assert_eq!((once.len(), laboratory.objects()), (1, once));
}

#[test]
fn a_fault_that_passes_is_not_reported() {
    let records = [Record::badges(0, 1)];
    let laboratory =
        Laboratory::new(&records, 1 << 30).failing((vec![Fault::transient(Operation::Put).times(2)], vec![]));
    assert_eq!(laboratory.transform(0..1, usize::MAX).retry_from, None);
}

#[test]
fn nothing_is_begun_once_a_put_has_failed() {
    let records: Vec<_> = (0..40).map(|index| Record::badges(index, 3)).collect();
    let laboratory = Laboratory::new(&records, 2_000).failing((vec![Fault::permanent(Operation::Put).at(2)], vec![]));
    let outcome = laboratory.transform(0..records.len(), usize::MAX);
    // What comes after is delivered again, and would be there twice.
    assert_eq!(laboratory.objects().len(), 1);
    assert!(outcome.retry_from.is_some_and(|record| record < 20), "{:?}", outcome.retry_from);
}

#[test]
fn objects_are_named_after_shard_and_sequence_numbers() {
    let records: Vec<_> = (0..2).map(|index| Record::badges(index, 1)).collect();
    let laboratory = Laboratory::new(&records, 1 << 30);
    laboratory.transform(0..2, usize::MAX);
    let start = format!(
        "ext/door-log-3002/region=eu-central-1/accountId=111122223333/eventDay=20250303/shardId-000000000000-{}-00000-",
        sequence_number(0)
    );
    let keys: Vec<_> = laboratory.objects().into_keys().collect();
    assert!(keys.len() == 1 && keys[0].starts_with(&start), "{keys:?}");
}

#[test]
fn a_parcel_names_every_input_that_is_in_it() {
    let laboratory = Laboratory::new(&[], 1 << 30);
    let settings = laboratory.settings();
    let decode = Decode::default();
    let origin = || Origin::File { name: "a".to_owned(), offset: 0, index: 0, line: None };
    let mut batch = Batch::new(&settings);
    for input in [0, 0, 1, 3, 7] {
        let record = if input == 1 { Record::undecodable(1) } else { Record::badges(input, 2) };
        let mut items = decode.records_of_slice(&record.data);
        while let Some(item) = items.next_unskipped().unwrap() {
            let route = |_: &Document<'_>| sources().iter().next().ok_or(RouteError::NoStreams);
            batch.push_item(&item, &decode, None, &origin, input as u32, route);
        }
    }
    batch.refuse(Refusal::new(None, Reason::Undecodable, ""), b"x", &origin, 9);
    let parcels: Vec<_> = batch.seal("a", &["a"]).map(Result::unwrap).collect();
    let mut inputs: Vec<_> = parcels.iter().map(|parcel| (parcel.destination, parcel.inputs.clone())).collect();
    inputs.sort_by_key(|(_, inputs)| inputs.clone());
    assert_eq!(inputs, [(Destination::Lake, vec![0, 3, 7]), (Destination::Quarantine, vec![1, 9])]);
}
