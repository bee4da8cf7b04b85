//! Records and inputs that were damaged on their way: what came is the lake and quarantine together, byte for byte.

use std::collections::BTreeMap;
use std::io::Write as _;

use lake::quarantine::{Origin, QuarantineLine};
use pipeline::ObjectError;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use sources::{Compression, Decode, Item};
use store::{Fault, Operation};

use crate::laboratory::{Laboratory, Record, aggregated, event_source, faults, gzip, sequence_number};
use crate::objects::{lasting, transform};

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// Each event in a member of its own.
    Members,
    /// Gzip of zstandard.
    Twice,
    /// Once more than is undone.
    Thrice,
}

#[derive(Debug, Clone)]
enum Mutation {
    None,
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Padding(Vec<u8>),
}

/// How a log is made.
#[derive(Debug, Clone)]
struct Recipe {
    /// A text in each event.
    notes: Vec<String>,
    packing: Packing,
    mutation: Mutation,
}

/// A log as it is delivered, and the events that went into it.
#[derive(Clone)]
struct Log {
    bytes: Vec<u8>,
    /// Id of each event by its text.
    ids: BTreeMap<Vec<u8>, String>,
    is_mutated: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let packing = prop_oneof![
        2 => Just(Packing::Plain),
        3 => Just(Packing::Gzip),
        3 => Just(Packing::Zstd),
        3 => Just(Packing::Members),
        1 => Just(Packing::Twice),
        1 => Just(Packing::Thrice),
    ];
    let mutation = prop_oneof![
        2 => Just(Mutation::None),
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        3 => any::<Index>().prop_map(Mutation::Cut),
        3 => (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => vec(prop_oneof![Just(0), any::<u8>()], 1..40).prop_map(Mutation::Padding),
    ];
    (vec("[a-z0-9]{0,60}", 1..30), packing, mutation).prop_map(|(notes, packing, mutation)| Recipe {
        notes,
        packing,
        mutation,
    })
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Recipe {
    fn log(&self, name: &str) -> Log {
        let events = self.notes.iter().enumerate().map(|(number, note)| {
            let id = format!("id-{name}-{number};");
            let at = 1_740_960_000 + number;
            let text =
                format!(r#"{{"uid":"{id}","kind":"badge","at":{at},"owner":"ann","door":"d1","note":"{note}"}}"#);
            (text.into_bytes(), id)
        });
        let events: Vec<_> = events.collect();
        let lines: Vec<Vec<u8>> = events.iter().map(|(text, _)| [&text[..], b"\n"].concat()).collect();
        let whole = lines.concat();
        let bytes = match self.packing {
            Packing::Plain => whole,
            Packing::Gzip => gzip(&whole),
            Packing::Zstd => zstandard(&whole),
            Packing::Members => lines.iter().flat_map(|line| gzip(line)).collect(),
            Packing::Twice => gzip(&zstandard(&whole)),
            Packing::Thrice => gzip(&gzip(&gzip(&whole))),
        };
        let is_mutated = !matches!(self.mutation, Mutation::None) || matches!(self.packing, Packing::Thrice);
        Log { bytes: self.mutation.apply(bytes), ids: events.into_iter().collect(), is_mutated }
    }
}

impl Mutation {
    fn apply(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Mutation::None => {}
            Mutation::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Mutation::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Mutation::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Padding(new) => bytes.extend(new),
        }
        bytes
    }
}

/// What a log is delivered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Stream,
    Input,
}

/// What can be read of a log.
struct Readable {
    /// The ids of the events that are as they were made.
    ids: Vec<String>,
    /// The bytes of every item.
    items: Vec<Vec<u8>>,
    is_damaged: bool,
}

impl Log {
    /// What is not text is kept whole, except a plain input that is too long for that, whose bytes come out in pieces.
    fn readable(&self, of: Of) -> Readable {
        let decode = Decode::default();
        let is_kept =
            of == Of::Stream || self.bytes.len() < Compression::LOOK || Compression::of(&self.bytes).is_some();
        let mut readable = Readable { ids: Vec::new(), items: Vec::new(), is_damaged: false };
        let mut records = decode.records_of_slice(&self.bytes);
        while let Some(item) = records.next_unskipped().unwrap() {
            match item {
                Item::Event(event) => {
                    readable.ids.extend(self.ids.get(event.bytes).cloned());
                    readable.items.push(event.raw.to_vec());
                }
                Item::Fault { error, .. } if is_kept && error.is_of_whole_input() => readable.is_damaged = true,
                Item::Fault { bytes, .. } => readable.items.push(bytes.to_vec()),
                other => panic!("{other:?}"),
            }
        }
        readable
    }

    /// Holds the lines of this log and the ids in the lake to what can be read of it. `once`: nothing was repeated or put
    /// before the damage was found.
    fn hold(&self, of: Of, lines: &[&QuarantineLine], lake: &BTreeMap<String, u64>, once: bool) -> TestCaseResult {
        let Readable { ids, items, is_damaged } = self.readable(of);
        for id in &ids {
            let count = lake.get(id).copied().unwrap_or_default();
            // A changed event may have the id of another.
            let exact = once && !self.is_mutated;
            prop_assert!(if exact { count == 1 } else { count > 0 }, "{id} is {count} times in the lake");
        }
        let (whole, others): (Vec<&QuarantineLine>, Vec<&QuarantineLine>) =
            lines.iter().copied().partition(|line| line.is_whole());
        if is_damaged || items.is_empty() {
            prop_assert!(!whole.is_empty());
            prop_assert!(whole.iter().all(|line| line.raw() == self.bytes && line.part().is_none()));
            prop_assert!(!once || whole.len() == 1 && others.iter().all(|line| line.reason() != "undecodable"));
        } else {
            prop_assert!(whole.is_empty());
            // What was changed is kept as it is, unless it is an event still.
            let kept = |item: &Vec<u8>| others.iter().any(|line| line.raw() == item);
            let changed = items.iter().filter(|item| !self.ids.contains_key(item.trim_ascii()) && !kept(item)).count();
            let rows = lake.values().sum::<u64>() as usize;
            prop_assert!(ids.len() + changed <= rows, "{changed} items are nowhere");
        }
        if !self.is_mutated {
            prop_assert!(lines.is_empty() && ids.len() == self.ids.len());
        }
        Ok(())
    }
}

/// A record of the stream.
#[derive(Debug, Clone)]
enum Delivered {
    Single(Recipe),
    Aggregated { recipes: Vec<Recipe>, flip: Option<Index> },
}

fn delivered() -> impl Strategy<Value = Delivered> {
    prop_oneof![
        recipe().prop_map(Delivered::Single),
        (vec(recipe(), 1..4), proptest::option::weighted(0.2, any::<Index>()))
            .prop_map(|(recipes, flip)| Delivered::Aggregated { recipes, flip }),
    ]
}

impl Delivered {
    /// Its bytes, and its logs if they can be told apart.
    fn make(&self, index: usize) -> (Record, Option<Vec<Log>>) {
        match self {
            Delivered::Single(recipe) => {
                let log = recipe.log(&index.to_string());
                (Record::of_bytes(log.bytes.clone()), Some(vec![log]))
            }
            Delivered::Aggregated { recipes, flip } => {
                let logs: Vec<Log> =
                    recipes.iter().enumerate().map(|(sub, recipe)| recipe.log(&format!("{index}-{sub}"))).collect();
                let mut bytes = aggregated(logs.iter().map(|log| log.bytes.clone()));
                let Some(flip) = flip else { return (Record::of_bytes(bytes), Some(logs)) };
                let at = 4 + flip.index(bytes.len() - 4);
                bytes[at] ^= 1;
                (Record::of_bytes(bytes), None)
            }
        }
    }
}

/// Whether a line is of a record, and of which of those that were aggregated into it.
fn is_of(line: &QuarantineLine, index: usize, sub: Option<u64>) -> bool {
    matches!(line.origin(), Origin::Kinesis { sequence_number: number, sub_sequence, .. }
        if *number == sequence_number(index) && *sub_sequence == sub)
}

fn hold(laboratory: &Laboratory<'_>, made: &[(Record, Option<Vec<Log>>)], once: bool) -> TestCaseResult {
    let (lines, lake) = (laboratory.lines(), laboratory.ids());
    for (index, (record, logs)) in made.iter().enumerate() {
        let is_aggregated = record.data.starts_with(b"\xf3\x89\x9a\xc2");
        for (sub, log) in logs.iter().flatten().enumerate() {
            let sub = is_aggregated.then_some(sub as u64);
            let lines: Vec<_> = lines.iter().filter(|line| is_of(line, index, sub)).collect();
            log.hold(Of::Stream, &lines, &lake, once)?;
        }
        if logs.is_none() {
            let lines: Vec<_> = lines.iter().filter(|line| is_of(line, index, None)).collect();
            prop_assert!(!lines.is_empty() && lines.iter().all(|line| line.is_whole() && line.raw() == record.data));
        }
    }
    Ok(())
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_stream_is_the_lake_and_quarantine_together(delivered in vec(delivered(), 1..4)) {
        let made: Vec<_> = delivered.iter().enumerate().map(|(index, delivered)| delivered.make(index)).collect();
        let records: Vec<Record> = made.iter().map(|(record, _)| record.clone()).collect();
        let laboratory = Laboratory::new(&records, 1 << 30);
        let outcome = laboratory.transform(0..records.len(), usize::MAX);
        prop_assert_eq!(outcome.retry_from, None);
        prop_assert_eq!(outcome.counts.records_in, outcome.counts.total_written() + outcome.counts.total_quarantined());
        prop_assert_eq!(outcome.counts.total_quarantined(), laboratory.lines().len() as u64);
        hold(&laboratory, &made, true)?;
    }

    #[test]
    fn no_fault_of_a_store_and_no_lack_of_memory_changes_that(
        delivered in vec(delivered(), 1..4), faults in faults(), memory in 500..50_000_usize, bisect: bool,
    ) {
        let made: Vec<_> = delivered.iter().enumerate().map(|(index, delivered)| delivered.make(index)).collect();
        let records: Vec<Record> = made.iter().map(|(record, _)| record.clone()).collect();
        let laboratory = Laboratory::new(&records, memory).failing(faults);
        event_source(records.len(), bisect, |batch| {
            laboratory.heal_a_little();
            laboratory.transform(batch, usize::MAX).retry_from
        });
        hold(&laboratory, &made, false)?;
    }

    #[test]
    fn an_input_is_the_lake_and_quarantine_together(
        recipe in recipe(), faults in faults().prop_map(lasting), memory in prop_oneof![500..50_000_usize, Just(1 << 30)],
    ) {
        let log = recipe.log("0");
        let laboratory = Laboratory::new(&[], memory).failing(faults);
        let once = match transform(&laboratory, &log.bytes[..], || true) {
            Ok(outcome) => {
                let Counts { total, lines } = Counts::of(&laboratory);
                prop_assert_eq!((outcome.counts.records_in, outcome.counts.total_quarantined()), (total, lines));
                memory == 1 << 30
            }
            Err(error) => {
                prop_assert!(matches!(error, ObjectError::Store(_)), "{error}");
                false
            }
        };
        laboratory.heal();
        transform(&laboratory, &log.bytes[..], || true).unwrap();
        let lines = laboratory.lines();
        // The same objects were put over themselves, unless an empty input left none.
        if log.bytes.is_empty() {
            prop_assert!(lines.is_empty());
        } else if !log.readable(Of::Input).items.is_empty() || !lines.is_empty() {
            log.hold(Of::Input, &lines.iter().collect::<Vec<_>>(), &laboratory.ids(), once)?;
        }
    }
}

/// Rows and lines that were put.
struct Counts {
    total: u64,
    lines: u64,
}

impl Counts {
    fn of(laboratory: &Laboratory<'_>) -> Self {
        let lines = laboratory.lines().len() as u64;
        Self { total: laboratory.ids().values().sum::<u64>() + lines, lines }
    }
}

/// Text that hardly shrinks.
fn notes(count: usize, length: usize) -> Vec<String> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 58) as u8)
    };
    (0..count).map(|_| (0..length).map(|_| next()).filter(|c| *c != '\\').collect()).collect()
}

/// About 3 MB of gzip, in members so that damage is found soon.
fn large(mutation: impl FnOnce(&mut Vec<u8>)) -> Log {
    let mut log = Recipe { notes: notes(256, 16_000), packing: Packing::Members, mutation: Mutation::None }.log("0");
    mutation(&mut log.bytes);
    log
}

/// Of an input that is longer than memory allows, all bytes from before the damage on are kept, in parts.
#[test]
fn of_a_long_damaged_input_everything_from_before_the_damage_on_is_kept() {
    let log = large(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0xff);
    });
    let middle = log.bytes.len() / 2;
    let laboratory = Laboratory::new(&[], 1 << 20);
    let outcome = transform(&laboratory, &log.bytes[..], || true).unwrap();
    assert!(outcome.counts.total_written() > 100, "{:?}", outcome.counts);

    let mut parts: Vec<QuarantineLine> = laboratory.lines();
    assert!(parts.iter().all(|line| !line.is_whole()));
    parts.retain(|line| line.message().contains("kept as it came"));
    parts.sort_by_key(|line| line.part().unwrap().number);
    let tail: Vec<u8> = parts.iter().flat_map(|line| line.raw().to_vec()).collect();
    assert!(log.bytes.ends_with(&tail) && tail.len() > log.bytes.len() - middle);
    let from = log.bytes.len() - tail.len();
    assert!(parts.iter().all(|line| line.message().contains(&format!("input from byte {from} on"))));
    let numbers: Vec<u64> = parts.iter().map(|line| line.part().unwrap().number).collect();
    assert_eq!(numbers, (1..=parts.len() as u64).collect::<Vec<_>>());
    assert!(parts.len() > 2 && parts.iter().all(|line| line.origin() == parts[0].origin()));
    assert_eq!(parts.iter().filter_map(|line| line.part().unwrap().of).collect::<Vec<_>>(), [parts.len() as u64]);
    // Everything before was read.
    let ids = laboratory.ids();
    let readable = log.readable(Of::Input);
    assert!(readable.is_damaged && readable.ids.iter().all(|id| ids.contains_key(id)));
    let once = laboratory.objects();
    transform(&laboratory, &log.bytes[..], || true).unwrap();
    assert_eq!(laboratory.objects(), once);
}

/// The start is still in memory, so that all of it can be kept.
#[test]
fn an_input_that_is_damaged_at_its_start_is_kept_whole_however_long_it_is() {
    let log = large(|bytes| bytes[40..60].fill(0xff));
    let laboratory = Laboratory::new(&[], 1 << 20);
    transform(&laboratory, &log.bytes[..], || true).unwrap();
    let mut parts = laboratory.lines();
    parts.sort_by_key(|line| line.part().unwrap().number);
    assert!(parts.len() > 2 && parts.iter().all(QuarantineLine::is_whole), "{}: {:?}", parts.len(), parts[0].message());
    assert!(parts.iter().flat_map(|line| line.raw().to_vec()).eq(log.bytes.iter().copied()));
}

#[test]
fn a_damaged_input_whose_quarantine_fails_or_whose_time_runs_out_is_not_done() {
    let log = large(|bytes| bytes[40..60].fill(0xff));
    for at in 1..3 {
        let fault = Fault::permanent(Operation::Put).at(at);
        let laboratory = Laboratory::new(&[], 1 << 20).failing((vec![], vec![fault]));
        let error = transform(&laboratory, &log.bytes[..], || true).unwrap_err();
        assert!(matches!(error, ObjectError::Store(_)), "{at}: {error}");
    }
    let asked = std::cell::Cell::new(0);
    transform(&Laboratory::new(&[], 1 << 20), &log.bytes[..], || asked.replace(asked.get() + 1) < usize::MAX).unwrap();
    let last = asked.get() - 1;
    asked.set(0);
    let has_time = || asked.replace(asked.get() + 1) < last;
    let error = transform(&Laboratory::new(&[], 1 << 20), &log.bytes[..], has_time).unwrap_err();
    assert!(matches!(error, ObjectError::OutOfTime(_)), "{error}");
}

/// Whoever reads an input that breaks off cannot say that it is damaged.
#[test]
fn a_damaged_input_that_cannot_be_read_to_its_end_is_not_done() {
    struct BreaksOff<'b>(&'b [u8]);
    impl std::io::Read for BreaksOff<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("the connection is gone"));
            }
            self.0.read(buffer)
        }
    }
    let log = large(|bytes| bytes[100..140].fill(0xff));
    let error = transform(&Laboratory::new(&[], 1 << 20), BreaksOff(&log.bytes), || true).unwrap_err();
    assert!(matches!(error, ObjectError::Input(sources::InputError::Source(_))), "{error}");
}

#[test]
fn the_line_of_a_damaged_record_says_what_was_written_of_it() {
    let recipe = Recipe { notes: notes(20, 200), packing: Packing::Members, mutation: Mutation::None };
    let mut data = recipe.log("0").bytes;
    data.truncate(data.len() - 3);
    let records = [Record::of_bytes(data)];
    let laboratory = Laboratory::new(&records, 1 << 30);
    let outcome = laboratory.transform(0..1, usize::MAX);
    let written = outcome.counts.total_written();
    assert!(written == laboratory.ids().len() as u64 && written >= 19);
    let [line] = &laboratory.lines()[..] else { panic!("one line is expected") };
    assert_eq!(
        (line.reason(), line.message()),
        (
            "undecodable",
            &format!(
                "the gzip data are cut off; the record is kept as it came; events of it that were written: {written}"
            )[..]
        )
    );
}
