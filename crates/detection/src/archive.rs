//! Keeps each finding as a file of the source `sluice-findings` before it is published. The transform function then writes it
//! to the lake like any other file.

use std::sync::Arc;

use bytes::Bytes;
use query::BoxFuture;
use store::{Condition, Store};

use crate::message::{Message, MessageKind, PublishError, Publisher};

/// Stores every finding once, then publishes it. Alerts are only published.
#[derive(Debug)]
pub struct Archived {
    files: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
}

impl Archived {
    /// A publisher that stores findings in `files` and then passes them to `publisher`.
    pub fn new(files: Arc<dyn Store>, publisher: Arc<dyn Publisher>) -> Self {
        Self { files, publisher }
    }

    async fn keep(&self, finding: &Message) -> Result<(), PublishError> {
        let key = format!("{}.json", finding.id);
        // An existing file is from an earlier attempt, or its finding is in the lake already. A second file would be a second
        // record.
        match self.files.put_if(&key, Bytes::from(finding.body.clone()), Condition::Absent).await {
            Err(error) if !error.is_conflict() => {
                let message = format!("{} in {}: {error}", key, self.files.describe());
                Err(PublishError { message, transient: error.is_transient() })
            }
            _ => Ok(()),
        }
    }
}

impl Publisher for Archived {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            if message.kind == MessageKind::Finding {
                self.keep(message).await?;
            }
            self.publisher.publish(message).await
        })
    }
}
