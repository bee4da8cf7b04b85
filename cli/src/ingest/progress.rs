//! How far an ingestion is, and which objects have come of an input.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use indicatif::ProgressBar;
use pipeline::Stores;
use store::{BoxFuture, Chunks, Condition, ContentTag, Listed, Store, StoreError};

use crate::output::{Output, counted, cut, harmless, size};

/// Which store an object went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Lake,
    Quarantine,
}

/// An object that an input has put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) bytes: u64,
}

/// The progress bar over all inputs. It advances as inputs are read, and shows when objects are being written.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
    inputs: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The text of the bar while an input is read.
    reading: String,
    /// Whether the bar shows another text now.
    is_writing: bool,
    /// What the input has put, and how much of it since the last read.
    puts: Vec<Put>,
    written: (u64, u64),
}

impl Progress {
    /// A bar over so many inputs, of so many bytes if all are known.
    pub(super) fn new(output: &Output, inputs: u64, bytes: Option<u64>) -> Self {
        Self { bar: output.progress(bytes, ""), inputs, state: Arc::default() }
    }

    /// Begins the input of that number, from 0.
    pub(super) fn begin(&self, number: u64, name: &str) {
        let name = cut(&harmless(name.rsplit('/').next().unwrap_or(name)), 40).into_owned();
        let counter = if self.inputs > 1 { format!("{}/{} ", number + 1, self.inputs) } else { String::new() };
        let mut state = self.state();
        *state = State { reading: counter + &name, ..State::default() };
        self.bar.set_message(state.reading.clone());
    }

    /// So many bytes have been read.
    pub(super) fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
        let mut state = self.state();
        if state.is_writing {
            (state.is_writing, state.written) = (false, (0, 0));
            self.bar.set_message(state.reading.clone());
        }
    }

    /// So many bytes will not be read.
    pub(super) fn skip(&self, bytes: u64) {
        if let Some(length) = self.bar.length() {
            self.bar.set_length(length.saturating_sub(bytes));
        }
    }

    /// Shows that an input is being compared with earlier runs.
    pub(super) fn check(&self) {
        let mut state = self.state();
        state.is_writing = true;
        self.bar.set_message(format!("{}, comparing", state.reading));
    }

    /// Shows that objects are being written.
    pub(super) fn write(&self) {
        let mut state = self.state();
        state.is_writing = true;
        self.bar.set_message(format!("{}, writing", state.reading));
    }

    /// The objects that the input has written so far.
    pub(super) fn take_puts(&self) -> Vec<Put> {
        std::mem::take(&mut self.state().puts)
    }

    /// Says something above the bar.
    pub(super) fn say(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    /// Takes the bar off the screen.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// The same stores, with their puts recorded here.
    pub(super) fn watch(&self, stores: &Stores) -> Stores {
        let watched = |store: &Arc<dyn Store>, place| {
            Arc::new(Watched { store: Arc::clone(store), place, progress: self.clone() }) as Arc<dyn Store>
        };
        Stores { lake: watched(&stores.lake, Place::Lake), quarantine: watched(&stores.quarantine, Place::Quarantine) }
    }

    fn note(&self, place: Place, key: &str, bytes: u64) {
        let mut state = self.state();
        state.puts.push(Put { place, key: key.to_owned(), bytes });
        state.written = (state.written.0 + 1, state.written.1 + bytes);
        let (objects, bytes) = state.written;
        self.bar.set_message(format!("{}, writing: {}, {}", state.reading, counted(objects, "object"), size(bytes)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store whose puts are recorded.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn Store>,
    place: Place,
    progress: Progress,
}

impl Store for Watched {
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let length = bytes.len() as u64;
            self.store.put(key, bytes).await?;
            self.progress.note(self.place, key, length);
            Ok(())
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        self.store.put_if(key, bytes, condition)
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        self.store.get_tagged(key)
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.remove(key)
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        self.store.read(key)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        self.store.list(prefix, after)
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}
