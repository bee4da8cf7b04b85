//! Records to try the flow with, and stores to look into afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use lake::quarantine::{Origin, QuarantineLine, read_lines};
use md5::{Digest as _, Md5};
use ocsf::rows_to_json;
use ocsf::schema::{Schema, Version};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{Bounds, Settings, Sources, Stores, StreamOutcome, StreamRecord, transform_records};
use proptest::collection::vec;
use proptest::prelude::*;
use store::{Fault, FaultyStore, MemoryStore, Operation};

const SOURCES: &str = r#"{"sources": [{"name": "door-log", "input_paths": {
    "kinesis": {"enabled": true, "metadata_field": "source"},
    "s3": {"enabled": true, "source_buckets": [{"bucket_name": "logs", "prefix": "door/*"}]}}}]}"#;

/// Two classes, one of them with a list.
const MAPPING: &str = r#"{"custom_source_events": {
    "source_name": "door-log",
    "matched_field": "$.kind",
    "account": "$.account",
    "timestamp": {"field": "$.at", "format": "epoch"},
    "common": {"schema_mapping": {
        "metadata": {"product": {"name": "Door", "vendor_name": "Example"}, "uid": "$.uid"},
        "severity_id": 1,
        "message": "$.note"}},
    "ocsf_mapping": {
        "badge": {"schema": "authentication", "schema_mapping": {
            "activity_id": 1,
            "user": {"name": "$.owner"},
            "dst_endpoint": {"hostname": "$.door"}}},
        "open": {"schema": "base_event", "schema_mapping": {
            "activity_id": 1,
            "enrichments": {"$each": {"in": "$.observers", "as": {
                "name": "observer", "value": "@.name", "data": "@"}}}}}}}}"#;

/// The configuration, compiled once.
pub(crate) fn sources() -> &'static Sources {
    static SOURCES_READ: OnceLock<Sources> = OnceLock::new();
    SOURCES_READ.get_or_init(|| Sources::from_text(SOURCES, &|_| Some(MAPPING.to_owned())).unwrap())
}

/// What is to become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Lake,
    Quarantine,
}

/// Where the events of a record were found, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fates(BTreeMap<(String, Fate), u64>);

/// A record and the events in it.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) data: Vec<u8>,
    /// Id and fate of each event.
    expected: Vec<(String, Fate)>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.expected, String::from_utf8_lossy(&self.data))
    }
}

/// A text that holds an id, and what becomes of it.
#[derive(Debug, Clone, Copy)]
enum Event {
    Badge {
        day: u8,
    },
    Open {
        day: u8,
    },
    NotJson,
    NotUtf8,
    OtherSource,
    NoMapping,
    NoTime,
    /// Against the schema: no user.
    Invalid,
}

/// How events come in one record.
#[derive(Debug, Clone)]
enum Packing {
    Plain,
    Gzip,
    Aggregated,
    /// What its producer aggregated has been damaged: it is kept whole.
    Damaged,
    /// White space only.
    Blank,
}

/// The day on which records arrive, in seconds since 1970.
pub(crate) const START: i64 = 1_740_960_000;

impl Event {
    fn text(self, id: &str) -> Vec<u8> {
        let at = |day: u8| START + i64::from(day) * 86_400 + 60;
        let text = match self {
            Event::Badge { day } => {
                format!(r#"{{"uid":"{id}","kind":"badge","at":{},"owner":"ann","door":"d1"}}"#, at(day))
            }
            Event::Open { day } => format!(
                r#"{{"source":"door-log","uid":"{id}","kind":"open","at":{},"observers":[{{"name":"cam"}}]}}"#,
                at(day)
            ),
            Event::NotJson => format!(r#"{{"uid":"{id}","kind" "badge"}}"#),
            Event::NotUtf8 => {
                let mut bytes = format!(r#"{{"uid":"{id}","kind":""#).into_bytes();
                bytes.extend(b"\xff\xfe\"}");
                return bytes;
            }
            Event::OtherSource => format!(r#"{{"source":"window","uid":"{id}","kind":"badge","at":{}}}"#, at(0)),
            Event::NoMapping => format!(r#"{{"uid":"{id}","kind":"burn","at":{}}}"#, at(0)),
            Event::NoTime => format!(r#"{{"uid":"{id}","kind":"open"}}"#),
            Event::Invalid => format!(r#"{{"uid":"{id}","kind":"badge","at":{},"door":"d1"}}"#, at(0)),
        };
        text.into_bytes()
    }

    fn fate(self) -> Fate {
        match self {
            Event::Badge { .. } | Event::Open { .. } => Fate::Lake,
            _ => Fate::Quarantine,
        }
    }
}

impl Record {
    fn new(index: usize, packing: &Packing, events: &[Event]) -> Self {
        let ids: Vec<String> = (0..events.len()).map(|event| format!("id-{index}-{event};")).collect();
        let texts = || ids.iter().zip(events).map(|(id, event)| event.text(id));
        let mut expected: Vec<_> = ids.iter().zip(events).map(|(id, event)| (id.clone(), event.fate())).collect();
        let data = match packing {
            Packing::Plain => lines(texts()),
            Packing::Gzip => gzip(&lines(texts())),
            Packing::Aggregated => aggregated(texts()),
            Packing::Damaged => b"\xf3\x89\x9a\xc2no protocol buffer of any kind".to_vec(),
            Packing::Blank => b" \n ".to_vec(),
        };
        // What is kept whole goes by its place.
        if matches!(packing, Packing::Blank | Packing::Damaged) || events.is_empty() {
            expected = vec![(sequence_number(index), Fate::Quarantine)];
        }
        Self { data, expected }
    }

    /// Bytes of which a test knows itself what should become of them.
    pub(crate) fn of_bytes(data: Vec<u8>) -> Self {
        Self { data, expected: Vec::new() }
    }

    /// `count` events that are mapped, all of one class and day.
    pub(crate) fn badges(index: usize, count: usize) -> Self {
        Self::new(index, &Packing::Plain, &vec![Event::Badge { day: 0 }; count])
    }

    /// The same, compressed.
    pub(crate) fn gzip_of_badges(index: usize, count: usize) -> Self {
        Self::new(index, &Packing::Gzip, &vec![Event::Badge { day: 0 }; count])
    }

    /// Events that are mapped, of the accounts and days given.
    pub(crate) fn of_accounts(index: usize, events: &[(u64, i64)]) -> Self {
        let ids = (0..events.len()).map(|event| format!("id-{index}-{event};"));
        let text = |(id, (account, day)): (&String, &(u64, i64))| {
            let at = START + day * 86_400 + 60;
            let text = r#""kind":"badge","owner":"ann","door":"d1""#;
            format!(r#"{{"uid":"{id}","account":"{account:012}","at":{at},{text}}}"#).into_bytes()
        };
        let expected: Vec<_> = ids.map(|id| (id, Fate::Lake)).collect();
        let data = lines(expected.iter().map(|(id, _)| id).zip(events).map(text));
        Self { data, expected }
    }

    /// An event that is no JSON.
    pub(crate) fn undecodable(index: usize) -> Self {
        Self::new(index, &Packing::Plain, &[Event::NotJson])
    }

    /// An event with a text that no page can hold.
    pub(crate) fn giant(index: usize) -> Self {
        let id = format!("id-{index}-0;");
        let note = "x".repeat(1_000_000);
        let text = format!(r#"{{"uid":"{id}","kind":"open","at":{START},"note":"{note}"}}"#);
        Self { data: text.into_bytes(), expected: vec![(id, Fate::Quarantine)] }
    }

    /// An event with a list of `count` elements.
    pub(crate) fn with_observers(index: usize, count: usize) -> Self {
        let id = format!("id-{index}-0;");
        let observers: Vec<_> = (0..count).map(|n| format!(r#"{{"name":"camera {n}"}}"#)).collect();
        let text = format!(r#"{{"uid":"{id}","kind":"open","at":{START},"observers":[{}]}}"#, observers.join(","));
        Self { data: text.into_bytes(), expected: vec![(id, Fate::Lake)] }
    }
}

fn lines(texts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    texts.flat_map(|text| [text, b"\n".to_vec()]).flatten().collect()
}

/// Compressed by gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As the Kinesis Producer Library packs records into one.
pub(crate) fn aggregated(records: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let field = |number: u8, content: &[u8]| {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    };
    let mut message = field(1, b"key");
    for record in records {
        message.extend(field(3, &[&b"\x08\x00"[..], &field(3, &record)].concat()));
    }
    [&b"\xf3\x89\x9a\xc2"[..], &message, &Md5::digest(&message)].concat()
}

/// As long as Kinesis has them.
pub(crate) fn sequence_number(index: usize) -> String {
    format!("4959033827149025660855969253836157109592157598913{index:07}")
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_u8).prop_map(|day| Event::Badge { day }),
        4 => (0..3_u8).prop_map(|day| Event::Open { day }),
        1 => Just(Event::NotJson),
        1 => Just(Event::NotUtf8),
        1 => Just(Event::OtherSource),
        1 => Just(Event::NoMapping),
        1 => Just(Event::NoTime),
        1 => Just(Event::Invalid),
    ]
}

/// Records of all kinds.
pub(crate) fn records(count: Range<usize>) -> impl Strategy<Value = Vec<Record>> {
    let packing = prop_oneof![
        6 => Just(Packing::Plain),
        2 => Just(Packing::Gzip),
        3 => Just(Packing::Aggregated),
        1 => Just(Packing::Damaged),
        1 => Just(Packing::Blank),
    ];
    vec((packing, vec(event(), 0..6)), count).prop_map(|records| {
        let records = records.iter().enumerate();
        records.map(|(index, (packing, events))| Record::new(index, packing, events)).collect()
    })
}

/// A log of events, one a line.
pub(crate) fn log() -> impl Strategy<Value = Record> {
    vec(event(), 1..40).prop_map(|events| Record::new(0, &Packing::Plain, &events))
}

/// Faults of the lake and of quarantine.
pub(crate) fn faults() -> impl Strategy<Value = (Vec<Fault>, Vec<Fault>)> {
    let fault =
        (any::<bool>(), proptest::option::of(1..8_u64), proptest::option::of("3002|20250303|no_|unde"), 1..9_u64)
            .prop_map(|(transient, at, key_part, times)| {
                let fault = if transient { Fault::transient(Operation::Put) } else { Fault::permanent(Operation::Put) };
                let fault = if let Some(at) = at { fault.at(at) } else { fault.times(times) };
                if let Some(part) = key_part { fault.on_keys_with(part) } else { fault }
            });
    (vec(fault.clone(), 0..3), vec(fault, 0..2))
}

/// Records, and stores that they go to.
pub(crate) struct Laboratory<'a> {
    records: &'a [Record],
    memory: usize,
    bounds: Bounds,
    lake: (MemoryStore, FaultyStore),
    quarantine: (MemoryStore, FaultyStore),
    attempts: Mutex<u32>,
}

impl<'a> Laboratory<'a> {
    pub(crate) fn new(records: &'a [Record], memory: usize) -> Self {
        let store = || {
            let memory = MemoryStore::default();
            (memory.clone(), FaultyStore::new(memory))
        };
        let bounds = Bounds::default();
        Self { records, memory, bounds, lake: store(), quarantine: store(), attempts: Mutex::new(0) }
    }

    pub(crate) fn failing(mut self, (lake, quarantine): (Vec<Fault>, Vec<Fault>)) -> Self {
        self.lake.1 = lake.into_iter().fold(self.lake.1, FaultyStore::with);
        self.quarantine.1 = quarantine.into_iter().fold(self.quarantine.1, FaultyStore::with);
        self
    }

    pub(crate) fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.lake.1.heal();
        self.quarantine.1.heal();
    }

    /// Ends all faults when it has been tried a few times, as somebody would.
    pub(crate) fn heal_a_little(&self) {
        let mut attempts = self.attempts.lock().unwrap();
        *attempts += 1;
        if *attempts == 12 {
            self.heal();
        }
    }

    /// Transforms a batch of the records; there is time for `time_for` questions whether there is.
    pub(crate) fn transform(&self, batch: Range<usize>, time_for: usize) -> StreamOutcome {
        let numbers: Vec<String> = batch.clone().map(sequence_number).collect();
        let records: Vec<StreamRecord<'_>> = self.records[batch]
            .iter()
            .zip(&numbers)
            .map(|(record, number)| StreamRecord {
                sequence_number: number,
                shard: "shardId-000000000000",
                stream: "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
                arrival: START * 1000,
                data: &record.data,
            })
            .collect();
        let left = Mutex::new(time_for);
        let has_time = || {
            let mut left = left.lock().unwrap();
            let has_time = *left > 0;
            *left = left.saturating_sub(1);
            has_time
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (settings, stores) = (self.settings(), self.stores());
        runtime.block_on(transform_records(sources(), &settings, &stores, &records, has_time))
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            region: "eu-central-1".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            seal: Default::default(),
            memory: self.memory,
            bounds: self.bounds,
        }
    }

    pub(crate) fn stores(&self) -> Stores {
        Stores { lake: Arc::new(self.lake.1.clone()), quarantine: Arc::new(self.quarantine.1.clone()) }
    }

    /// All objects by key.
    pub(crate) fn objects(&self) -> BTreeMap<String, Bytes> {
        let mut objects = self.lake.0.objects();
        objects.extend(self.quarantine.0.objects());
        objects
    }

    /// The lines of quarantine.
    pub(crate) fn lines(&self) -> Vec<QuarantineLine> {
        let objects = self.quarantine.0.objects().into_values();
        objects.flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>()).collect()
    }

    /// The ids in the lake and how often each is there.
    pub(crate) fn ids(&self) -> BTreeMap<String, u64> {
        let mut ids = BTreeMap::new();
        self.lake.0.objects().into_values().flat_map(ids_of_rows).for_each(|id| *ids.entry(id).or_default() += 1);
        ids
    }

    /// Reads everything back.
    pub(crate) fn fates(&self) -> Fates {
        let mut fates = Fates::default();
        for (key, object) in self.objects() {
            match key.starts_with("quarantine/") {
                true => read_lines(&object[..]).unwrap().map(Result::unwrap).for_each(|line| {
                    let id = id_in(line.raw()).filter(|_| !line.is_whole()).unwrap_or_else(|| place_of(&line));
                    fates.note(id, Fate::Quarantine);
                }),
                false => ids_of_rows(object).into_iter().for_each(|id| fates.note(id, Fate::Lake)),
            }
        }
        fates
    }
}

fn place_of(line: &QuarantineLine) -> String {
    match line.origin() {
        Origin::Kinesis { sequence_number, .. } => sequence_number.clone(),
        other => format!("{other:?}"),
    }
}

/// The id in a raw event.
fn id_in(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let from = text.find("id-")?;
    let to = from + text[from..].find(';')?;
    Some(text[from..=to].to_owned())
}

fn ids_of_rows(object: Bytes) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
    let rows = reader.flat_map(|batch| rows_to_json(Schema::get(Version::V1_1_0), &batch.unwrap()).unwrap());
    rows.map(|row| row["metadata"]["uid"].as_str().unwrap_or("none").to_owned()).collect()
}

impl Fates {
    fn note(&mut self, id: String, fate: Fate) {
        *self.0.entry((id, fate)).or_default() += 1;
    }

    /// What should become of a record: each of its events once, where it belongs.
    pub(crate) fn settled(record: &Record) -> Self {
        Self(record.expected.iter().map(|expected| (expected.clone(), 1)).collect())
    }

    /// What became of the events of a record.
    pub(crate) fn of(&self, record: &Record) -> Self {
        let ids =
            record.expected.iter().flat_map(|(id, _)| [Fate::Lake, Fate::Quarantine].map(|fate| (id.clone(), fate)));
        Self(ids.filter_map(|id| self.0.get(&id).map(|count| (id, *count))).collect())
    }

    /// Whether the record with this number was kept whole.
    pub(crate) fn is_kept(&self, index: usize) -> bool {
        self.0.contains_key(&(sequence_number(index), Fate::Quarantine))
    }

    /// Whether everything of `other` is there, and nothing in another place.
    pub(crate) fn covers(&self, other: &Fates) -> bool {
        self.0.keys().eq(other.0.keys())
    }

    /// Events in the lake and in quarantine.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let total = |fate| self.0.iter().filter(|((_, found), _)| *found == fate).map(|(_, count)| count).sum();
        (total(Fate::Lake), total(Fate::Quarantine))
    }
}

/// Lambda's event source mapping of a shard: batches in order, each tried until nothing of it is reported. Where `bisect`
/// is on, what is reported is also cut in half.
pub(crate) fn event_source(records: usize, bisect: bool, mut invoke: impl FnMut(Range<usize>) -> Option<usize>) {
    let mut batches: Vec<_> = std::iter::once(0..records).collect();
    for _ in 0..1_000 {
        let Some(batch) = batches.pop() else { return };
        let Some(failed) = invoke(batch.clone()) else { continue };
        let from = batch.start + failed;
        assert!(from < batch.end, "a record was reported that was not in the batch");
        let middle = if bisect { from + (batch.end - from) / 2 } else { from };
        batches.push(middle..batch.end);
        if middle > from {
            batches.push(from..middle);
        }
    }
    panic!("the batch is still in the stream");
}
