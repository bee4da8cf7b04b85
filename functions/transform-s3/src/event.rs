//! A batch of messages as Lambda's event source mapping delivers it.

use std::borrow::Cow;

use function::HandlerError;
use serde::Deserialize;

/// Messages of a queue.
#[derive(Debug, Deserialize)]
pub(crate) struct SqsEvent<'a> {
    #[serde(rename = "Records", borrow)]
    pub(crate) messages: Vec<Message<'a>>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    /// What names it in the answer.
    #[serde(rename = "messageId", borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) body: Cow<'a, str>,
}

const EXPECTED: &str = "a batch of SQS messages";

impl<'a> SqsEvent<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Anything that is not a batch of messages, or has one that the answer could not name.
    pub(crate) fn parse(text: &'a str) -> Result<Self, HandlerError> {
        let event: Self = serde_json::from_str(text).map_err(|error| HandlerError::malformed(EXPECTED, &error))?;
        match event.messages.iter().position(|message| message.id.is_empty()) {
            Some(index) => {
                let reason = format!("message {index} has no id");
                Err(HandlerError::Malformed { expected: EXPECTED, reason })
            }
            None => Ok(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_id_and_body() {
        let event = SqsEvent::parse(r#"{"Records":[{"messageId":"m-1","body":"{\"a\":1}","attributes":{}}]}"#).unwrap();
        assert_eq!((&*event.messages[0].id, &*event.messages[0].body), ("m-1", r#"{"a":1}"#));
    }

    #[test]
    fn what_is_no_batch_is_refused_without_a_word_of_its_content() {
        for (text, reason) in [
            (r#"{"Records":{"secret":1}}"#, "a member is missing or of another type at line 1 column 11"),
            (r#"{"Records":[{"body":"secret"}]}"#, "a member is missing or of another type at line 1 column 29"),
            (r#"{"Records":[{"messageId":"","body":"secret"}]}"#, "message 0 has no id"),
        ] {
            let error = SqsEvent::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("the event is not a batch of SQS messages: {reason}"));
        }
    }
}
