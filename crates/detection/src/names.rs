//! The syntax of names.

/// Whether a text can name a column or a parameter without quotes.
pub(crate) fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a text can name a logical table.
pub(crate) fn is_table(text: &str) -> bool {
    let name = text.strip_prefix("class:").unwrap_or(text);
    name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'/' | b'-'))
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
}
