//! SNS topics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Request, Response};

/// Topics that keep what is published to them, behind SNS's own protocol. Every topic exists. Clones are the same.
///
/// As SNS, a FIFO topic (its name ends in `.fifo`) takes a message only with a group, and drops what it was given before
/// under the same id of deduplication. Here that holds for ever and not for five minutes.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    published: Arc<Mutex<Vec<Published>>>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// ARN of its topic.
    pub topic: String,
    /// Its subject, for mail.
    pub subject: Option<String>,
    /// Its body.
    pub message: String,
    /// Values of its attributes by name.
    pub attributes: BTreeMap<String, String>,
    /// Its group, in a FIFO topic.
    pub group: Option<String>,
    /// Its id of deduplication, in a FIFO topic.
    pub deduplication: Option<String>,
}

impl Topics {
    /// What subscribers got, in order.
    pub fn published(&self) -> Vec<Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Response {
        let form = String::from_utf8_lossy(&request.body);
        let fields: BTreeMap<String, String> =
            form.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (decoded(n), decoded(v))).collect();
        let field = |name: &str| fields.get(name).cloned();
        if field("Action").as_deref() != Some("Publish") {
            return refusal("InvalidAction", "only Publish is known here");
        }
        let attribute = |n: usize| {
            let entry = format!("MessageAttributes.entry.{n}");
            let value = field(&format!("{entry}.Value.StringValue"));
            Some((field(&format!("{entry}.Name"))?, value.unwrap_or_default()))
        };
        let published = Published {
            topic: field("TopicArn").unwrap_or_default(),
            subject: field("Subject"),
            message: field("Message").unwrap_or_default(),
            attributes: (1..).map_while(attribute).collect(),
            group: field("MessageGroupId"),
            deduplication: field("MessageDeduplicationId"),
        };
        if let Some(refused) = refused(&published) {
            return refused;
        }
        let mut all = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |one: &Published| one.topic == published.topic && one.deduplication == published.deduplication;
        if published.deduplication.is_none() || !all.iter().any(before) {
            all.push(published);
        }
        let id = all.len();
        Response::new(
            200,
            format!("<PublishResponse><PublishResult><MessageId>m-{id}</MessageId></PublishResult></PublishResponse>"),
        )
    }
}

/// What SNS refuses.
fn refused(published: &Published) -> Option<Response> {
    let fifo = published.topic.ends_with(".fifo");
    let size = published.message.len() + published.attributes.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
    let subject = published.subject.as_deref().unwrap_or("-");
    if !published.topic.starts_with("arn:") {
        Some(refusal("InvalidParameter", "TopicArn"))
    } else if published.message.is_empty() || size > 256 * 1024 {
        Some(refusal("InvalidParameter", "Message too long, or empty"))
    } else if subject.is_empty() || subject.chars().count() > 100 || subject.chars().any(|c| c.is_control()) {
        Some(refusal("InvalidParameter", "Subject"))
    } else if published.attributes.values().any(String::is_empty) {
        Some(refusal("ParameterValueInvalid", "an attribute is empty"))
    } else if fifo != (published.group.is_some() && published.deduplication.is_some()) {
        Some(refusal(
            "InvalidParameter",
            "MessageGroupId and MessageDeduplicationId are for FIFO topics, and needed there",
        ))
    } else {
        None
    }
}

fn refusal(code: &str, message: &str) -> Response {
    Response::new(
        400,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             </ErrorResponse>"
        ),
    )
}

/// A part of a form.
fn decoded(text: &str) -> String {
    crate::buckets::decoded(&text.replace('+', "%20"))
}
