//! The process of a function.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::runtime_api::{Event, RuntimeApi};

/// A running function. Dropping it ends the process.
#[derive(Debug)]
pub struct Function {
    child: Child,
    api: RuntimeApi,
    output: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    started: Instant,
    invocations: u64,
    timeout: Duration,
}

/// Why an invocation failed.
#[derive(Debug, Clone, PartialEq)]
pub enum InvocationError {
    /// The function returned this error document.
    Answered(Value),
    /// The function does not answer.
    Silent,
}

/// How a function started.
#[derive(Debug, Clone, Copy)]
pub struct StartUp {
    /// The time from the start of the process to its first request for an event.
    pub to_first_poll: Duration,
}

/// The end of a function that did not start.
#[derive(Debug)]
pub struct Exit {
    /// The exit status of the process.
    pub status: ExitStatus,
    /// The error that it reported to Lambda.
    pub start_error: Option<Value>,
    /// The lines that it wrote to standard output.
    pub output: Vec<String>,
}

/// The ARN that comes with events.
const FUNCTION_ARN: &str = "arn:aws:lambda:eu-central-1:111122223333:function:sluice";
/// How long a function may be silent. Only a faulty test reaches this.
const PATIENCE: Duration = Duration::from_secs(600);

/// The peak memory of a running process, in bytes; `None` if the system does not report it.
pub fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

impl Function {
    /// Starts a program. Its environment is Lambda's variables and `environment`, and nothing of this process.
    ///
    /// # Errors
    /// The program cannot be started, or no socket is free.
    pub fn start(program: &Path, environment: &[(&str, &str)]) -> io::Result<Self> {
        let api = RuntimeApi::start()?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "sluice")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "id")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let output = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&output);
        let stdout = child.stdout.take();
        let reader = stdout.map(|stdout| {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            })
        });
        Ok(Self { child, api, output, reader, started, invocations: 0, timeout: Duration::from_secs(60) })
    }

    /// Sets the deadline of later invocations. It is only announced: nothing ends an invocation at its deadline.
    pub fn with_deadline(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits until the function asks for its first event.
    pub fn started(&self) -> Option<StartUp> {
        let poll = self.api.wait(PATIENCE, |state| state.first_poll)?;
        Some(StartUp { to_first_poll: poll.saturating_duration_since(self.started) })
    }

    /// Invokes the function and waits for its response.
    ///
    /// # Errors
    /// [`InvocationError`].
    pub fn invoke(&mut self, event: &Value) -> Result<Value, InvocationError> {
        self.invoke_text(&event.to_string())
    }

    /// Invokes the function with an event that need not be JSON.
    ///
    /// # Errors
    /// [`InvocationError`].
    pub fn invoke_text(&mut self, event: &str) -> Result<Value, InvocationError> {
        self.invocations += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.invocations);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let headers = vec![
            ("lambda-runtime-deadline-ms", (now + self.timeout).as_millis().to_string()),
            ("lambda-runtime-invoked-function-arn", FUNCTION_ARN.to_owned()),
            ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0;Sampled=1".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        self.api.push(Event { id: id.clone(), headers, body: event.as_bytes().to_vec() });
        let answer = self.api.answer(&id, PATIENCE).ok_or(InvocationError::Silent)?;
        answer.map_err(InvocationError::Answered)
    }

    /// The lines on standard output so far. Lines may arrive shortly after the response, so it waits until they satisfy
    /// `until`.
    pub fn output(&self, until: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let lines = self.output.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if until(&lines) || Instant::now() > end {
                return lines;
            }
            std::thread::yield_now();
        }
    }

    /// The peak memory of the process so far, in bytes, if the system reports it (Linux).
    pub fn peak_memory(&self) -> Option<u64> {
        peak_memory(self.child.id())
    }

    /// Waits for the end of a function that does not start.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn exit(mut self) -> io::Result<Exit> {
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            // The thread ends with the output.
            let _ = reader.join();
        }
        let start_error = self.api.wait(Duration::ZERO, |state| state.start_error.take());
        let output = std::mem::take(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Exit { status, start_error, output })
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
