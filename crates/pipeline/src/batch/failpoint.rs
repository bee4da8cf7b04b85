//! Where tests have Sluice break off, as a fault of its own would.

use std::cell::{Cell, RefCell};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Map,
    Append,
    /// Of a batch that holds the event.
    Seal,
    /// The end of such a batch, when all of its objects have been given out.
    Sealed,
}

thread_local! {
    static SET: RefCell<Option<(Place, &'static str)>> = const { RefCell::new(None) };
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// Has this thread break off at the event that contains `text`.
pub(crate) fn set(place: Place, text: &'static str) {
    SET.set(Some((place, text)));
}

pub(crate) fn reach(place: Place, raw: &[u8]) {
    let Some((set, text)) = SET.with_borrow(|set| *set) else { return };
    let here = text.is_empty() || raw.windows(text.len()).any(|window| window == text.as_bytes());
    if matches!(set, Place::Seal | Place::Sealed) && place == Place::Append && here {
        HELD.set(true);
    }
    if set == place && (here || HELD.take()) {
        panic!("a fault was asked for");
    }
}
