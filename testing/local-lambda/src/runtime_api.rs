//! The Runtime API, as a polling program sees it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Request, Response, serve};

/// An event that waits for the function.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// The API of one execution environment. Clones share all state.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    waiting: VecDeque<Event>,
    /// Responses and error documents, by the event's id.
    answers: HashMap<String, Result<Value, Value>>,
    /// The error that the program reports if it cannot start.
    pub(crate) start_error: Option<Value>,
    /// When the program first asked for an event.
    pub(crate) first_poll: Option<Instant>,
}

impl RuntimeApi {
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let answering = Arc::clone(&shared);
        let address = serve(move |request| answer(&answering, &request))?;
        Ok(Self { address, shared })
    }

    pub(crate) fn push(&self, event: Event) {
        locked(&self.shared.0).waiting.push_back(event);
        self.shared.1.notify_all();
    }

    /// Waits until the program has answered an event.
    pub(crate) fn answer(&self, id: &str, within: Duration) -> Option<Result<Value, Value>> {
        self.wait(within, |state| state.answers.remove(id))
    }

    /// Waits until `look` returns a value.
    pub(crate) fn wait<T>(&self, within: Duration, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let end = Instant::now() + within;
        let mut state = locked(&self.shared.0);
        loop {
            if let Some(seen) = look(&mut state) {
                return Some(seen);
            }
            let left = end.checked_duration_since(Instant::now())?;
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn locked(mutex: &Mutex<State>) -> MutexGuard<'_, State> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer((state, changed): &(Mutex<State>, Condvar), request: &Request) -> Option<Response> {
    let path = request.target.strip_prefix("/2018-06-01/runtime/")?;
    let body = || serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let mut state = locked(state);
    match (request.method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["invocation", "next"]) => {
            state.first_poll.get_or_insert_with(Instant::now);
            changed.notify_all();
            let event = loop {
                if let Some(event) = state.waiting.pop_front() {
                    break event;
                }
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            let response = Response::new(200, event.body).header("lambda-runtime-aws-request-id", event.id);
            return Some(
                event.headers.into_iter().fold(response, |response, (name, value)| response.header(name, value)),
            );
        }
        ("POST", ["invocation", id, "response"]) => drop(state.answers.insert((*id).to_owned(), Ok(body()))),
        ("POST", ["invocation", id, "error"]) => drop(state.answers.insert((*id).to_owned(), Err(body()))),
        ("POST", ["init", "error"]) => state.start_error = Some(body()),
        _ => return Some(Response::new(404, "")),
    }
    changed.notify_all();
    Some(Response::new(202, r#"{"status":"OK"}"#))
}
