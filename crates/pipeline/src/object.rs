//! One large input, an S3 object or a file, streamed through with bounded memory.

use std::collections::BTreeMap;
use std::io::Read;

use lake::quarantine::{Origin, Part, Reason};
use sources::{FrameError, InputError, Item, Position};
use store::StoreError;
use tokio::runtime::Handle;

use crate::batch::{Batch, BatchError, Counts, Example, Refusal, Sealing, Settings};
use crate::deliver::{Delivery, Stores, until_error};
use crate::kept::{Extent, Kept};
use crate::routing::RoutedObject;
use crate::source::MappedSource;
use crate::unpack::{kept_whole, position};

/// What became of an input.
#[derive(Debug, Default)]
pub struct ObjectOutcome {
    /// What became of its events.
    pub counts: Counts,
    /// Objects put.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first event in quarantine of each reason.
    pub examples: BTreeMap<String, Example>,
}

/// Why an input is not safe. It must be read again from its beginning, which gives the same objects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The input could not be read to its end.
    #[error("cannot read the input")]
    Input(#[from] InputError),
    /// Its events could not be sealed.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// An object could not be put.
    #[error("cannot put an object")]
    Store(#[from] StoreError),
    /// The caller's time ran out.
    #[error("out of time after {0} events")]
    OutOfTime(u64),
}

/// How the objects of an input are named, from the input alone.
pub trait Naming {
    /// For people: becomes part of the name.
    fn label(&self) -> &str;

    /// What tells this input, up to what has been read of it, from any other.
    fn identity(&self) -> Vec<String>;
}

/// Reads an input to its end and puts what it holds. Blocks; call it where blocking is allowed. What the input's key says
/// of its records comes with the source, where [`Sources::of_object`](crate::Sources::of_object) found it.
///
/// A compressed input that is damaged is kept in quarantine as it came, to its last byte. While it is decoded, as many of
/// its bytes as `settings.memory` says stay in memory, at least 1 MiB and at most 32 MiB. If the damage is found within
/// these, all of the input is kept, in one line or in parts. If it is found later, these bytes and all after them are kept
/// in parts: what came before them has been decoded and is in the lake or in quarantine.
///
/// # Errors
/// [`ObjectError`]; what has been put by then will be put again, under the same keys, when the input is.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one of the things that a flow has: what, how, where to, until when"
)]
pub fn transform_object<'s>(
    routed: impl Into<RoutedObject<'s>>,
    settings: &Settings,
    stores: &Stores,
    runtime: &Handle,
    input: impl Read + Send,
    naming: &dyn Naming,
    origin: impl Fn(Position) -> Origin,
    has_time: impl Fn() -> bool,
) -> Result<ObjectOutcome, ObjectError> {
    let routed = routed.into();
    let source = routed.source;
    let mut outcome = ObjectOutcome::default();
    let mut batch = Batch::of_object(settings, &routed);
    let mark = batch.mark();
    let mut input = Kept::new(input, settings.memory);
    let dropped = input.dropped();
    let mut damage = None;
    let mut records = source.decode().records_of_stream(&mut input);
    while let Some(item) = records.next_item()? {
        if !has_time() {
            return Err(ObjectError::OutOfTime(batch.counts().records_in));
        }
        let position = position(&item);
        let origin = || origin(position);
        match (damaged(&item), dropped.extent()) {
            (Some((fault, _)), Extent::All) => {
                batch.drop_undecodable_since(&mark);
                damage = Some(Damage { fault, from: None, position: Position::default() });
                break;
            }
            // A long Parquet file gives its bytes itself.
            (Some(_), Extent::From(_)) if matches!(&item, Item::Fault { error: FrameError::Parquet { .. }, .. }) => {
                batch.push_item(&item, source.decode(), Some(source), &origin, 0, |_| Ok(source));
            }
            (Some((fault, beginning)), Extent::From(byte)) => {
                if !beginning.is_empty() {
                    let refusal = Refusal::new(Some(source), Reason::Undecodable, fault.as_str());
                    batch.refuse(refusal.of_part(Part { number: 1, of: None }), beginning, &origin, 0);
                }
                let (offset, index) = (position.offset + beginning.len() as u64, position.index + 1);
                damage = Some(Damage { fault, from: Some(byte), position: Position { offset, index, line: None } });
            }
            _ => batch.push_item(&item, source.decode(), Some(source), &origin, 0, |_| Ok(source)),
        }
        if batch.is_full() {
            runtime.block_on(outcome.put(seal(&mut batch, naming), stores))?;
        }
    }
    drop(records);
    if let Some(damage) = damage {
        let written = batch.counts().total_written();
        for number in 1.. {
            if !has_time() {
                return Err(ObjectError::OutOfTime(batch.counts().records_in));
            }
            let (bytes, is_last) = input.next_piece().map_err(InputError::Source)?;
            let part = Part { number, of: is_last.then_some(number) };
            batch.refuse(damage.refusal(source, part, written), &bytes, &|| origin(damage.position), 0);
            if is_last {
                break;
            }
            if batch.is_full() {
                runtime.block_on(outcome.put(seal(&mut batch, naming), stores))?;
            }
        }
    }
    runtime.block_on(outcome.put(seal(&mut batch, naming), stores))?;
    outcome.counts = batch.counts().clone();
    outcome.examples = batch.examples().clone();
    Ok(outcome)
}

/// Why a compressed input is kept as it came, if the item says so, and what came out of an event before the damage. What is
/// not text says so at once, while all of the input is kept.
fn damaged<'r>(item: &Item<'r>) -> Option<(String, &'r [u8])> {
    match item {
        Item::Fault { error, bytes, .. } if error.is_of_whole_input() => Some((error.to_string(), bytes)),
        _ => None,
    }
}

/// A damaged input, of which all bytes go into quarantine that are kept, and all after them.
struct Damage {
    fault: String,
    /// The first byte that is kept, if that is not the first of the input.
    from: Option<u64>,
    /// Of what is kept.
    position: Position,
}

impl Damage {
    fn refusal<'s>(&self, source: &'s MappedSource, part: Part, written: u64) -> Refusal<'s> {
        let what = match self.from {
            None => "input".to_owned(),
            Some(byte) => format!("input from byte {byte} on"),
        };
        let message = kept_whole(&what, &self.fault, written);
        let refusal = Refusal::new(Some(source), Reason::Undecodable, message);
        match (self.from, part) {
            (None, Part { number: 1, of: Some(1) }) => refusal.of_whole(),
            (None, part) => refusal.of_whole().of_part(part),
            (Some(_), part) => refusal.of_part(part),
        }
    }
}

/// Keeps in quarantine that there was an input, where its content cannot be had or nobody knows what it is: a line with
/// the place of the input and no bytes.
///
/// # Errors
/// [`ObjectError`], where quarantine cannot be put; the input is not safe then.
pub async fn refuse_object(
    settings: &Settings,
    stores: &Stores,
    reason: Reason,
    message: &str,
    naming: &dyn Naming,
    origin: Origin,
) -> Result<ObjectOutcome, ObjectError> {
    let mut batch = Batch::new(settings);
    batch.refuse(Refusal::new(None, reason, message), &[], &|| origin.clone(), 0);
    let mut outcome = ObjectOutcome::default();
    outcome.put(seal(&mut batch, naming), stores).await?;
    outcome.counts = batch.counts().clone();
    outcome.examples = batch.examples().clone();
    Ok(outcome)
}

fn seal<'s>(batch: &mut Batch<'s>, naming: &dyn Naming) -> Sealing<'s> {
    let identity = naming.identity();
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    batch.seal(naming.label(), &identity)
}

impl ObjectOutcome {
    /// Adds what became of another input.
    pub fn add(&mut self, other: &ObjectOutcome) {
        self.counts.add(&other.counts);
        self.objects += other.objects;
        self.bytes += other.bytes;
        for (reason, example) in &other.examples {
            self.examples.entry(reason.clone()).or_insert_with(|| example.clone());
        }
    }

    async fn put(&mut self, sealing: Sealing<'_>, stores: &Stores) -> Result<(), ObjectError> {
        let mut error = None;
        let delivery = stores.deliver(until_error(sealing, &mut error)).await;
        self.note(delivery)?;
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn note(&mut self, mut delivery: Delivery) -> Result<(), ObjectError> {
        self.objects += delivery.objects;
        self.bytes += delivery.bytes;
        match delivery.errors.pop() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
