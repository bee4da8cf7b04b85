//! The keys that the objects of a file may have, as data: a parser reads by such tables, and a JSON Schema is made of them.
//!
//! What a value has to be differs from one kind of file to the next, so that it is a parameter.

/// An object with fixed keys.
#[derive(Clone, Copy, Debug)]
pub struct ObjectForm<F: 'static> {
    /// What it is called in messages.
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
    /// What its value has to be.
    pub form: F,
    /// Whether the object must have it.
    pub required: bool,
    /// What it is for, in one line.
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
