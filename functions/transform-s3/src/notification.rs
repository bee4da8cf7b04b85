//! What a message says: which objects have been made.
//!
//! S3 tells of objects in three ways, and each is read for what it has in common with the others: directly, through an
//! SNS topic (which wraps the text), and through EventBridge (which has another form, and does not encode keys).

use std::borrow::Cow;

use serde::Deserialize;

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

/// A message that is no notification of S3. Its text may be anything, so it is not quoted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotificationError {
    #[error("the message is not JSON")]
    NotJson,
    #[error("the message is neither a notification of S3 nor one that came through SNS or EventBridge")]
    Unknown,
    #[error("the notification has a record that names no object")]
    Incomplete,
    #[error("the key of an object is not UTF-8")]
    Key,
    #[error("the notification is wrapped too often")]
    Nested,
}

/// All that one of the three may have.
#[derive(Debug, Deserialize)]
struct Body<'a> {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    event: Option<Cow<'a, str>>,
    #[serde(rename = "Message")]
    message: Option<Cow<'a, str>>,
    #[serde(rename = "detail-type")]
    detail_type: Option<Cow<'a, str>>,
    detail: Option<Place>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: Option<String>,
    s3: Option<Place>,
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

impl Place {
    fn created(self, key: impl FnOnce(String) -> Option<String>) -> Result<Created, NotificationError> {
        let (Some(bucket), Some(object)) = (self.bucket, self.object) else {
            return Err(NotificationError::Incomplete);
        };
        Ok(Created {
            bucket: bucket.name,
            key: key(object.key).ok_or(NotificationError::Key)?,
            version: object.version.filter(|version| !version.is_empty()),
            size: object.size,
        })
    }
}

/// How often a notification may be wrapped: a topic may feed a topic.
const MAX_WRAPPERS: u32 = 3;

/// The objects that a message tells of. Objects that were removed, and S3's test of the queue, are none.
///
/// # Errors
/// [`NotificationError`]; nothing of the message has been taken then.
pub(crate) fn created_objects(body: &str) -> Result<Vec<Created>, NotificationError> {
    unwrap(body, MAX_WRAPPERS)
}

fn unwrap(body: &str, wrappers: u32) -> Result<Vec<Created>, NotificationError> {
    let body: Body<'_> = serde_json::from_str(body).map_err(|error| match error.is_data() {
        true => NotificationError::Unknown,
        false => NotificationError::NotJson,
    })?;
    match body {
        Body { records: Some(records), .. } => {
            let made = records.into_iter().filter(|record| is_creation(record.event_name.as_deref()));
            made.map(|record| record.s3.ok_or(NotificationError::Incomplete)?.created(decoded)).collect()
        }
        Body { detail_type: Some(kind), detail: Some(place), .. } => match &*kind {
            "Object Created" => place.created(Some).map(|created| vec![created]),
            _ => Ok(Vec::new()),
        },
        Body { event: Some(event), .. } if event == "s3:TestEvent" => Ok(Vec::new()),
        Body { message: Some(message), .. } => match wrappers.checked_sub(1) {
            Some(wrappers) => unwrap(&message, wrappers),
            None => Err(NotificationError::Nested),
        },
        _ => Err(NotificationError::Unknown),
    }
}

/// Whether a record tells of an object that is there now. One that does not say counts: a look costs less than a loss.
fn is_creation(event_name: Option<&str>) -> bool {
    let Some(name) = event_name else { return true };
    let name = name.strip_prefix("s3:").unwrap_or(name);
    name.starts_with("ObjectCreated") || name.starts_with("ObjectRestore:Completed")
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

    fn read(body: &Value) -> Result<Vec<Created>, NotificationError> {
        created_objects(&body.to_string())
    }

    #[test]
    fn a_notification_of_s3_may_tell_of_many_objects() {
        let mut versioned = record("ObjectCreated:CompleteMultipartUpload", "b");
        versioned["s3"]["object"]["versionId"] = json!("v1");
        let body = json!({"Records": [record("ObjectCreated:Put", "a"), versioned]});
        assert_eq!(read(&body).unwrap(), [created("logs", "a", None), created("logs", "b", Some("v1"))]);
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
        let once = json!({"Type": "Notification", "TopicArn": "arn", "Message": inner});
        let twice = json!({"Type": "Notification", "Message": once.to_string()});
        for body in [&once, &twice] {
            assert_eq!(read(body).unwrap(), [created("logs", "a b", None)]);
        }
        let mut deep = twice;
        for _ in 0..3 {
            deep = json!({"Message": deep.to_string()});
        }
        assert_eq!(read(&deep), Err(NotificationError::Nested));
    }

    #[test]
    fn eventbridge_does_not_encode_keys() {
        let event = |kind: &str| {
            json!({
                "version": "0", "source": "aws.s3", "detail-type": kind, "resources": ["arn:aws:s3:::logs"],
                "detail": {"version": "0", "bucket": {"name": "logs"}, "reason": "PutObject",
                           "object": {"key": "a+b%20c", "size": 7, "etag": "x", "version-id": "v1", "sequencer": "1"}},
            })
        };
        assert_eq!(read(&event("Object Created")).unwrap(), [created("logs", "a+b%20c", Some("v1"))]);
        assert_eq!(read(&event("Object Deleted")).unwrap(), []);
        let through_sns = json!({"Type": "Notification", "Message": event("Object Created").to_string()});
        assert_eq!(read(&through_sns).unwrap().len(), 1);
    }

    #[test]
    fn what_tells_of_no_new_object_asks_for_nothing() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs", "HostId": "x"});
        let removed = json!({"Records": [record("ObjectRemoved:Delete", "a"), record("s3:ObjectTagging:Put", "a")]});
        for body in [test, removed, json!({"Records": []})] {
            assert_eq!(read(&body).unwrap(), []);
        }
        let with_prefix = json!({"Records": [record("s3:ObjectCreated:Put", "a")]});
        assert_eq!(read(&with_prefix).unwrap().len(), 1);
    }

    #[test]
    fn any_other_message_is_refused() {
        let nameless = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "logs"}}}]});
        for (body, error) in [
            ("hello", NotificationError::NotJson),
            ("", NotificationError::NotJson),
            ("[]", NotificationError::Unknown),
            ("{}", NotificationError::Unknown),
            ("null", NotificationError::Unknown),
            (r#"{"Records":"secret"}"#, NotificationError::Unknown),
            (r#"{"Event":"s3:Other"}"#, NotificationError::Unknown),
            (r#"{"Message":"hello"}"#, NotificationError::NotJson),
            (r#"{"Records":[{"dynamodb":{}}]}"#, NotificationError::Incomplete),
            (&nameless.to_string(), NotificationError::Incomplete),
        ] {
            assert_eq!(created_objects(body), Err(error), "{body}");
        }
    }
}
