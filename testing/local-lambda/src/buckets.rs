//! A local S3.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Request, Response, serve};

/// Buckets in memory with the parts of S3's protocol that whole objects need. Clones share all state.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    address: Option<SocketAddr>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Contents by bucket, key and, from the second one on, version.
    objects: BTreeMap<String, Vec<u8>>,
    /// What happens to the next read of an object.
    faults: HashMap<String, Vec<Fault>>,
    reads: Vec<String>,
    keeps_versions: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Refused,
    BrokenOff,
}

impl Buckets {
    /// Starts without objects.
    ///
    /// # Errors
    /// No port is free.
    pub fn start() -> io::Result<Self> {
        let buckets = Self::default();
        let answering = buckets.clone();
        let address = serve(move |request| Some(answering.answer(&request)))?;
        Ok(Self { address: Some(address), ..buckets })
    }

    /// The value for `AWS_ENDPOINT_URL`; empty for buckets that were not [started](Self::start).
    pub fn endpoint(&self) -> String {
        self.address.map(|address| format!("http://{address}")).unwrap_or_default()
    }

    /// Answers a request, for a server of several services.
    pub fn answer(&self, request: &Request) -> Response {
        self.with(|state| answer(state, request))
    }

    /// The objects whose place `bucket/key` starts with `start`, in order.
    pub fn objects(&self, start: &str) -> Vec<(String, Vec<u8>)> {
        self.with(|state| {
            let objects = state.objects.iter().filter(|(place, _)| place.starts_with(start));
            objects.map(|(place, content)| (place.clone(), content.clone())).collect()
        })
    }

    /// Puts an object. `place` is `bucket/key`, or `bucket/key?version` for an older version.
    pub fn put(&self, place: &str, content: impl Into<Vec<u8>>) {
        self.with(|state| state.objects.insert(place.to_owned(), content.into()));
    }

    /// From now on, reads return the version of an object, as [`version`](Self::version) does.
    pub fn keep_versions(&self) {
        self.with(|state| state.keeps_versions = true);
    }

    /// The version id of an object with this content, in a versioned bucket.
    pub fn version(content: &[u8]) -> String {
        format!("v{:x}", sum(content))
    }

    /// Refuses the next read of an object: access denied.
    pub fn refuse(&self, place: &str) {
        self.with(|state| state.faults.entry(place.to_owned()).or_default().push(Fault::Refused));
    }

    /// Breaks off the next read of an object in the middle.
    pub fn break_off(&self, place: &str) {
        self.with(|state| state.faults.entry(place.to_owned()).or_default().push(Fault::BrokenOff));
    }

    /// All requests, in order.
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
        let prefix = parameter("prefix").unwrap_or_default();
        return list(state, &decoded(path), &prefix, &parameter("start-after").unwrap_or_default());
    }
    let mut place = decoded(path.trim_start_matches('/'));
    if let Some(version) = parameter("versionId") {
        place = format!("{place}?{version}");
    }
    match request.method.as_str() {
        "PUT" => return put(state, place, request),
        "DELETE" => {
            state.objects.remove(&place);
            return Response::new(204, "");
        }
        _ => {}
    }
    state.reads.push(place.clone());
    let fault = state.faults.get_mut(&place).and_then(|faults| (!faults.is_empty()).then(|| faults.remove(0)));
    let (Some(content), None | Some(Fault::BrokenOff)) = (state.objects.get(&place), fault) else {
        return match fault {
            Some(_) => refusal(403, "AccessDenied"),
            None => refusal(404, "NoSuchKey"),
        };
    };
    let mut response = Response::new(200, content.clone()).header("etag", tag(content));
    if let Some((_, version)) = place.split_once('?') {
        response = response.header("x-amz-version-id", version);
    } else if state.keeps_versions {
        response = response.header("x-amz-version-id", Buckets::version(content));
    }
    response.cut_after = fault.map(|_| content.len() / 2);
    response
}

/// A put, with S3's conditions.
fn put(state: &mut State, place: String, request: &Request) -> Response {
    let there = state.objects.get(&place).map(|content| tag(content));
    let holds = match (request.header("if-none-match"), request.header("if-match")) {
        (Some(_), _) => there.is_none(),
        (None, Some(expected)) => there.as_deref() == Some(expected),
        (None, None) => true,
    };
    if !holds {
        return refusal(412, "PreconditionFailed");
    }
    let tag = tag(&request.body);
    state.objects.insert(place, request.body.clone());
    Response::new(200, "").header("etag", tag)
}

fn tag(content: &[u8]) -> String {
    format!("\"{:x}\"", sum(content))
}

fn refusal(status: u16, code: &str) -> Response {
    Response::new(status, format!("<Error><Code>{code}</Code><Message>for a test</Message></Error>"))
}

fn list(state: &State, path: &str, prefix: &str, after: &str) -> Response {
    let bucket = format!("{}/", path.trim_matches('/'));
    let keys = state.objects.iter().filter_map(|(place, content)| Some((place.strip_prefix(&bucket)?, content)));
    let contents: String = keys
        .filter(|(key, _)| key.starts_with(prefix) && *key > after)
        .take(1000)
        .map(|(key, content)| {
            let (tag, size) = (tag(content).replace('"', "&quot;"), content.len());
            format!("<Contents><Key>{key}</Key><ETag>{tag}</ETag><Size>{size}</Size></Contents>")
        })
        .collect();
    Response::new(200, format!("<ListBucketResult>{contents}</ListBucketResult>"))
}

/// A checksum that is good enough to distinguish contents (FNV-1a).
fn sum(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

pub(crate) fn decoded(text: &str) -> String {
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
