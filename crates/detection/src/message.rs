//! Messages: a finding, or an alert about a rule that could not run.
//!
//! A message has the form of an SNS notification: a body, and attributes for filter policies, together at most 256 KiB.

use std::collections::BTreeMap;
use std::fmt;

use query::BoxFuture;

/// The size limit of an SNS message with its attributes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// A finding or an alert.
    pub kind: MessageKind,
    /// The deduplication id of a FIFO topic: the same for every repetition.
    pub id: String,
    /// The message group of a FIFO topic: the rule's id.
    pub group: String,
    /// The subject of an email: ASCII, fewer than 100 characters.
    pub subject: String,
    /// JSON: an OCSF Detection Finding.
    pub body: String,
    /// Attributes for filter policies.
    pub attributes: BTreeMap<&'static str, Attribute>,
}

/// Kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A rule found something.
    Finding,
    /// A rule failed, or is over a limit.
    Alert,
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `String`
    Text(String),
    /// `String.Array`
    Texts(Vec<String>),
}

impl Attribute {
    /// SNS's name of the type.
    pub fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Texts(_) => "String.Array",
        }
    }

    /// The value as SNS takes it: a list is JSON.
    pub fn value(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Texts(texts) => serde_json::Value::from(texts.clone()).to_string(),
        }
    }
}

/// A destination of messages.
pub trait Publisher: fmt::Debug + Send + Sync {
    /// Publishes a message. `Ok` means that the service has accepted it.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot publish: {message}")]
pub struct PublishError {
    /// The service's message.
    pub message: String,
    /// Whether a retry may help.
    pub transient: bool,
}
