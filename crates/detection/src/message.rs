//! What is published: a finding, or an alert about a rule that could not be run.
//!
//! A message has the form of an SNS notification: a body of at most 256 KiB and attributes that subscriptions filter by.

use std::collections::BTreeMap;
use std::fmt;

use query::BoxFuture;

/// The most that an SNS message with its attributes may have, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// The same for every repetition: the deduplication id of a FIFO topic.
    pub id: String,
    /// The message group of a FIFO topic: the rule's id.
    pub group: String,
    /// A line for mail: ASCII, less than 100 characters.
    pub subject: String,
    /// JSON: a Detection Finding of OCSF.
    pub body: String,
    /// What subscriptions can filter by. All are texts: a list is written as JSON (`String.Array`).
    pub attributes: BTreeMap<&'static str, Attribute>,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// Something was found.
    Finding,
    /// A rule could not be run, or not as it should.
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
    /// SNS's name of its type.
    pub fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Texts(_) => "String.Array",
        }
    }

    /// Its value as SNS takes it.
    pub fn value(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Texts(texts) => serde_json::Value::from(texts.clone()).to_string(),
        }
    }
}

/// Where messages go.
pub trait Publisher: fmt::Debug + Send + Sync {
    /// Publishes a message; it is delivered or will be when this returns `Ok`.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// A message that was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot publish: {message}")]
pub struct PublishError {
    /// What the service says.
    pub message: String,
    /// Whether another try may help.
    pub transient: bool,
}
