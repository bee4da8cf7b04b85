//! The keys of the objects in a file, as tables. Parsers use the tables, and JSON Schemas are generated from them.
//!
//! The type that describes values is a parameter, because it differs between kinds of files.

/// An object with fixed keys.
#[derive(Clone, Copy, Debug)]
pub struct ObjectForm<F: 'static> {
    /// Its name in messages.
    pub name: &'static str,
    /// Its keys, in the order of the reference page.
    pub keys: &'static [Key<F>],
}

impl<F> ObjectForm<F> {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key<F>> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key of an object.
#[derive(Clone, Copy, Debug)]
pub struct Key<F> {
    /// The key.
    pub name: &'static str,
    /// The type of its value.
    pub form: F,
    /// Whether the object must have it.
    pub required: bool,
    /// Its purpose, in one line.
    pub summary: &'static str,
}

/// A key that the object must have.
pub const fn required<F: Copy>(name: &'static str, form: F, summary: &'static str) -> Key<F> {
    Key { name, form, required: true, summary }
}

/// A key that the object may have.
pub const fn optional<F: Copy>(name: &'static str, form: F, summary: &'static str) -> Key<F> {
    Key { name, form, required: false, summary }
}
