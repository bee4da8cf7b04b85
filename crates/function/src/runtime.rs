//! From the Runtime API to a handler and back.

use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::configuration::ConfigurationError;
use crate::deadline::{Deadline, now};
use crate::invocation::Invocation;
use crate::logs::{LogSettings, Logs};
use crate::metrics::{Metrics, Unit};

/// What a function does with an event.
pub trait Handler {
    /// Answers an event, given as the JSON text that Lambda sent.
    ///
    /// An error makes Lambda deliver the whole event again.
    fn handle(
        &self,
        event: &str,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> impl Future<Output = Result<Value, HandlerError>>;
}

/// Why an event could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// The event is not what the function is made for.
    #[error("the event is not {expected}: {reason}")]
    Malformed {
        /// What it should be.
        expected: &'static str,
        /// What is wrong, without any of its content.
        reason: String,
    },
    /// Something failed that the next try may do; what is done is not repeated.
    #[error("not all is done: {0}")]
    Unfinished(String),
    /// A panic, whose place is in the log.
    #[error("internal error; the log has its place")]
    Panicked,
}

impl HandlerError {
    /// An event that serde could not read. Its message would quote the event, so only the place is kept.
    pub fn malformed(expected: &'static str, error: &serde_json::Error) -> Self {
        Self::Malformed { expected, reason: pipeline::json_fault(error) }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "MalformedEvent",
            Self::Unfinished(_) => "Unfinished",
            Self::Panicked => "Panicked",
        }
    }
}

impl From<HandlerError> for Diagnostic {
    fn from(error: HandlerError) -> Self {
        Diagnostic { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Something that a variable names cannot be used.
    #[error("{variable}: {reason}")]
    Unusable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with what it names, and the way out.
        reason: String,
    },
    /// The process is not run by Lambda.
    #[error(
        "AWS_LAMBDA_RUNTIME_API is not set. This program is a Lambda function: deploy it with `sam deploy`, or use the \
         command `sluice`, which does the same on this machine."
    )]
    NotLambda,
    /// The system gives the process no resources.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    /// The Runtime API went away.
    #[error("the Lambda Runtime API failed: {0}")]
    RuntimeApi(#[from] lambda_runtime::Error),
}

/// Runs a function until Lambda ends the process; `main` does nothing else. `program` is the function's name and `start`
/// makes its handler.
pub fn run<H: Handler>(program: &'static str, start: impl AsyncFnOnce() -> Result<H, StartError>) -> ExitCode {
    let logs = Logs::new(LogSettings::from_environment(program, variable));
    logs.install();
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::from)
        .and_then(|runtime| runtime.block_on(serve(start, &logs)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error_type = "StartError", %error, "start failed");
            report_start_error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn serve<H: Handler>(start: impl AsyncFnOnce() -> Result<H, StartError>, logs: &Logs) -> Result<(), StartError> {
    if variable("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err(StartError::NotLambda);
    }
    let handler = start().await?;
    let LogSettings { service, function_name, .. } = logs.settings();
    let namespace = variable("POWERTOOLS_METRICS_NAMESPACE").unwrap_or_else(|| "Sluice".to_owned());
    let cold = AtomicBool::new(true);
    let answer = async |event: LambdaEvent<Box<RawValue>>| {
        let LambdaEvent { payload, context, .. } = event;
        let invocation = Invocation {
            request_id: context.request_id,
            function_arn: context.invoked_function_arn,
            trace_id: context.xray_trace_id,
            deadline: Deadline::new(now(), context.deadline),
            cold_start: cold.swap(false, Ordering::Relaxed),
        };
        logs.begin(&invocation);
        let mut metrics = Metrics::new(&*namespace, &**service);
        if invocation.cold_start {
            metrics.add_by(&[("function_name", function_name)], "ColdStart", Unit::Count, 1);
        }
        let answer = caught(handler.handle(payload.get(), &invocation, &mut metrics)).await;
        let answer = answer.unwrap_or(Err(HandlerError::Panicked));
        metrics.lines().iter().for_each(|line| logs.write(line));
        if let Err(error) = &answer {
            match error {
                HandlerError::Unfinished(_) => {
                    tracing::warn!(error_type = error.kind(), %error, "invocation failed, retrying");
                }
                _ => tracing::error!(error_type = error.kind(), %error, "invocation failed"),
            }
        }
        answer
    };
    lambda_runtime::run(service_fn(answer)).await.map_err(StartError::from)
}

/// A variable of the environment; an empty one is none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a future gives, or nothing if it panics.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // A future that panicked is not polled again.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// Tells Lambda why there will be no function, so that the invocation's error says it and not only the log.
fn report_start_error(error: &StartError) {
    let Some(address) = variable("AWS_LAMBDA_RUNTIME_API") else { return };
    let body = json!({"errorType": "StartError", "errorMessage": error.to_string()}).to_string();
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Function-Error-Type: Runtime.StartError\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let told = TcpStream::connect(&address).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(request.as_bytes())?;
        stream.read(&mut [0; 64])
    });
    if let Err(error) = told {
        tracing::warn!(%error, "start error not reported to Lambda");
    }
}
