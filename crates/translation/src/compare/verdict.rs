//! The type of a compared value, and the result of comparing it.

use std::rc::Rc;

use sql::text::Sql;
use sql::types::ColumnType;

use crate::map::{Family, Kind};

/// A condition on a value.
pub(crate) type Predicate = Rc<dyn Fn(&Sql) -> Sql>;

/// What a value is: its column's type, and what the map says beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Typed {
    pub(crate) column_type: ColumnType,
    pub(crate) kind: Option<Kind>,
    pub(crate) family: Option<Family>,
}

/// What becomes of a comparison.
pub(crate) enum Verdict {
    /// It can be asked.
    Test(Predicate),
    /// It can be asked, without the constants that no value equals.
    Without(Predicate, Vec<String>),
    /// No value of that type satisfies it: why, of each constant.
    Never(Vec<String>),
    /// The pattern itself is at fault.
    Refused { message: String, help: String },
}

impl Verdict {
    pub(super) fn test(predicate: impl Fn(&Sql) -> Sql + 'static) -> Self {
        Self::Test(Rc::new(predicate))
    }

    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self::Never(vec![reason.into()])
    }
}

pub(super) fn no_scale(typed: &Typed) -> Verdict {
    Verdict::never(match &typed.column_type {
        t if t.is_complex() => "it is an object or a list of objects: name a property of it".to_owned(),
        t => format!("values of the type {t} are not compared"),
    })
}
