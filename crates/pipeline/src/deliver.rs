//! Parcels into their stores, with what that means for the inputs.

use std::sync::Arc;
use std::time::Duration;

use lake::store::{Store, StoreError};
use tokio::task::JoinSet;

use crate::batch::{Destination, InputId, Parcel};

/// The lake and its quarantine.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Where objects of the lake go.
    pub lake: Arc<dyn Store>,
    /// Where quarantine goes.
    pub quarantine: Arc<dyn Store>,
}

/// What became of parcels.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Objects that are durable.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Inputs with an event in an object that is not durable, ascending.
    pub failed_inputs: Vec<InputId>,
    /// Why, one for each object that could not be put.
    pub errors: Vec<StoreError>,
}

/// Puts in flight at once.
const CONCURRENCY: usize = 8;

/// Tries of a put beyond the SDK's own, and the first pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

impl Stores {
    /// Puts every parcel. One that cannot be put fails its inputs only.
    pub async fn deliver(&self, parcels: Vec<Parcel>) -> Delivery {
        let mut delivery = Delivery::default();
        let mut waiting = parcels.into_iter();
        let mut flying = JoinSet::new();
        loop {
            while flying.len() < CONCURRENCY
                && let Some(parcel) = waiting.next()
            {
                let store = match parcel.destination {
                    Destination::Lake => Arc::clone(&self.lake),
                    Destination::Quarantine => Arc::clone(&self.quarantine),
                };
                flying.spawn(async move {
                    let outcome = put(store.as_ref(), &parcel).await;
                    (parcel, outcome)
                });
            }
            let Some(landed) = flying.join_next().await else { break };
            match landed {
                Ok((parcel, Ok(()))) => {
                    delivery.objects += 1;
                    delivery.bytes += parcel.bytes.len() as u64;
                }
                Ok((parcel, Err(error))) => {
                    delivery.failed_inputs.extend(parcel.inputs);
                    delivery.errors.push(error);
                }
                // A put that panicked left no parcel behind: nothing may be taken for durable.
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        delivery.failed_inputs.sort_unstable();
        delivery.failed_inputs.dedup();
        delivery
    }
}

async fn put(store: &dyn Store, parcel: &Parcel) -> Result<(), StoreError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match store.put(&parcel.key, parcel.bytes.clone()).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(key = parcel.key, %error, "put failed, trying again");
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
            settled => return settled,
        }
    }
    store.put(&parcel.key, parcel.bytes.clone()).await
}
