//! Buckets to read from.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Request, Response, serve};

/// Buckets in memory behind S3's own protocol; as much of it as reading takes. Clones are the same.
#[derive(Debug, Clone)]
pub struct Buckets {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Contents by bucket, key and, from the second on, version.
    objects: HashMap<String, Vec<u8>>,
    /// What the next reads of a place meet.
    faults: HashMap<String, Vec<Fault>>,
    reads: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Refused,
    BrokenOff,
}

impl Buckets {
    /// No object yet.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let answering = Arc::clone(&state);
        let address = serve(move |request| {
            let mut state = answering.lock().unwrap_or_else(PoisonError::into_inner);
            Some(answer(&mut state, &request))
        })?;
        Ok(Self { address, state })
    }

    /// What `AWS_ENDPOINT_URL` has to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts an object; `place` is `bucket/key`, or `bucket/key?version` for an older one.
    pub fn put(&self, place: &str, content: impl Into<Vec<u8>>) {
        self.with(|state| state.objects.insert(place.to_owned(), content.into()));
    }

    /// Refuses the next read of a place: access denied.
    pub fn refuse(&self, place: &str) {
        self.with(|state| state.faults.entry(place.to_owned()).or_default().push(Fault::Refused));
    }

    /// Breaks the next read of a place off in the middle.
    pub fn break_off(&self, place: &str) {
        self.with(|state| state.faults.entry(place.to_owned()).or_default().push(Fault::BrokenOff));
    }

    /// What was asked for, in order.
    pub fn reads(&self) -> Vec<String> {
        self.with(|state| state.reads.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(state: &mut State, request: &Request) -> Response {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(decoded);
    if parameter("list-type").is_some() {
        return list(state, &decoded(path), &parameter("prefix").unwrap_or_default());
    }
    let mut place = decoded(path.trim_start_matches('/'));
    if let Some(version) = parameter("versionId") {
        place = format!("{place}?{version}");
    }
    state.reads.push(place.clone());
    let fault = state.faults.get_mut(&place).and_then(|faults| (!faults.is_empty()).then(|| faults.remove(0)));
    let (Some(content), None | Some(Fault::BrokenOff)) = (state.objects.get(&place), fault) else {
        return match fault {
            Some(_) => refusal(403, "AccessDenied"),
            None => refusal(404, "NoSuchKey"),
        };
    };
    let mut response = Response::new(200, content.clone()).header("etag", format!("\"{:x}\"", sum(content)));
    if let Some((_, version)) = place.split_once('?') {
        response = response.header("x-amz-version-id", version);
    }
    response.cut_after = fault.map(|_| content.len() / 2);
    response
}

fn refusal(status: u16, code: &str) -> Response {
    Response::new(status, format!("<Error><Code>{code}</Code><Message>for a test</Message></Error>"))
}

fn list(state: &State, path: &str, prefix: &str) -> Response {
    let bucket = format!("{}/", path.trim_matches('/'));
    let keys = state.objects.iter().filter_map(|(place, content)| Some((place.strip_prefix(&bucket)?, content.len())));
    let contents: String = keys
        .filter(|(key, _)| key.starts_with(prefix))
        .map(|(key, size)| format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"))
        .collect();
    Response::new(200, format!("<ListBucketResult>{contents}</ListBucketResult>"))
}

/// Enough of a checksum to tell contents apart (FNV-1a).
fn sum(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| rest.by_ref().take(2).fold(0, |value, digit| value * 16 + hex(digit)));
        bytes.push(escaped.unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or_default() as u8
}
