//! Findings on their way back into the lake: each is kept as a file of the source `sluice-findings` before it is published,
//! and comes into the lake as any other file does.

use std::sync::Arc;

use bytes::Bytes;
use query::BoxFuture;
use store::{Condition, Store};

use crate::message::{Message, MessageKind, PublishError, Publisher};

/// Keeps every finding in a store, once, and then publishes it. Alerts are published only.
#[derive(Debug)]
pub struct Archived {
    files: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
}

impl Archived {
    /// A publisher that keeps findings in `files` before `publisher` publishes them.
    pub fn new(files: Arc<dyn Store>, publisher: Arc<dyn Publisher>) -> Self {
        Self { files, publisher }
    }

    async fn keep(&self, finding: &Message) -> Result<(), PublishError> {
        let key = format!("{}.json", finding.id);
        // A file that is there already is that of an earlier try, or is in the lake by now: a second one would be a second
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
