//! Stores for tests: one in memory, and one that fails as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{BoxFuture, ChunkSource, Chunks, Condition, ContentTag, Kind, LIST_PAGE, Listed, Store, StoreError};

/// Objects in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryStore {
    /// All objects, by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        locked(&self.objects).clone()
    }
}

/// Ignores poisoning: a panic in another test thread leaves the content intact.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        locked(&self.objects).insert(key.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        let mut objects = locked(&self.objects);
        let holds = match (objects.get(key), condition) {
            (None, Condition::Absent) => true,
            (Some(object), Condition::Unchanged(tag)) => tag_of(object) == *tag,
            _ => false,
        };
        if holds {
            let tag = tag_of(&bytes);
            objects.insert(key.to_owned(), bytes);
            return Box::pin(async { Ok(tag) });
        }
        Box::pin(async move { Err(StoreError::new(Kind::Conflict, "put", key, "the object is another")) })
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        Box::pin(async move {
            let bytes = self.get(key).await?;
            let tag = tag_of(&bytes);
            Ok((bytes, tag))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        locked(&self.objects).remove(key);
        Box::pin(async { Ok(()) })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        let object = locked(&self.objects).get(key).cloned();
        Box::pin(async move {
            let rest = object.ok_or_else(|| StoreError::new(Kind::NotFound, "read", key, "there is no such object"))?;
            Ok(Chunks::new(Some(rest.len() as u64), MemoryChunks { rest }))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        let objects = locked(&self.objects);
        let matching = objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
        let listed = matching.map(|(key, bytes)| Listed {
            key: key.clone(),
            bytes: bytes.len() as u64,
            tag: Some(tag_of(bytes).0),
        });
        let page = listed.take(LIST_PAGE).collect();
        Box::pin(async { Ok(page) })
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

fn tag_of(bytes: &[u8]) -> ContentTag {
    ContentTag(blake3::hash(bytes).to_hex().to_string())
}

struct MemoryChunks {
    rest: Bytes,
}

impl ChunkSource for MemoryChunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        const CHUNK_BYTES: usize = 64 << 10;
        let chunk = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        Box::pin(async { Ok((!chunk.is_empty()).then_some(chunk)) })
    }
}

/// What a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Store::put`].
    Put,
    /// [`Store::put_if`].
    PutIf,
    /// [`Store::remove`].
    Remove,
    /// [`Store::read`], [`Store::get`] and [`Store::get_tagged`].
    Read,
    /// [`Store::list`].
    List,
}

/// When and how a [`FaultyStore`] fails. Without further conditions: always.
///
/// ```
/// use store::{Fault, Operation};
///
/// // The third put, and only the first time it is tried.
/// let fault = Fault::transient(Operation::Put).at(3).times(1);
/// // Whatever concerns quarantine, for ever; but the object is there all the same.
/// let fault = Fault::permanent(Operation::Put).on_keys_with("quarantine/").afterwards();
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Operation,
    transient: bool,
    /// The number of the operation, from 1.
    at: Option<u64>,
    key_part: Option<String>,
    /// How often it still strikes.
    times: u64,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The operation does not take place.
    Nothing,
    /// A read breaks off in the middle.
    Half,
    /// The operation takes place, but its success is not told.
    Done,
}

impl Fault {
    /// A fault that may pass.
    pub fn transient(operation: Operation) -> Self {
        Self { operation, transient: true, at: None, key_part: None, times: u64::MAX, effect: Effect::Nothing }
    }

    /// A fault that stays.
    pub fn permanent(operation: Operation) -> Self {
        Self { transient: false, ..Self::transient(operation) }
    }

    /// Strikes only the `number`-th operation of its kind, counted from 1.
    pub fn at(self, number: u64) -> Self {
        Self { at: Some(number), ..self }
    }

    /// Strikes only keys (for lists, prefixes) that contain `part`.
    pub fn on_keys_with(self, part: impl Into<String>) -> Self {
        Self { key_part: Some(part.into()), ..self }
    }

    /// Strikes that often and not again.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Lets the operation take place and then reports failure, as when the answer is lost.
    pub fn afterwards(self) -> Self {
        Self { effect: Effect::Done, ..self }
    }

    /// Lets a read begin and break off in the middle.
    pub fn halfway(self) -> Self {
        Self { effect: Effect::Half, ..self }
    }
}

/// A store that fails as it is told, and keeps a journal. Clones share both.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    journal: Vec<(Operation, String, Outcome)>,
}

/// How an operation of a [`FaultyStore`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was passed on.
    Passed,
    /// A fault struck.
    Failed,
}

impl FaultyStore {
    /// A store that does not fail yet.
    pub fn new(inner: impl Store + 'static) -> Self {
        Self { inner: Arc::new(inner), state: Arc::default() }
    }

    /// The store with one more fault. The first that applies strikes.
    pub fn with(self, fault: Fault) -> Self {
        locked(&self.state).faults.push(fault);
        self
    }

    /// Ends all faults.
    pub fn heal(&self) {
        locked(&self.state).faults.clear();
    }

    /// What was asked of the store, in order.
    pub fn journal(&self) -> Vec<(Operation, String, Outcome)> {
        locked(&self.state).journal.clone()
    }

    /// Notes the operation, and gives the fault that strikes it.
    fn strike(&self, operation: Operation, key: &str) -> Option<(Effect, StoreError)> {
        let mut state = locked(&self.state);
        let number = 1 + state.journal.iter().filter(|(other, ..)| *other == operation).count() as u64;
        let applies = |fault: &&mut Fault| {
            fault.operation == operation
                && fault.times > 0
                && fault.at.is_none_or(|at| at == number)
                && fault.key_part.as_ref().is_none_or(|part| key.contains(part))
        };
        let struck = state.faults.iter_mut().find(applies).map(|fault| {
            fault.times -= 1;
            let kind = if fault.transient { Kind::Transient } else { Kind::Permanent };
            (fault.effect, StoreError::new(kind, "test", key, "a fault was asked for"))
        });
        let outcome = if struck.is_some() { Outcome::Failed } else { Outcome::Passed };
        state.journal.push((operation, key.to_owned(), outcome));
        struck
    }
}

impl Store for FaultyStore {
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::Put, key) {
                None => self.inner.put(key, bytes).await,
                Some((Effect::Done, error)) => {
                    self.inner.put(key, bytes).await?;
                    Err(error)
                }
                // No store that keeps its promise puts half an object.
                Some((Effect::Nothing | Effect::Half, error)) => Err(error),
            }
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::PutIf, key) {
                None => self.inner.put_if(key, bytes, condition).await,
                Some((Effect::Done, error)) => {
                    self.inner.put_if(key, bytes, condition).await?;
                    Err(error)
                }
                Some((Effect::Nothing | Effect::Half, error)) => Err(error),
            }
        })
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::Read, key) {
                None => self.inner.get_tagged(key).await,
                Some((_, error)) => Err(error),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::Remove, key) {
                None => self.inner.remove(key).await,
                Some((Effect::Done, error)) => {
                    self.inner.remove(key).await?;
                    Err(error)
                }
                Some((Effect::Nothing | Effect::Half, error)) => Err(error),
            }
        })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::Read, key) {
                None => self.inner.read(key).await,
                Some((Effect::Half, error)) => {
                    let chunks = self.inner.read(key).await?;
                    let left = chunks.length().unwrap_or_default() / 2;
                    Ok(Chunks::new(chunks.length(), BrokenChunks { chunks, left, error: Some(error) }))
                }
                Some((_, error)) => Err(error),
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        Box::pin(async move {
            match self.strike(Operation::List, prefix) {
                None => self.inner.list(prefix, after).await,
                Some((_, error)) => Err(error),
            }
        })
    }

    fn describe(&self) -> String {
        format!("{} with faults", self.inner.describe())
    }
}

/// The first half of an object, then an error.
struct BrokenChunks {
    chunks: Chunks,
    left: u64,
    error: Option<StoreError>,
}

impl ChunkSource for BrokenChunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(async move {
            if self.left == 0 {
                return self.error.take().map_or(Ok(None), Err);
            }
            let Some(mut chunk) = self.chunks.next().await? else { return Ok(None) };
            chunk.truncate(self.left.try_into().unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            Ok(Some(chunk))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list_all;

    #[tokio::test]
    async fn memory_keeps_what_is_put_and_lists_it_in_pages() {
        let store = MemoryStore::default();
        for n in 0..1500 {
            store.put(&format!("a/{n:04}"), Bytes::from_static(b"abc")).await.unwrap();
        }
        store.put("b", Bytes::new()).await.unwrap();
        assert_eq!(store.list("a/", "").await.unwrap().len(), LIST_PAGE);
        assert_eq!(list_all(&store, "a/").await.unwrap().len(), 1500);
        assert_eq!(store.get("a/0007").await.unwrap(), Bytes::from_static(b"abc"));
        assert!(store.get("c").await.unwrap_err().is_not_found());
    }

    #[tokio::test]
    async fn a_lost_answer_of_a_conditional_put_leaves_what_was_put() {
        let memory = MemoryStore::default();
        let store = FaultyStore::new(memory.clone())
            .with(Fault::transient(Operation::PutIf).at(1).afterwards())
            .with(Fault::transient(Operation::PutIf).at(3));
        let put = async |condition| store.put_if("a", Bytes::from_static(b"x"), condition).await;
        assert!(put(Condition::Absent).await.unwrap_err().is_transient());
        assert!(put(Condition::Absent).await.unwrap_err().is_conflict());
        let (_, tag) = store.get_tagged("a").await.unwrap();
        assert!(put(Condition::Unchanged(&tag)).await.unwrap_err().is_transient());
        put(Condition::Unchanged(&tag)).await.unwrap();
        assert_eq!(store.journal()[0], (Operation::PutIf, "a".to_owned(), Outcome::Failed));
    }

    #[tokio::test]
    async fn faults_strike_when_they_are_told_to() {
        let memory = MemoryStore::default();
        let store = FaultyStore::new(memory.clone())
            .with(Fault::transient(Operation::Put).at(2))
            .with(Fault::permanent(Operation::Put).on_keys_with("bad"))
            .with(Fault::transient(Operation::Put).on_keys_with("late").times(1).afterwards());
        let put =
            async |key: &str| store.put(key, Bytes::from_static(b"x")).await.map_err(|error| error.is_transient());
        assert_eq!(put("a").await, Ok(()));
        assert_eq!(put("b").await, Err(true));
        assert_eq!(put("b").await, Ok(()));
        assert_eq!(put("bad").await, Err(false));
        assert_eq!(put("late").await, Err(true));
        assert_eq!(memory.objects().into_keys().collect::<Vec<_>>(), ["a", "b", "late"]);
        assert_eq!(put("late").await, Ok(()));
        store.heal();
        assert_eq!(put("bad").await, Ok(()));
        assert_eq!(store.journal()[1], (Operation::Put, "b".to_owned(), Outcome::Failed));
        assert_eq!(store.journal().len(), 7);
    }
}
