//! The fate of an object's events: it is wholly in the lake and in quarantine, or its failure is told and the next try
//! leaves the lake as if nothing had happened.

use std::io::Read;

use lake::quarantine::{Origin, Reason};
use pipeline::{Naming, ObjectError, ObjectOutcome, refuse_object, transform_object};
use proptest::prelude::*;
use sources::Position;
use store::{Fault, FaultyStore, MemoryStore, Operation, Store};
use tokio::runtime::Runtime;

use crate::laboratory::{Fates, Laboratory, Record, faults, gzip, log, sources};

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "a.log"
    }

    fn identity(&self) -> Vec<String> {
        ["logs", "door/a.log", "v1"].map(str::to_owned).to_vec()
    }
}

fn origin(position: Position) -> Origin {
    let (bucket, key) = ("logs".to_owned(), "door/a.log".to_owned());
    Origin::S3 { bucket, key, version: Some("v1".to_owned()), offset: position.offset, index: position.index }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

pub(crate) fn transform(
    laboratory: &Laboratory<'_>,
    input: impl Read + Send,
    has_time: impl Fn() -> bool,
) -> Result<ObjectOutcome, ObjectError> {
    let (settings, stores, runtime) = (laboratory.settings(), laboratory.stores(), runtime());
    let source = sources().of_object("logs", "door/a.log").taken().unwrap();
    transform_object(source, &settings, &stores, runtime.handle(), input, &Named, origin, has_time)
}

/// Puts only fail for good here: the pause before another try would be real.
pub(crate) fn lasting((lake, quarantine): (Vec<Fault>, Vec<Fault>)) -> (Vec<Fault>, Vec<Fault>) {
    let lasting = |faults: Vec<Fault>| {
        let count = faults.len() as u64;
        (1..=count).map(|number| Fault::permanent(Operation::Put).at(number * 2)).collect()
    };
    (lasting(lake), lasting(quarantine))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_object_is_wholly_there_or_told_of_and_another_try_mends_it(
        log in log(), compressed: bool, faults in faults().prop_map(lasting), breaks_off: bool, memory in 500..50_000_usize,
    ) {
        let content = if compressed { gzip(&log.data) } else { log.data.clone() };
        let laboratory = Laboratory::new(&[], memory).failing(faults);

        // The object comes from a store that may break off in the middle.
        let bucket = FaultyStore::new(MemoryStore::default());
        let runtime = runtime();
        runtime.block_on(bucket.put("door/a.log", content.clone().into())).unwrap();
        let fault = Fault::transient(Operation::Read).halfway();
        let bucket = if breaks_off { bucket.with(fault) } else { bucket };
        let input = runtime.block_on(bucket.read("door/a.log")).unwrap().into_read(runtime.handle().clone());

        match transform(&laboratory, input, || true) {
            Ok(outcome) => {
                prop_assert!(!breaks_off);
                prop_assert_eq!(laboratory.fates().of(&log), Fates::settled(&log));
                prop_assert_eq!((outcome.counts.total_written(), outcome.counts.total_quarantined()), laboratory.fates().totals());
                prop_assert_eq!(outcome.objects, laboratory.objects().len() as u64);
            }
            Err(ObjectError::Input(_)) => prop_assert!(breaks_off),
            Err(error) => prop_assert!(matches!(error, ObjectError::Store(_)), "{error}"),
        }
        laboratory.heal();
        transform(&laboratory, &content[..], || true).unwrap();
        let undisturbed = Laboratory::new(&[], memory);
        transform(&undisturbed, &content[..], || true).unwrap();
        prop_assert_eq!(laboratory.objects(), undisturbed.objects());
        prop_assert_eq!(laboratory.fates().of(&log), Fates::settled(&log));
    }
}

#[test]
fn an_event_that_is_too_long_is_kept_in_parts_that_belong_together() {
    let long = format!("{{\"uid\":\"long\",\"kind\":\"{}\"}}", "x".repeat(33 << 20));
    let log = [&Record::badges(0, 2).data[..], long.as_bytes(), b"\n", &Record::badges(1, 3).data].concat();
    for memory in [1 << 20, 1 << 30] {
        let laboratory = Laboratory::new(&[], memory);
        let outcome = transform(&laboratory, &log[..], || true).unwrap();
        assert_eq!((outcome.counts.records_in, outcome.counts.total_written()), (6, 5));
        let mut parts = laboratory.lines();
        parts.sort_by_key(|line| line.part().unwrap().number);
        assert!(parts.iter().flat_map(|line| line.raw()).eq(long.as_bytes()));
        let of: Vec<_> = parts.iter().map(|line| line.part().unwrap().of).collect();
        assert_eq!(of, [None, None, Some(3)]);
        assert!(parts.iter().all(|line| line.origin() == parts[0].origin() && line.reason() == "oversized"));
    }
}

#[test]
fn time_that_runs_out_is_told() {
    let log = Record::badges(0, 10);
    let left = std::cell::Cell::new(4);
    let has_time = || left.replace(left.get() - 1) > 0;
    let error = transform(&Laboratory::new(&[], 1 << 30), &log.data[..], has_time).unwrap_err();
    assert!(matches!(error, ObjectError::OutOfTime(4)), "{error}");
}

#[test]
fn an_object_that_cannot_be_had_leaves_a_line_that_names_it() {
    let laboratory = Laboratory::new(&[], 1 << 30);
    let (settings, stores) = (laboratory.settings(), laboratory.stores());
    let refuse =
        || refuse_object(&settings, &stores, Reason::Gone, "it was deleted", &Named, origin(Position::default()));
    let outcome = runtime().block_on(refuse()).unwrap();
    assert_eq!((outcome.objects, outcome.counts.total_quarantined()), (1, 1));
    let objects = laboratory.objects();
    runtime().block_on(refuse()).unwrap();
    assert_eq!(laboratory.objects(), objects);

    let (key, object) = objects.into_iter().next().unwrap();
    assert!(key.starts_with("quarantine/unknown/gone/undated/a.log-00000-"), "{key}");
    let [line] = &lake::quarantine::read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>()[..] else {
        panic!("one line is expected")
    };
    assert_eq!((line.raw(), line.message(), line.origin()), (&b""[..], "it was deleted", &origin(Position::default())));
}
