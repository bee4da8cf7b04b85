//! Errors as text for logs and answers, without a word of what a record holds.

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;

/// What is wrong with JSON that serde could not read, and where. Its own message would quote the content.
pub fn json_fault(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or of another type",
        serde_json::error::Category::Eof => "it ends early",
        _ => "it is not JSON",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// An error and its causes in one line, fit for a log: of an error that may quote what a record holds, only the kind is
/// said.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let quoting = without_content(error);
        // What caused an error that may quote values may quote them too.
        next = if quoting.is_some() { None } else { error.source() };
        text.push_str(&quoting.unwrap_or_else(|| error.to_string()));
        if next.is_some() {
            text.push_str(": ");
        }
    }
    text
}

/// The kind of an error whose words come from a library that quotes values.
fn without_content(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    /// `CastError` of `CastError("…")`.
    fn kind(debug: &str) -> &str {
        debug.split(['(', ' ', '{']).next().unwrap_or_default()
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        Some(format!("Arrow's {}", kind(&format!("{error:?}"))))
    } else if let Some(error) = error.downcast_ref::<ParquetError>() {
        Some(format!("Parquet's {}", kind(&format!("{error:?}"))))
    } else {
        error.downcast_ref().map(json_fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchError;

    #[test]
    fn what_is_logged_of_an_error_holds_nothing_of_a_record() {
        let arrow = |error| BatchError::Columns { class: "dns_activity".to_owned(), source: error };
        assert_eq!(
            error_chain(&arrow(ArrowError::CastError("cannot cast 'secret' to Int64".to_owned()))),
            "cannot build the columns of dns_activity: Arrow's CastError"
        );
        assert_eq!(
            error_chain(&arrow(ArrowError::ExternalError("secret".into()))),
            "cannot build the columns of dns_activity: Arrow's ExternalError"
        );
        let parquet = lake::parquet_object::SealError::Parquet(ParquetError::General("'secret'".to_owned()));
        let sealing = BatchError::Seal { class: "dns_activity".to_owned(), source: parquet };
        assert_eq!(
            error_chain(&sealing),
            "cannot seal an object of dns_activity: cannot write Parquet: Parquet's General"
        );
        let json = serde_json::from_str::<u8>("\"secret\"").unwrap_err();
        assert_eq!(error_chain(&json), "a member is missing or of another type at line 1 column 8");
    }
}
