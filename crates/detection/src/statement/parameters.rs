//! The values of a rule's parameters, and how they are written in SQL.

use sql::sql;
use sql::text::Sql;

use super::error::StatementError;
use crate::rule::{ParameterValue, ParameterValues, Rule};

/// The values of a rule's parameters: those that were set, else the defaults.
pub(crate) struct Values<'r> {
    rule: &'r Rule,
    set: Vec<(String, ParameterValue)>,
}

impl<'r> Values<'r> {
    pub(crate) fn new(rule: &'r Rule, set: &ParameterValues) -> Result<Self, StatementError> {
        let read = |(name, value): (&String, &serde_json::Value)| {
            let declared = rule.parameters.iter().find(|parameter| parameter.name.value == *name);
            let declared = declared.ok_or_else(|| StatementError::UnknownParameter(name.clone()))?;
            let value = declared.parameter_type.read(value).ok_or_else(|| StatementError::WrongParameter {
                name: name.clone(),
                wanted: declared.parameter_type.as_str(),
            })?;
            Ok((name.clone(), value))
        };
        Ok(Self { rule, set: set.iter().map(read).collect::<Result<_, StatementError>>()? })
    }

    pub(crate) fn get(&self, name: &str) -> Result<&ParameterValue, StatementError> {
        if let Some((_, value)) = self.set.iter().find(|(set, _)| set == name) {
            return Ok(value);
        }
        let declared = self.rule.parameters.iter().find(|parameter| parameter.name.value == name);
        declared.map(|parameter| &parameter.default).ok_or_else(|| StatementError::UnknownParameter(name.to_owned()))
    }
}

/// A value as SQL. A list is written for the right side of IN. An empty list becomes a query without rows, so that `NOT IN` is
/// true for every value.
pub(crate) fn parameter(value: &ParameterValue) -> Sql {
    let list = |items: Vec<Sql>, none: &'static str| {
        if items.is_empty() { Sql::code(none) } else { sql!("({})", Sql::list(items)) }
    };
    match value {
        ParameterValue::Text(text) => Sql::text(text),
        ParameterValue::Integer(number) => Sql::integer(*number),
        ParameterValue::Decimal(number) => Sql::double(*number),
        ParameterValue::Boolean(value) => Sql::boolean(*value),
        ParameterValue::TextList(items) => {
            list(items.iter().map(|text| Sql::text(text)).collect(), "(SELECT CAST(NULL AS varchar) WHERE FALSE)")
        }
        ParameterValue::IntegerList(items) => list(
            items.iter().map(|number| Sql::integer(*number)).collect(),
            "(SELECT CAST(NULL AS bigint) WHERE FALSE)",
        ),
    }
}
