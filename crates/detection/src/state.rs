//! The state that detections keep between runs: one small object per rule, per running query and per key of findings.
//!
//! All writes are conditional, so that of two concurrent invocations only one can continue from what it read.
//!
//! ```text
//! rules/<rule id>.json               watermark, and the running query
//! queries/<query id>.json            the rules that a query belongs to
//! findings/<rule id>/<key>.json      published findings of a key
//! alerts/<rule id>/<key>.json        published alerts about failures
//! ```

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Condition, ContentTag, Store, StoreError};
use uuid::Uuid;

use crate::shared::Part;
use crate::window::Look;

/// The state of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuleState {
    /// The end of the last window whose findings are published, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// The query for the next window, if one was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Run>,
    /// The number of failed queries in a row.
    #[serde(default)]
    pub failures: u32,
    /// After a failure: the earliest time of the next query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<i64>,
    /// How often windows are halved, because one had too many rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub narrowed: u32,
    /// The time up to which events had settled at the last query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<i64>,
    /// The version of the rule at its last publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_version: Option<String>,
    /// The physical tables that existed when its last query was started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Until then it shares no statement with other rules, since one that it shared failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone_until: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A started query, or one that is about to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The time that it covers.
    #[serde(flatten)]
    pub look: Look,
    /// The number of queries for this watermark that failed before it.
    pub attempt: u32,
    /// Its idempotency token.
    pub token: String,
    /// The version of the rule.
    pub rule_version: String,
    /// When it was started, in milliseconds since 1970.
    pub started: i64,
    /// The engine's id of the query. `None` until the engine has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_id: Option<String>,
    /// The end of the lease on publishing its findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishing_until: Option<i64>,
    /// Where its rows are in the answer of a statement that it shares with other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// The rules that a query belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryOwner {
    /// The rule's id.
    pub rule: String,
    /// The ids of the rules that share its statement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// The token of the run.
    pub token: String,
}

/// A state object with its ETag for a conditional write.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    tag: Option<ContentTag>,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object is not valid JSON of its kind.
    #[error("the state object {key} is invalid; inspect and delete it, and the rule starts again without it")]
    Unreadable {
        /// The object's key.
        key: String,
        /// The JSON error.
        source: serde_json::Error,
    },
}

pub(crate) fn rule_key(rule: Uuid) -> String {
    format!("rules/{rule}.json")
}

pub(crate) fn query_key(query_id: &str) -> String {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !query_id.is_empty() && query_id.len() <= 128 && plain(query_id) {
        return format!("queries/{query_id}.json");
    }
    // Engines other than Athena may have ids with characters that a key cannot contain.
    format!("queries/{}.json", blake3::hash(query_id.as_bytes()).to_hex())
}

pub(crate) fn finding_key(rule: Uuid, key: &str) -> String {
    format!("findings/{rule}/{key}.json")
}

pub(crate) fn alert_key(rule: Uuid, key: &str) -> String {
    format!("alerts/{rule}/{key}.json")
}

/// The object under a key, or the default if there is none.
pub(crate) async fn load<T: DeserializeOwned + Default>(store: &dyn Store, key: &str) -> Result<Kept<T>, StateError> {
    match store.get_tagged(key).await {
        Ok((bytes, tag)) => {
            let value = serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Unreadable { key: key.to_owned(), source })?;
            Ok(Kept { value, tag: Some(tag) })
        }
        Err(error) if error.is_not_found() => Ok(Kept { value: T::default(), tag: None }),
        Err(error) => Err(error.into()),
    }
}

/// The object under a key, if there is one.
pub(crate) async fn find<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<Option<T>, StateError> {
    match store.get(key).await {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StateError::Unreadable { key: key.to_owned(), source }),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The JSON of a state object.
pub(crate) fn bytes_of<T: Serialize>(value: &T) -> Bytes {
    // State objects are plain data: maps with text keys, and numbers.
    serde_json::to_vec(value).unwrap_or_default().into()
}

impl<T: Serialize + Clone> Kept<T> {
    /// Writes `value`, unless another call has written since this object was read.
    pub(crate) async fn replace(&self, store: &dyn Store, key: &str, value: T) -> Result<Kept<T>, StoreError> {
        let condition = self.tag.as_ref().map_or(Condition::Absent, Condition::Unchanged);
        let tag = store.put_if(key, bytes_of(&value), condition).await?;
        Ok(Kept { value, tag: Some(tag) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_ids_become_keys_whatever_they_are() {
        assert_eq!(query_key("0f3c-1"), "queries/0f3c-1.json");
        assert!(query_key("../x").starts_with("queries/") && !query_key("../x").contains(".."));
        assert_ne!(query_key("a/b"), query_key("a/c"));
    }

    #[test]
    fn state_of_an_earlier_version_without_some_keys_is_read() {
        assert_eq!(serde_json::from_str::<RuleState>("{}").unwrap(), RuleState::default());
        let state: RuleState = serde_json::from_str(r#"{"watermark": 5, "failures": 1}"#).unwrap();
        assert_eq!((state.watermark, state.failures), (Some(5), 1));
    }
}
