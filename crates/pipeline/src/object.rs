//! One large input, an S3 object or a file, streamed through with bounded memory.

use std::io::Read;

use lake::quarantine::Origin;
use lake::store::StoreError;
use sources::{InputError, Item, Position};
use tokio::runtime::Handle;

use crate::batch::{Batch, BatchError, Counts, Parcel, Settings};
use crate::deliver::Stores;
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

impl ObjectOutcome {
    fn put(
        &mut self,
        batch: &mut Batch<'_>,
        stores: &Stores,
        runtime: &Handle,
        naming: &dyn Naming,
    ) -> Result<(), ObjectError> {
        let identity = naming.identity();
        let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        let parcels: Vec<Parcel> = batch.seal(naming.label(), &identity)?;
        let mut delivery = runtime.block_on(stores.deliver(parcels));
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
