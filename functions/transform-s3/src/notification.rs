//! The new objects that a message announces.
//!
//! S3 notifies in three ways: directly, through an SNS topic (which wraps the text), and through EventBridge (which has
//! another form and does not encode keys). CloudTrail notifies a topic of its log files in a fourth form. A notification of
//! anything else is [`Ignored`], by its name.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a message tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Objects that were made.
    pub(crate) created: Vec<Created>,
    /// What asks for nothing, each time it is told.
    pub(crate) ignored: Vec<Ignored>,
}

/// An object that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) bucket: String,
    /// As the bucket has it.
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    /// In bytes, where the notification says.
    pub(crate) size: Option<u64>,
}

/// What a message tells that is no new object: the name of a known kind, and `other` for all that are not known. A message
/// may say anything, and its words do not belong in a log or among the names of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ignored(&'static str);

impl Ignored {
    /// The message that CloudTrail sends when it is given a topic.
    const CLOUDTRAIL_VALIDATION: Ignored = Ignored("CloudTrail validation message");

    /// The detail-types that S3 sends to EventBridge.
    const DETAIL_TYPES: [&str; 10] = [
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
        "Object ACL Updated",
        "Object Tags Added",
        "Object Tags Deleted",
        "Async Copy Completion",
    ];

    /// The events of S3's own notifications. Those of one family are told apart by what follows the colon.
    const EVENT_NAMES: [&str; 20] = [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:Post",
        "ObjectRestore:Completed",
        "ObjectRestore:Delete",
        "ReducedRedundancyLostObject",
        "Replication:OperationFailedReplication",
        "Replication:OperationMissedThreshold",
        "Replication:OperationReplicatedAfterThreshold",
        "Replication:OperationNotTracked",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "LifecycleTransition",
        "IntelligentTiering",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectAcl:Put",
        "ObjectAnnotation:Put",
        "ObjectAnnotation:Delete",
        "TestEvent",
    ];

    fn of(name: &str, known: &[&'static str]) -> Self {
        Ignored(known.iter().find(|known| **known == name).copied().unwrap_or("other"))
    }

    /// The kind's name, as S3 writes it.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

/// A message that is no notification of S3. Its text may be anything, so it is not quoted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotificationError {
    #[error("the message is not JSON")]
    NotJson,
    #[error("the message is neither a notification of S3 or CloudTrail nor one that came through SNS or EventBridge")]
    Unknown,
    #[error("the message is an EventBridge event of another service than S3")]
    OtherService,
    #[error("the queue's subscription to an SNS topic is not confirmed; open the message's SubscribeURL")]
    Unconfirmed,
    #[error("the notification has a record that names no object")]
    Incomplete,
    #[error("the key of an object is not UTF-8")]
    Key,
    #[error("the notification is wrapped too often")]
    Nested,
}

/// All that one of the forms may have.
#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<Record<'a>>>,
    #[serde(rename = "Event")]
    event: Option<Cow<'a, str>>,
    #[serde(rename = "Type")]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "Message")]
    message: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    #[serde(rename = "detail-type")]
    detail_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(rename = "s3Bucket")]
    bucket: Option<String>,
    #[serde(rename = "s3ObjectKey")]
    keys: Option<Keys>,
}

#[derive(Debug, Deserialize)]
struct Record<'a> {
    #[serde(rename = "eventName")]
    event_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    s3: Option<&'a RawValue>,
}

/// CloudTrail names several objects at once, AWS Config one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Place {
    bucket: Option<Bucket>,
    object: Option<Object>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "versionId", alias = "version-id")]
    version: Option<String>,
    size: Option<u64>,
}

impl Created {
    /// The object that a record or an event describes; `key` decodes its key.
    fn of(place: &RawValue, key: impl FnOnce(String) -> Option<String>) -> Result<Self, NotificationError> {
        let place: Place = serde_json::from_str(place.get()).map_err(|_| NotificationError::Unknown)?;
        let (Some(bucket), Some(object)) = (place.bucket, place.object) else {
            return Err(NotificationError::Incomplete);
        };
        Ok(Self {
            bucket: bucket.name,
            key: key(object.key).ok_or(NotificationError::Key)?,
            version: object.version.filter(|version| !version.is_empty()),
            size: object.size,
        })
    }
}

/// How often a notification may be wrapped: a topic may feed a topic.
const MAX_WRAPPERS: u32 = 3;

impl Notification {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// [`NotificationError`]; nothing of the message has been taken then.
    pub(crate) fn parse(body: &str) -> Result<Self, NotificationError> {
        Self::unwrap(body, MAX_WRAPPERS)
    }

    fn unwrap(text: &str, wrappers: u32) -> Result<Self, NotificationError> {
        // CloudTrail's own words, and not JSON.
        if text.trim() == "CloudTrail validation message." {
            return Ok(Self::ignored(Ignored::CLOUDTRAIL_VALIDATION));
        }
        let body: Body<'_> = serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => NotificationError::Unknown,
            false => NotificationError::NotJson,
        })?;
        match body {
            Body { records: Some(records), .. } => Self::of_records(&records),
            Body { detail_type: Some(kind), detail: Some(detail), source, .. } => match &*kind {
                "Object Created" => Ok(Self { created: vec![Created::of(detail, Some)?], ..Self::default() }),
                _ if source.is_some_and(|source| source != "aws.s3") => Err(NotificationError::OtherService),
                kind => Ok(Self::ignored(Ignored::of(kind, &Ignored::DETAIL_TYPES))),
            },
            Body { event: Some(event), .. } if event == "s3:TestEvent" => Ok(Self::default()),
            Body { bucket: Some(bucket), keys: Some(keys), .. } => Ok(Self::of_keys(&bucket, keys)),
            Body { kind: Some(kind), .. } if kind == "SubscriptionConfirmation" => Err(NotificationError::Unconfirmed),
            Body { message: Some(message), .. } => match wrappers.checked_sub(1) {
                Some(wrappers) => Self::unwrap(&message, wrappers),
                None => Err(NotificationError::Nested),
            },
            _ => Err(NotificationError::Unknown),
        }
    }

    fn ignored(kind: Ignored) -> Self {
        Self { ignored: vec![kind], ..Self::default() }
    }

    /// A record that does not say what happened counts as a new object: a look costs less than a loss.
    fn of_records(records: &[Record<'_>]) -> Result<Self, NotificationError> {
        let mut notification = Self::default();
        for record in records {
            let name = record.event_name.as_deref().map(|name| name.strip_prefix("s3:").unwrap_or(name));
            match name {
                Some(name) if !name.starts_with("ObjectCreated") => {
                    notification.ignored.push(Ignored::of(name, &Ignored::EVENT_NAMES));
                }
                _ => {
                    let place = record.s3.ok_or(NotificationError::Incomplete)?;
                    notification.created.push(Created::of(place, decoded)?);
                }
            }
        }
        Ok(notification)
    }

    /// The objects that CloudTrail or AWS Config names. Both write keys as the bucket has them.
    fn of_keys(bucket: &str, keys: Keys) -> Self {
        let keys = match keys {
            Keys::One(key) => vec![key],
            Keys::Several(keys) => keys,
        };
        let created = keys.into_iter().map(|key| Created { bucket: bucket.to_owned(), key, version: None, size: None });
        Self { created: created.collect(), ..Self::default() }
    }
}

/// A key as the bucket has it. S3 encodes keys in its own notifications like a web form: `+` for a space, `%XX` for bytes.
fn decoded(key: String) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = behind;
                hex_value(*high) << 4 | hex_value(*low)
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn created(bucket: &str, key: &str, version: Option<&str>) -> Created {
        Created { bucket: bucket.to_owned(), key: key.to_owned(), version: version.map(str::to_owned), size: Some(7) }
    }

    fn record(event_name: &str, key: &str) -> Value {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event_name,
            "s3": {"bucket": {"name": "logs", "arn": "arn:aws:s3:::logs"}, "object": {"key": key, "size": 7, "eTag": "x"}},
        })
    }

    fn through_sns(message: &str) -> Value {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": message, "SignatureVersion": "1"})
    }

    fn read(body: &Value) -> Result<Vec<Created>, NotificationError> {
        let notification = Notification::parse(&body.to_string())?;
        assert_eq!(notification.ignored, []);
        Ok(notification.created)
    }

    /// The names of what a message tells and nothing is done for.
    fn ignored(body: &Value) -> Vec<&'static str> {
        let notification = Notification::parse(&body.to_string()).unwrap();
        assert_eq!(notification.created, []);
        notification.ignored.into_iter().map(Ignored::name).collect()
    }

    #[test]
    fn a_notification_of_s3_may_tell_of_many_objects() {
        let mut versioned = record("ObjectCreated:CompleteMultipartUpload", "b");
        versioned["s3"]["object"]["versionId"] = json!("v1");
        let body =
            json!({"Records": [record("ObjectCreated:Put", "a"), versioned, record("s3:ObjectCreated:Copy", "c")]});
        let expected = [created("logs", "a", None), created("logs", "b", Some("v1")), created("logs", "c", None)];
        assert_eq!(read(&body).unwrap(), expected);
    }

    #[test]
    fn a_key_is_taken_as_the_bucket_has_it() {
        for (encoded, key) in [
            ("a+b/c%2Bd%25e.gz", "a b/c+d%e.gz"),
            ("%C3%A9%E2%82%AC", "é€"),
            ("plain/2025-03-03", "plain/2025-03-03"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%2f%2F", "//"),
            ("", ""),
        ] {
            let body = json!({"Records": [record("ObjectCreated:Put", encoded)]});
            assert_eq!(read(&body).unwrap(), [created("logs", key, None)], "{encoded}");
        }
        let body = json!({"Records": [record("ObjectCreated:Put", "%FF")]});
        assert_eq!(read(&body), Err(NotificationError::Key));
    }

    #[test]
    fn a_notification_may_come_through_topics() {
        let inner = json!({"Records": [record("ObjectCreated:Put", "a+b")]}).to_string();
        let once = through_sns(&inner);
        let twice = through_sns(&once.to_string());
        for body in [&once, &twice] {
            assert_eq!(read(body).unwrap(), [created("logs", "a b", None)]);
        }
        let mut deep = twice;
        for _ in 0..3 {
            deep = json!({"Message": deep.to_string()});
        }
        assert_eq!(read(&deep), Err(NotificationError::Nested));
    }

    fn event(kind: &str) -> Value {
        json!({
            "version": "0", "source": "aws.s3", "detail-type": kind, "resources": ["arn:aws:s3:::logs"],
            "detail": {"version": "0", "bucket": {"name": "logs"}, "reason": "PutObject",
                       "object": {"key": "a+b%20c", "size": 7, "etag": "x", "version-id": "v1", "sequencer": "1"}},
        })
    }

    #[test]
    fn eventbridge_does_not_encode_keys() {
        let made = event("Object Created");
        assert_eq!(read(&made).unwrap(), [created("logs", "a+b%20c", Some("v1"))]);
        assert_eq!(read(&through_sns(&made.to_string())).unwrap().len(), 1);
    }

    /// The form is that of the CloudTrail user guide; CloudTrail does not encode keys.
    #[test]
    fn cloudtrail_names_several_objects_at_once_and_does_not_encode_keys() {
        let keys = ["AWSLogs/111122223333/CloudTrail/eu-west-1/a.json.gz", "team a+b/é%20/AWSLogs/x.json.gz"];
        let body = json!({"s3Bucket": "trail", "s3ObjectKey": keys});
        let expected = keys.map(|key| Created { size: None, ..created("trail", key, None) });
        assert_eq!(read(&body).unwrap(), expected);
        assert_eq!(read(&through_sns(&body.to_string())).unwrap(), expected);
        let config = json!({"s3Bucket": "trail", "s3ObjectKey": keys[1], "messageType": "ConfigurationHistoryDeliveryCompleted"});
        assert_eq!(read(&config).unwrap(), expected[1..]);
        assert_eq!(read(&json!({"s3Bucket": "trail", "s3ObjectKey": []})).unwrap(), []);
    }

    #[test]
    fn the_message_by_which_cloudtrail_tries_its_topic_is_named() {
        let text = "CloudTrail validation message.";
        let raw = Notification::parse(text).unwrap();
        assert_eq!(raw.ignored, [Ignored::CLOUDTRAIL_VALIDATION]);
        assert_eq!(ignored(&through_sns(text)), ["CloudTrail validation message"]);
    }

    #[test]
    fn what_tells_of_no_new_object_is_named() {
        for kind in ["Object Deleted", "Object Restore Completed", "Object Tags Added"] {
            assert_eq!(ignored(&event(kind)), [kind]);
        }
        assert_eq!(ignored(&event("a secret")), ["other"]);
        let body = json!({"Records": [
            record("ObjectRemoved:Delete", "a"), record("s3:ObjectTagging:Put", "a"), record("ObjectRestore:Completed", "a"),
            {"eventName": "a secret", "s3": 1},
        ]});
        let names = ["ObjectRemoved:Delete", "ObjectTagging:Put", "ObjectRestore:Completed", "other"];
        assert_eq!(ignored(&body), names);
        let both = json!({"Records": [record("ObjectRemoved:Delete", "a"), record("ObjectCreated:Put", "b")]});
        let both = Notification::parse(&both.to_string()).unwrap();
        assert_eq!((both.created.len(), both.ignored.len()), (1, 1));
    }

    #[test]
    fn s3s_test_of_the_queue_and_an_empty_list_ask_for_nothing() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs", "HostId": "x"});
        for body in [test, json!({"Records": []})] {
            assert_eq!(read(&body).unwrap(), []);
        }
    }

    #[test]
    fn any_other_message_is_refused() {
        let nameless = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "logs"}}}]});
        let mut finding = event("GuardDuty Finding");
        finding["source"] = json!("aws.guardduty");
        let confirmation =
            json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen …", "SubscribeURL": "x"});
        for (body, error) in [
            ("hello", NotificationError::NotJson),
            ("", NotificationError::NotJson),
            ("CloudTrail", NotificationError::NotJson),
            ("[]", NotificationError::Unknown),
            ("{}", NotificationError::Unknown),
            ("null", NotificationError::Unknown),
            (r#"{"Records":"secret"}"#, NotificationError::Unknown),
            (r#"{"Records":[{"s3":"secret"}]}"#, NotificationError::Unknown),
            (r#"{"Event":"s3:Other"}"#, NotificationError::Unknown),
            (r#"{"Message":"hello"}"#, NotificationError::NotJson),
            (r#"{"s3Bucket":"trail"}"#, NotificationError::Unknown),
            (r#"{"s3Bucket":"trail","s3ObjectKey":[1]}"#, NotificationError::Unknown),
            (r#"{"Records":[{"dynamodb":{}}]}"#, NotificationError::Incomplete),
            (&nameless.to_string(), NotificationError::Incomplete),
            (&finding.to_string(), NotificationError::OtherService),
            (&confirmation.to_string(), NotificationError::Unconfirmed),
        ] {
            assert_eq!(Notification::parse(body), Err(error), "{body}");
        }
    }
}
