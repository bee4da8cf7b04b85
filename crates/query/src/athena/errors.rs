//! Maps Athena's errors to [`QueryError`].

use diagnostics::causes::innermost;
use std::error::Error;

use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_athena::types::QueryExecutionStatus;

use crate::QueryError;

/// The error of a failed request.
pub(super) fn of_request<E, R>(operation: &str, error: &SdkError<E, R>) -> QueryError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let Some(code) = error.code() else {
        return QueryError::Unavailable(format!("{operation}: {error}: {}", innermost(error)));
    };
    let message = error.message().unwrap_or("Athena gave no reason");
    match code {
        // Athena's message is enough, such as "WorkGroup detections is not found".
        "InvalidRequestException" | "ValidationException" | "ResourceNotFoundException" | "MetadataException" => {
            QueryError::Invalid(message.to_owned())
        }
        _ => QueryError::Unavailable(format!("{operation}: {code}: {message}")),
    }
}

/// The error of a response without a required member.
pub(super) fn incomplete(operation: &str, what: &str) -> QueryError {
    QueryError::Unavailable(format!("{operation}: the answer has no {what}"))
}

/// The error of a failed query.
pub(super) fn of_failed(status: Option<&QueryExecutionStatus>, scanned: u64) -> QueryError {
    let reason = reason(status);
    if is_over_budget(&reason) {
        return QueryError::OverBudget { scanned, limit: 0 };
    }
    if is_of_the_statement(&reason) {
        return QueryError::Invalid(reason);
    }
    match status.and_then(|status| status.athena_error()) {
        Some(error) if error.retryable() => QueryError::Unavailable(reason),
        _ => QueryError::Failed(reason),
    }
}

/// The error of a cancelled query: a person cancelled it, or it exceeded the scan limit of its workgroup.
pub(super) fn of_cancelled(status: Option<&QueryExecutionStatus>, scanned: u64) -> QueryError {
    match reason(status) {
        reason if is_over_budget(&reason) => QueryError::OverBudget { scanned, limit: 0 },
        reason => QueryError::Cancelled(reason),
    }
}

fn reason(status: Option<&QueryExecutionStatus>) -> String {
    let of_error = || status?.athena_error()?.error_message();
    let reason = status.and_then(|status| status.state_change_reason()).or_else(of_error);
    reason.unwrap_or("Athena gave no reason").to_owned()
}

fn is_over_budget(reason: &str) -> bool {
    reason.contains("Bytes scanned limit was exceeded")
}

/// Whether the statement's text caused the failure, and not the run. Trino's reason starts with the name of the error, and the
/// place if it has one: `COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved`.
fn is_of_the_statement(reason: &str) -> bool {
    const ERRORS: [&str; 14] = [
        "AMBIGUOUS_NAME",
        "CATALOG_NOT_FOUND",
        "COLUMN_NOT_FOUND",
        "COLUMN_TYPE_UNKNOWN",
        "EXPRESSION_NOT_AGGREGATE",
        "EXPRESSION_NOT_SCALAR",
        "FUNCTION_NOT_FOUND",
        "INVALID_COLUMN_REFERENCE",
        "MISSING_COLUMN_NAME",
        "NOT_SUPPORTED",
        "SCHEMA_NOT_FOUND",
        "SYNTAX_ERROR",
        "TABLE_NOT_FOUND",
        "TYPE_MISMATCH",
    ];
    let named = reason.split_once(':').is_some_and(|(name, _)| ERRORS.contains(&name));
    named || ["line ", "Queries of this type are not supported"].iter().any(|start| reason.starts_with(start))
}

#[cfg(test)]
mod tests {
    use aws_sdk_athena::types::AthenaError;

    use super::*;

    fn failed(reason: &str, retryable: bool) -> QueryError {
        let error =
            AthenaError::builder().error_category(2).retryable(retryable).error_message("from the error").build();
        let status = QueryExecutionStatus::builder().state_change_reason(reason).athena_error(error).build();
        of_failed(Some(&status), 7)
    }

    #[test]
    fn a_fault_of_the_statement_is_told_from_one_of_its_run() {
        for reason in [
            "SYNTAX_ERROR: line 1:8: mismatched input 'SELEKT'",
            "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved or requester is not authorized",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.lake.nowhere' does not exist",
            "TYPE_MISMATCH: line 1:27: Cannot apply operator: varchar = integer",
            "line 1:1: mismatched input 'SELEKT'",
            "Queries of this type are not supported",
        ] {
            assert_eq!(failed(reason, false), QueryError::Invalid(reason.to_owned()));
        }
        for reason in ["DIVISION_BY_ZERO: Division by zero", "HIVE_BAD_DATA: Malformed Parquet file", "GENERIC: line 1"]
        {
            assert_eq!(failed(reason, false), QueryError::Failed(reason.to_owned()));
        }
    }

    #[test]
    fn what_athena_calls_worth_another_try_is_unavailable() {
        let reason = "GENERIC_INTERNAL_ERROR: please try again";
        assert_eq!(failed(reason, true), QueryError::Unavailable(reason.to_owned()));
    }

    #[test]
    fn a_workgroups_limit_is_over_budget_whichever_state_it_ends_in() {
        let reason = "Query cancelled! : Bytes scanned limit was exceeded";
        assert_eq!(failed(reason, false), QueryError::OverBudget { scanned: 7, limit: 0 });
        let status = QueryExecutionStatus::builder().state_change_reason(reason).build();
        assert_eq!(of_cancelled(Some(&status), 7), QueryError::OverBudget { scanned: 7, limit: 0 });
        let status = QueryExecutionStatus::builder().state_change_reason("Query cancelled by user").build();
        assert_eq!(of_cancelled(Some(&status), 7), QueryError::Cancelled("Query cancelled by user".to_owned()));
        assert_eq!(of_cancelled(None, 7), QueryError::Cancelled("Athena gave no reason".to_owned()));
    }
}
