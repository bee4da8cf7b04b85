//! Errors: what a statement is refused for, and errors of DataFusion and Arrow in the words of the query interface.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use query::QueryError;

use crate::syntax::ast::At;
use crate::types::Type;

/// The error of the innermost cause, without the layers it came through.
pub(crate) fn of_datafusion(error: DataFusionError) -> QueryError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<QueryError>() {
            Ok(error) => *error,
            Err(other) => QueryError::Failed(other.to_string()),
        },
        DataFusionError::ArrowError(inner, _) => of_arrow(*inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => of_datafusion(*inner),
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => of_datafusion(inner),
            Err(shared) => of_shared(&shared),
        },
        DataFusionError::ResourcesExhausted(text) => {
            QueryError::Failed(format!("there is too little memory for it; allow more (--query-memory): {text}"))
        }
        DataFusionError::NotImplemented(text) => QueryError::Unsupported {
            construct: text,
            remedy: "run the statement on Athena, or write it in another way".to_owned(),
        },
        DataFusionError::Execution(text) => failed(text),
        DataFusionError::ParquetError(error) => QueryError::Failed(error.to_string()),
        DataFusionError::ObjectStore(error) => QueryError::Failed(error.to_string()),
        other => QueryError::Failed(other.strip_backtrace()),
    }
}

/// As [`of_datafusion`], for an error that others hold too.
fn of_shared(error: &DataFusionError) -> QueryError {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<QueryError>() {
            Some(error) => error.clone(),
            None => QueryError::Failed(inner.to_string()),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => of_shared(inner),
        DataFusionError::Shared(inner) => of_shared(inner),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::DivideByZero => division_by_zero(),
            ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
                Some(error) => of_shared(error),
                None => QueryError::Failed(inner.to_string()),
            },
            other => QueryError::Failed(other.to_string()),
        },
        DataFusionError::Execution(text) => failed(text.clone()),
        other => QueryError::Failed(other.strip_backtrace()),
    }
}

fn of_arrow(error: ArrowError) -> QueryError {
    match error {
        ArrowError::DivideByZero => division_by_zero(),
        ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
            Ok(error) => of_datafusion(*error),
            Err(other) => match other.downcast::<QueryError>() {
                Ok(error) => *error,
                Err(other) => QueryError::Failed(other.to_string()),
            },
        },
        other => QueryError::Failed(other.to_string()),
    }
}

fn division_by_zero() -> QueryError {
    failed("division by zero".to_owned())
}

/// What failed, with what to write instead.
fn failed(text: String) -> QueryError {
    QueryError::Failed(match runtime_remedy(&text) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    })
}

/// How a value that makes a statement fail is taken as null.
fn runtime_remedy(text: &str) -> Option<&'static str> {
    // What follows in the text may quote data.
    let begins = |part: &str| text.starts_with(part);
    Some(match () {
        () if begins("Key not present in map") => "element_at(map, key) is NULL for a key that is not there",
        () if begins("Array subscript") => "element_at(array, n) is NULL beyond the end",
        () if text.eq_ignore_ascii_case("division by zero") => "x / nullif(y, 0) is NULL instead",
        () if begins("Cannot cast") => "TRY_CAST(x AS type) is NULL for what is no such value",
        () => return None,
    })
}

/// What to write instead of an operator between these types.
pub(crate) fn operator_remedy(left: &Type, right: &Type) -> Option<&'static str> {
    let either =
        |one: fn(&Type) -> bool, other: fn(&Type) -> bool| one(left) && other(right) || one(right) && other(left);
    let is_text = |ty: &Type| *ty == Type::Varchar;
    let is_time = |ty: &Type| matches!(ty, Type::Date | Type::Timestamp(_) | Type::TimestampTz(..));
    Some(match () {
        () if either(is_text, is_time) => {
            "write TIMESTAMP '2024-05-01 10:00:00', or from_iso8601_timestamp(x) of a text"
        }
        () if either(is_time, Type::is_number) => {
            "`time` is in milliseconds since 1970: its timestamp is from_unixtime(time / 1000.0)"
        }
        () if either(is_text, Type::is_number) => {
            "write a text in single quotes and a number without, or convert by CAST(x AS bigint) or CAST(x AS varchar)"
        }
        () if either(is_text, |ty| *ty == Type::Boolean) => "a boolean is compared with TRUE or FALSE, or stands alone",
        () if either(is_text, |ty| matches!(ty, Type::Array(_))) => "write contains(array, 'text')",
        () if either(is_text, |ty| matches!(ty, Type::Map(..))) => "write element_at(map, 'key') = 'text'",
        () if either(is_text, |ty| matches!(ty, Type::Row(_))) => "name a field of the row, as column.field",
        () => return None,
    })
}

/// A fault of this engine, which no statement is to blame for: what the analysis promised is not what is there.
pub(crate) fn internal(expected: impl std::fmt::Display, found: impl std::fmt::Display) -> QueryError {
    QueryError::Failed(format!("internal error: {expected} was expected, found {found}"))
}

pub(crate) fn invalid<T>(at: At, text: impl std::fmt::Display) -> Result<T, QueryError> {
    Err(QueryError::Invalid(format!("{at}: {text}")))
}

pub(crate) fn unsupported<T>(construct: impl Into<String>, remedy: impl Into<String>) -> Result<T, QueryError> {
    Err(QueryError::Unsupported { construct: construct.into(), remedy: remedy.into() })
}

/// An error of DataFusion while a plan is made.
pub(crate) fn planning(error: datafusion::error::DataFusionError) -> QueryError {
    match of_datafusion(error) {
        QueryError::Failed(text) => QueryError::Failed(format!("the plan of the query could not be made: {text}")),
        other => other,
    }
}

/// The known name that is nearest to `name`, as a question.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= known.len().max(name.len()) / 3)
        .min();
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean '{known}'?"))
}

/// An error with the place where it arose.
pub(crate) fn placed(at: At, error: QueryError) -> QueryError {
    match error {
        QueryError::Invalid(text) if !text.starts_with("line ") => QueryError::Invalid(format!("{at}: {text}")),
        other => other,
    }
}
