//! One large input, an S3 object or a file, streamed through with bounded memory.

use std::io::Read;

use lake::quarantine::Origin;
use lake::store::StoreError;
use sources::{InputError, Item, Position};
use tokio::runtime::Handle;

use crate::batch::{Batch, BatchError, Counts, Parcel, Settings};
use crate::deliver::{Delivery, Stores};
use crate::source::Source;

/// What became of an input.
#[derive(Debug, Default)]
pub struct ObjectOutcome {
    /// What became of its events.
    pub counts: Counts,
    /// Objects put.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
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

/// Reads an input to its end and puts what it holds. Blocks; call it where blocking is allowed.
///
/// # Errors
/// [`ObjectError`]; what has been put by then will be put again, under the same keys, when the input is.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one of the things that a flow has: what, how, where to, until when"
)]
pub fn transform_object(
    source: &Source,
    settings: &Settings,
    stores: &Stores,
    runtime: &Handle,
    input: impl Read + Send,
    naming: &dyn Naming,
    origin: impl Fn(Position) -> Origin,
    has_time: impl Fn() -> bool,
) -> Result<ObjectOutcome, ObjectError> {
    let mut outcome = ObjectOutcome::default();
    let mut batch = Batch::new(settings);
    let mut records = source.decode().records_of_stream(input);
    while let Some(item) = records.next_item()? {
        if !has_time() {
            return Err(ObjectError::OutOfTime(batch.counts().records_in));
        }
        let position = position(&item);
        batch.push_item(&item, source.decode(), Some(source), &|| origin(position), 0, |_| Ok(source));
        if batch.is_full() {
            outcome.put(&mut batch, stores, runtime, naming)?;
        }
    }
    outcome.put(&mut batch, stores, runtime, naming)?;
    outcome.counts = batch.counts().clone();
    Ok(outcome)
}

/// Keeps in quarantine that there was an input, where its content cannot be had or nobody knows what it is: a line with
/// the place of the input and no bytes.
///
/// # Errors
/// [`ObjectError`], where quarantine cannot be put; the input is not safe then.
pub async fn refuse_object(
    settings: &Settings,
    stores: &Stores,
    reason: &'static str,
    message: &str,
    naming: &dyn Naming,
    origin: Origin,
) -> Result<ObjectOutcome, ObjectError> {
    let mut batch = Batch::new(settings);
    batch.refuse(None, reason, message.to_owned(), &[], &|| origin.clone(), 0);
    let mut outcome = ObjectOutcome::default();
    outcome.note(stores.deliver(seal(&mut batch, naming)?).await)?;
    outcome.counts = batch.counts().clone();
    Ok(outcome)
}

fn seal(batch: &mut Batch<'_>, naming: &dyn Naming) -> Result<Vec<Parcel>, BatchError> {
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
    }

    fn put(
        &mut self,
        batch: &mut Batch<'_>,
        stores: &Stores,
        runtime: &Handle,
        naming: &dyn Naming,
    ) -> Result<(), ObjectError> {
        self.note(runtime.block_on(stores.deliver(seal(batch, naming)?)))
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

fn position(item: &Item<'_>) -> Position {
    match item {
        Item::Event(event) => event.position,
        Item::Oversized { position, .. } | Item::Fault { position, .. } => *position,
        _ => Position::default(),
    }
}
