//! Any body of a message is parsed or refused. Through a topic it has the same meaning.

#[cfg_attr(not(test), expect(dead_code, reason = "a function's own module; not all of it is of use here"))]
#[path = "../../../functions/transform-s3/src/notification.rs"]
mod module;

use module::{Notification, NotificationError};

/// Runs one input, if it is text.
pub fn run(body: &[u8]) {
    let Ok(body) = std::str::from_utf8(body) else { return };
    let read = Notification::parse(body);
    let wrapped = serde_json::json!({ "Type": "Notification", "Message": body }).to_string();
    match Notification::parse(&wrapped) {
        Err(NotificationError::Nested) => {}
        through_topic => assert_eq!(through_topic, read),
    }
    // CloudTrail does not encode keys.
    let told = serde_json::json!({ "s3Bucket": "trail", "s3ObjectKey": [body] }).to_string();
    let told = Notification::parse(&told).expect("is CloudTrail's form");
    assert_eq!(told.created[0].key, body);
}
