//! Errors of DataFusion and Arrow in the words of the query interface.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use query::QueryError;

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
            QueryError::Failed(format!("there is too little memory for it: {text}"))
        }
        DataFusionError::NotImplemented(text) => QueryError::Unsupported {
            construct: text,
            remedy: "run the statement on Athena, or write it in another way".to_owned(),
        },
        DataFusionError::Execution(text) => QueryError::Failed(text),
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
        DataFusionError::Execution(text) => QueryError::Failed(text.clone()),
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
    QueryError::Failed("division by zero".to_owned())
}
