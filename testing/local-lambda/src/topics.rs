//! A local SNS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Request, Response};

/// Topics that store published messages, behind SNS's protocol. Every topic exists. Clones share all state.
///
/// As in SNS, a FIFO topic (its name ends in `.fifo`) requires a message group, and drops messages with a known deduplication
/// id. Here an id is known for ever, not for five minutes.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    published: Arc<Mutex<Vec<Published>>>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// The topic's ARN.
    pub topic: String,
    /// The subject of an email.
    pub subject: Option<String>,
    /// The body.
    pub message: String,
    /// Values of attributes, by name.
    pub attributes: BTreeMap<String, String>,
    /// The message group, in a FIFO topic.
    pub group: Option<String>,
    /// The deduplication id, in a FIFO topic.
    pub deduplication: Option<String>,
}

impl Topics {
    /// All delivered messages, in order.
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

/// An error of SNS.
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

/// A field of a form.
fn decoded(text: &str) -> String {
    crate::buckets::decoded(&text.replace('+', "%20"))
}
