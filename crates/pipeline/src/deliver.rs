//! Parcels into their stores, with what that means for the inputs.

use std::sync::Arc;
use std::time::Duration;

use store::{Store, StoreError};
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

/// Puts in flight at once, and parcels held.
const CONCURRENCY: usize = 8;

/// Tries of a put beyond the SDK's own, and the first pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

impl Stores {
    /// Puts every parcel. One that cannot be put fails its inputs only.
    ///
    /// A parcel is asked for when there is a slot for it, so that no more of them are held than are in flight.
    pub async fn deliver(&self, parcels: impl IntoIterator<Item = Parcel>) -> Delivery {
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
                // To seal the next one takes this thread a while: what is in flight goes on first.
                tokio::task::yield_now().await;
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

/// The parcels before the first error, which `error` has then.
pub(crate) fn until_error<E>(
    parcels: impl Iterator<Item = Result<Parcel, E>>,
    error: &mut Option<E>,
) -> impl Iterator<Item = Parcel> {
    parcels.map_while(|parcel| parcel.map_err(|found| *error = Some(found)).ok())
}

async fn put(store: &dyn Store, parcel: &Parcel) -> Result<(), StoreError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match store.put(&parcel.key, parcel.bytes.clone()).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(key = parcel.key, %error, "put failed, retrying");
                tokio::time::sleep(pause).await;
                pause *= 4;
            }
            settled => return settled,
        }
    }
    store.put(&parcel.key, parcel.bytes.clone()).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use store::{Fault, FaultyStore, MemoryStore, Operation};

    use super::*;

    /// Content that says when it is dropped.
    struct Held(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            b"object"
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn no_more_parcels_are_held_than_are_in_flight() {
        // Puts that wait for a retry are all in flight at once, and are dropped after the last retry.
        let store = Arc::new(FaultyStore::new(MemoryStore::default()).with(Fault::transient(Operation::Put)));
        let stores = Stores { lake: store.clone(), quarantine: store };
        let (held, mut most) = (Arc::new(AtomicUsize::new(0)), 0);
        let parcels = (0..100).map(|number| {
            most = most.max(held.fetch_add(1, Ordering::Relaxed) + 1);
            Parcel {
                destination: Destination::Lake,
                key: format!("ext/{number}"),
                bytes: Bytes::from_owner(Held(Arc::clone(&held))),
                records: 1,
                inputs: vec![number],
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let delivery = runtime.block_on(stores.deliver(parcels));
        assert_eq!((delivery.failed_inputs.len(), delivery.objects), (100, 0));
        assert_eq!((most, held.load(Ordering::Relaxed)), (CONCURRENCY, 0));
    }
}
