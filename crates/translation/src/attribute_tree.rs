//! Attributes of OCSF as columns: paths become rows, lists and scalars, typed by the schema.

use ocsf::schema::{Attribute, ScalarType};
use sql::types::ColumnType;

/// A name with what is below it, in the order in which paths name it.
#[derive(Default)]
pub(crate) struct AttributeTree {
    members: Vec<(String, AttributeTree)>,
    /// The type of a value; `None` of what has members.
    pub(crate) scalar: Option<ColumnType>,
    pub(crate) is_array: bool,
}

impl AttributeTree {
    /// The member of a name, which is made if there is none, as an attribute of the schema has it.
    pub(crate) fn member(&mut self, name: &str, attribute: Option<&Attribute>) -> &mut Self {
        let at = self.members.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
            self.members.push((name.to_owned(), Self::default()));
            self.members.len() - 1
        });
        let member = &mut self.members[at].1;
        member.is_array = attribute.is_some_and(|attribute| attribute.is_array);
        member.scalar = attribute.and_then(|attribute| attribute.scalar()).map(column_type_of);
        member
    }

    /// The same, with members in the order of their names.
    pub(crate) fn sorted(mut self) -> Self {
        self.members.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.members = self.members.into_iter().map(|(name, member)| (name, member.sorted())).collect();
        self
    }

    /// The members as columns.
    pub(crate) fn columns(self) -> Vec<(String, ColumnType)> {
        self.members.into_iter().map(|(name, member)| (name, member.column_type())).collect()
    }

    /// An object of which the schema knows no member is a map of texts.
    fn column_type(mut self) -> ColumnType {
        let is_array = self.is_array;
        let inner = match self.scalar.take() {
            Some(scalar) => scalar,
            None if self.members.is_empty() => {
                ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Varchar))
            }
            None => ColumnType::Row(self.columns()),
        };
        if is_array { ColumnType::Array(Box::new(inner)) } else { inner }
    }
}

fn column_type_of(scalar: ScalarType) -> ColumnType {
    match scalar {
        ScalarType::Boolean => ColumnType::Boolean,
        ScalarType::Integer | ScalarType::Port => ColumnType::Integer,
        ScalarType::Long | ScalarType::Timestamp => ColumnType::Bigint,
        ScalarType::Float => ColumnType::Double,
        ScalarType::Datetime => ColumnType::Timestamp,
        _ => ColumnType::Varchar,
    }
}
