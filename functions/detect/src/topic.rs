//! The SNS topic that findings go to.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sns::operation::publish::PublishError as SnsError;
use aws_sdk_sns::types::MessageAttributeValue;
use detection::{Message, PublishError, Publisher};
use diagnostics::causes::innermost;
use query::BoxFuture;

/// A topic. A FIFO topic, whose name ends in `.fifo`, is given the message's id, so that it drops a repetition.
#[derive(Debug)]
pub(crate) struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    pub(crate) fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    async fn send(&self, message: &Message) -> Result<(), PublishError> {
        let mut request = self.client.publish().topic_arn(&self.arn).subject(&message.subject).message(&message.body);
        if self.arn.ends_with(".fifo") {
            request = request.message_group_id(&message.group).message_deduplication_id(&message.id);
        }
        for (name, attribute) in &message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type(attribute.data_type())
                .string_value(attribute.value())
                .build()
                .map_err(|error| PublishError { message: error.to_string(), transient: false })?;
            request = request.message_attributes(*name, value);
        }
        request.send().await.map_err(|error| failed(&self.arn, &error))?;
        Ok(())
    }
}

impl Publisher for Topic {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.send(message))
    }
}

fn failed<R: std::fmt::Debug + 'static>(topic: &str, error: &SdkError<SnsError, R>) -> PublishError {
    /// What stays until a person changes something.
    const PERMANENT: [&str; 8] = [
        "AuthorizationError",
        "EndpointDisabled",
        "InvalidParameter",
        "InvalidParameterValue",
        "InvalidSecurity",
        "NotFound",
        "KMSAccessDenied",
        "ValidationException",
    ];
    let Some(code) = error.code() else {
        return PublishError { message: format!("{topic}: {error}: {}", innermost(error)), transient: true };
    };
    let reason = error.message().unwrap_or("SNS gives no reason");
    PublishError { message: format!("{topic}: {code}: {reason}"), transient: !PERMANENT.contains(&code) }
}
