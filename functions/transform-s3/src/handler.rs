//! A batch of messages in, the ones to deliver again out.

use std::collections::BTreeMap;
use std::sync::Arc;

use function::{Handler, HandlerError, Invocation, Metrics, Transformer, Unit};
use lake::quarantine::{Origin, Reason};
use pipeline::{
    Naming, ObjectError, ObjectOutcome, ObjectRoute, Settings, error_chain, refuse_object, transform_object,
};
use serde_json::{Value, json};
use sources::Position;
use store::{S3Buckets, StoreError};
use tokio::runtime::Handle;

use crate::event::SqsEvent;
use crate::notification::{Created, Ignored, Notification, NotificationError};

/// Brings objects of buckets into the lake.
#[derive(Debug)]
pub(crate) struct TransformS3 {
    transformer: Arc<Transformer>,
    buckets: S3Buckets,
}

/// What was done for a message, and why it is not enough.
#[derive(Debug, Default)]
struct Done {
    objects_read: u64,
    outcome: ObjectOutcome,
    /// What messages told of that is no new object, and how often.
    ignored: BTreeMap<Ignored, u64>,
    /// Objects that a source's rule excludes, by source.
    excluded: BTreeMap<String, u64>,
    errors: Vec<String>,
    /// It is no notification.
    is_rejected: bool,
}

/// What became of an object that is safe.
#[derive(Debug)]
enum Settled {
    Read(ObjectOutcome),
    /// The source of this name does not want it, and no other does.
    Excluded(String),
}

/// Why an object is not safe.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Message(#[from] NotificationError),
    #[error("the object cannot be read")]
    Read(#[source] StoreError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("internal error on this object; the log has its place")]
    Panicked,
    #[error("no time is left to begin with it")]
    NoTime,
}

impl TransformS3 {
    pub(crate) async fn new(transformer: Transformer) -> Self {
        Self { transformer: Arc::new(transformer), buckets: S3Buckets::from_environment().await }
    }
}

impl Handler for TransformS3 {
    async fn handle(&self, event: &str, invocation: &Invocation, metrics: &mut Metrics) -> Result<Value, HandlerError> {
        let event = SqsEvent::parse(event)?;
        let mut failures = Vec::new();
        let mut all = Done::default();
        for message in &event.messages {
            let done = self.message(&message.id, &message.body, invocation).await;
            for error in &done.errors {
                tracing::warn!(message_id = &*message.id, error, "message retried");
            }
            if !done.errors.is_empty() || done.is_rejected {
                failures.push(json!({"itemIdentifier": message.id}));
            }
            all.add(done);
        }
        report(&all, event.messages.len(), failures.len(), metrics);
        Ok(json!({ "batchItemFailures": failures }))
    }
}

impl TransformS3 {
    /// Does all that a message asks for. An object that fails does not keep the others of its message back.
    async fn message(&self, id: &str, body: &str, invocation: &Invocation) -> Done {
        let mut done = Done::default();
        let notification = match Notification::parse(body) {
            Ok(notification) => notification,
            Err(error) => {
                // Another delivery of it will fare no better.
                tracing::error!(message_id = id, %error, "message rejected");
                done.is_rejected = true;
                return done;
            }
        };
        for ignored in notification.ignored {
            tracing::info!(message_id = id, notification_type = ignored.name(), "notification ignored");
            *done.ignored.entry(ignored).or_default() += 1;
        }
        for object in notification.created {
            let place = format!("s3://{}/{}", object.bucket, object.key);
            match self.object(object, invocation).await {
                Ok(Settled::Read(outcome)) => {
                    done.objects_read += 1;
                    done.outcome.add(&outcome);
                }
                Ok(Settled::Excluded(source)) => *done.excluded.entry(source).or_default() += 1,
                Err(error) => done.errors.push(format!("{place}: {}", error_chain(&error))),
            }
        }
        done
    }

    async fn object(&self, object: Created, invocation: &Invocation) -> Result<Settled, Failure> {
        // The mark that S3's console leaves for an empty folder.
        if object.key.ends_with('/') && object.size == Some(0) {
            return Ok(Settled::Read(ObjectOutcome::default()));
        }
        let route = self.transformer.sources.of_object(&object.bucket, &object.key);
        if let ObjectRoute::Excluded(source) = &route {
            let source = source.name();
            tracing::debug!(bucket = object.bucket, key = object.key, source, "object excluded");
            return Ok(Settled::Excluded(source.to_owned()));
        }
        if !invocation.deadline.has_time() {
            return Err(Failure::NoTime);
        }
        let settings = self.transformer.settings(invocation);
        if route.taken().is_none() {
            let message = "no source of the configuration claims the object; it was not read";
            return self.refuse(&object, &settings, Reason::NoSource, message).await;
        }
        let read = self.buckets.bucket(&object.bucket).read_version(&object.key, object.version.as_deref()).await;
        let chunks = match read {
            Ok(chunks) => chunks,
            Err(error) if error.is_not_found() => {
                return self
                    .refuse(&object, &settings, Reason::Gone, "the object was deleted before it was read")
                    .await;
            }
            Err(error) => return Err(Failure::Read(error)),
        };
        let runtime = Handle::current();
        let transformer = Arc::clone(&self.transformer);
        let deadline = invocation.deadline;
        let work = move || {
            let naming = ObjectNaming::new(&object, chunks.tag());
            let origin = |position| origin(&object, position);
            let Some(routed) = transformer.sources.of_object(&object.bucket, &object.key).taken() else {
                return Err(Failure::Panicked);
            };
            let input = chunks.into_read(runtime.clone());
            let stores = &transformer.stores;
            Ok(transform_object(routed, &settings, stores, &runtime, input, &naming, origin, || deadline.has_time())?)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Failure::Panicked)).map(Settled::Read)
    }

    /// Keeps the fact that there was an object in quarantine, where its content cannot be had or made sense of.
    async fn refuse(
        &self,
        object: &Created,
        settings: &Settings,
        reason: Reason,
        message: &str,
    ) -> Result<Settled, Failure> {
        let Created { bucket, key, version, .. } = object;
        match reason {
            Reason::Gone => tracing::error!(bucket, key, version, reason = reason.as_str(), "object gone"),
            _ => tracing::warn!(bucket, key, version, reason = reason.as_str(), "object not claimed"),
        }
        let naming = ObjectNaming::new(object, object.version.as_deref());
        let origin = origin(object, Position::default());
        let refused = refuse_object(settings, &self.transformer.stores, reason, message, &naming, origin).await?;
        Ok(Settled::Read(refused))
    }
}

/// With the version that was announced, so that quarantine says exactly what was asked for.
fn origin(object: &Created, position: Position) -> Origin {
    Origin::S3 {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version: object.version.clone(),
        offset: position.offset,
        index: position.index,
    }
}

/// Names what comes of an object after the bucket, the key, and what the key held when it was read.
struct ObjectNaming<'a> {
    object: &'a Created,
    identity: Vec<String>,
}

impl<'a> ObjectNaming<'a> {
    fn new(object: &'a Created, tag: Option<&str>) -> Self {
        let identity = [&object.bucket, &object.key].into_iter().map(String::as_str).chain(tag);
        Self { identity: identity.map(str::to_owned).collect(), object }
    }
}

impl Naming for ObjectNaming<'_> {
    fn label(&self) -> &str {
        self.object.key.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default()
    }

    fn identity(&self) -> Vec<String> {
        self.identity.clone()
    }
}

impl Done {
    fn add(&mut self, other: Done) {
        self.objects_read += other.objects_read;
        self.outcome.add(&other.outcome);
        add(&mut self.ignored, other.ignored);
        add(&mut self.excluded, other.excluded);
        self.errors.extend(other.errors);
    }
}

/// Adds counts.
fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    for (key, count) in others {
        *counts.entry(key).or_default() += count;
    }
}

fn report(done: &Done, messages: usize, failed: usize, metrics: &mut Metrics) {
    let ObjectOutcome { counts, objects, bytes, .. } = &done.outcome;
    metrics.add_counts(counts, *objects, *bytes);
    metrics.add("ObjectsRead", Unit::Count, done.objects_read);
    metrics.add("MessagesRetried", Unit::Count, failed as u64);
    for (ignored, count) in &done.ignored {
        metrics.add_by(&[("type", ignored.name())], "NotificationsIgnored", Unit::Count, *count);
    }
    for (source, count) in &done.excluded {
        metrics.add_by(&[("source", source)], "ObjectsExcluded", Unit::Count, *count);
    }
    tracing::info!(
        messages,
        messages_retried = failed,
        objects_read = done.objects_read,
        objects_excluded = done.excluded.values().sum::<u64>(),
        notifications_ignored = done.ignored.values().sum::<u64>(),
        events = counts.records_in,
        written = counts.total_written(),
        quarantined = counts.total_quarantined(),
        problems = counts.problems,
        repeated_fields = counts.repeated_fields,
        objects,
        bytes,
        "batch done"
    );
}
