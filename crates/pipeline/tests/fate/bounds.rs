//! What senders make up of accounts and times costs no more than the bounds allow, and nothing is lost by them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use lake::quarantine::read_lines;
use pipeline::{Bounds, PartitionLimit, PlausibleDays};
use proptest::prelude::*;

use crate::laboratory::{Laboratory, Record, START};

fn limit(partitions: usize) -> Bounds {
    Bounds { partitions: PartitionLimit::parse(&partitions.to_string()).unwrap(), ..Bounds::default() }
}

/// The partition in a key of the lake; none of quarantine.
fn partition_of(key: &str) -> Option<&str> {
    key.starts_with("ext/").then(|| key.rsplit_once('/')).flatten().map(|(partition, _)| partition)
}

/// Lake objects by partition.
fn partitions(laboratory: &Laboratory<'_>) -> BTreeMap<String, Bytes> {
    let objects = laboratory.objects().into_iter();
    let objects = objects.filter_map(|(key, object)| Some((partition_of(&key)?.to_owned(), object)));
    objects.collect()
}

/// Reason and message of every line in quarantine.
fn refused(laboratory: &Laboratory<'_>) -> Vec<(String, String)> {
    let objects = laboratory.objects();
    let objects = objects.iter().filter(|(key, _)| key.starts_with("quarantine/"));
    let lines =
        objects.flat_map(|(_, object)| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>());
    lines.map(|line| (line.reason().to_owned(), line.message().to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_in_one_place_however_many_partitions_there_are(
        records in proptest::collection::vec(proptest::collection::vec((0..6_u64, -1..2_i64), 1..8), 1..6),
        partitions in 1..12_usize,
    ) {
        let records: Vec<_> = (0..).zip(&records).map(|(index, events)| (Record::of_accounts(index, events), events)).collect();
        let (records, events): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let laboratory = Laboratory::new(&records, 1 << 30).bounded(limit(partitions));
        let outcome = laboratory.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(outcome.retry_from, None);

        // The partitions that come first are written, and nothing of any other.
        let mut open = BTreeSet::new();
        let written = events.iter().copied().flatten().filter(|event| {
            if open.len() < partitions {
                open.insert(**event);
            }
            open.contains(*event)
        });
        let written = written.count() as u64;
        let events = events.iter().map(|events| events.len() as u64).sum::<u64>();
        prop_assert_eq!(laboratory.fates().totals(), (written, events - written));
        prop_assert_eq!(outcome.counts.records_in, events);
        prop_assert_eq!((outcome.counts.total_written(), outcome.counts.total_quarantined()), (written, events - written));
        let reasons: Vec<_> = outcome.counts.quarantined.keys().map(String::as_str).collect();
        prop_assert_eq!(reasons, if written < events { vec!["too_many_partitions"] } else { vec![] });
    }

    #[test]
    fn a_partition_has_the_object_that_its_events_alone_would_have(
        events in proptest::collection::vec((0..4_u64, -1..2_i64), 1..40),
    ) {
        // One event in each record, so that an id says where an event was.
        let records: Vec<_> = (0..).zip(&events).map(|(index, event)| Record::of_accounts(index, &[*event])).collect();
        let laboratory = Laboratory::new(&records, 1 << 30);
        laboratory.transform(0..records.len(), usize::MAX);
        let mut together = partitions(&laboratory);
        for partition in events.iter().copied().collect::<BTreeSet<_>>() {
            let own: Vec<_> = records.iter().zip(&events).filter(|(_, event)| **event == partition).collect();
            let own: Vec<_> = own.into_iter().map(|(record, _)| record.clone()).collect();
            let alone = Laboratory::new(&own, 1 << 30);
            alone.transform(0..own.len(), usize::MAX);
            for (key, object) in partitions(&alone) {
                prop_assert!(together.remove(&key) == Some(object), "{}", key);
            }
        }
        prop_assert!(together.is_empty());
    }
}

#[test]
fn a_partition_too_many_says_what_to_do() {
    let records = [Record::of_accounts(0, &[(1, 0), (2, 0), (1, 0), (3, 0)])];
    let laboratory = Laboratory::new(&records, 1 << 30).bounded(limit(2));
    laboratory.transform(0..1, usize::MAX);
    let [(reason, message)] = &refused(&laboratory)[..] else { panic!("{:?}", refused(&laboratory)) };
    assert_eq!(reason, "too_many_partitions");
    assert!(message.contains("2 partitions") && message.contains("--partitions; SLUICE_PARTITIONS"), "{message}");
}

#[test]
fn a_part_that_is_sealed_makes_room_for_the_partitions_of_the_next() {
    let records: Vec<_> = (0..20).map(|index| Record::of_accounts(index, &[(index as u64, 0)])).collect();
    // Every record fills the memory.
    let laboratory = Laboratory::new(&records, 1).bounded(limit(1));
    let outcome = laboratory.transform(0..records.len(), usize::MAX);
    assert_eq!((outcome.counts.total_written(), outcome.objects), (20, 20));
}

/// Days count from the arrival of each record, so that a retry on another day decides as the first try did.
#[test]
fn a_time_is_plausible_from_the_earliest_day_to_some_days_after_its_record_arrived() {
    let epoch = -START / 86_400;
    let days = [epoch - 1, epoch, 0, 2, 3];
    let records: Vec<_> = (0..).zip(days).map(|(index, day)| Record::of_accounts(index, &[(1, day)])).collect();
    let laboratory = Laboratory::new(&records, 1 << 30);
    let outcome = laboratory.transform(0..records.len(), usize::MAX);
    assert_eq!(outcome.retry_from, None);
    let days: Vec<_> = partitions(&laboratory).into_keys().map(|key| key[key.len() - 8..].to_owned()).collect();
    assert_eq!(days, ["19700101", "20250303", "20250305"]);
    let refused = refused(&laboratory);
    assert!(refused.iter().all(|(reason, _)| reason == "implausible_time"), "{refused:?}");
    let messages: Vec<_> = refused.iter().map(|(_, message)| message.split(';').next().unwrap()).collect();
    let outside = "outside the plausible days 1970-01-01 to 2025-03-05";
    assert_eq!(
        messages,
        [
            format!("its time is 1969-12-31T00:01:00Z, {outside}"),
            format!("its time is 2025-03-06T00:01:00Z, {outside}"),
        ]
    );

    let days = PlausibleDays::new("19691231".parse().unwrap(), 3);
    let wider = Laboratory::new(&records, 1 << 30).bounded(Bounds { days, ..Bounds::default() });
    assert_eq!(wider.transform(0..records.len(), usize::MAX).counts.total_written(), 5);
}
