//! Athena, S3 and SNS at one address, which can be told to fail at a certain request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use embedded::Embedded;
use local_athena::{EngineFuture, Engines, LocalAthena, Settings};
use local_lambda::http::{Request, Response, serve};
use local_lambda::{Buckets, Topics};
use query::Engine;
use sql::table::{Layout, Table};
use sql::types::ColumnType;

/// What stands in for AWS. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    pub(crate) endpoint: String,
    pub(crate) athena: LocalAthena,
    pub(crate) buckets: Buckets,
    pub(crate) topics: Topics,
    pub(crate) lake: Lake,
    requests: Arc<Mutex<Requests>>,
}

#[derive(Debug, Default)]
struct Requests {
    /// What was asked for, in order.
    seen: Vec<String>,
    /// The request of those that begin so, and what happens to it.
    fault: Option<(&'static str, usize, Fault)>,
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused for the time being, before anything is done.
    Busy,
    /// It is not allowed.
    Denied,
    /// It is done, but the answer gets lost.
    Unanswered,
}

/// The rows of the lake's one table: time and user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lake {
    rows: Arc<Mutex<Vec<(i64, String)>>>,
    /// Whether there is no table yet.
    empty: Arc<AtomicBool>,
}

pub(crate) const DATABASE: &str = "lake";
pub(crate) const WORKGROUP: &str = "detections";

impl Lake {
    /// A user signs in.
    pub(crate) fn sign_in(&self, time: i64, user: &str) {
        self.rows.lock().unwrap().push((time, user.to_owned()));
    }

    /// Takes the table away, or lets it be there.
    pub(crate) fn be_empty(&self, empty: bool) {
        self.empty.store(empty, Ordering::SeqCst);
    }
}

impl Engines for Lake {
    fn engine(&self) -> EngineFuture<'_> {
        let names = ["time", "user_name", "region", "accountid", "eventday"];
        let column =
            |name: &str| (name.to_owned(), if name == "time" { ColumnType::Bigint } else { ColumnType::Varchar });
        let table = Table {
            database: DATABASE.to_owned(),
            name: "aws_cloudtrail".to_owned(),
            columns: names.map(column).to_vec(),
            layout: Layout::EventDay,
            dialect: "ocsf".to_owned(),
        };
        let rows = self.rows.lock().unwrap().clone();
        let texts =
            |text: &dyn Fn(&(i64, String)) -> String| Arc::new(StringArray::from_iter_values(rows.iter().map(text)));
        let columns: [(&str, ArrayRef); 5] = [
            ("time", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(time, _)| *time)))),
            ("user_name", texts(&|(_, user)| user.clone())),
            ("region", texts(&|_| "eu-central-1".to_owned())),
            ("accountid", texts(&|_| "111122223333".to_owned())),
            ("eventday", texts(&|(time, _)| day(*time))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let engine = match self.empty.load(Ordering::SeqCst) {
            true => Ok(Embedded::in_memory()),
            false => Embedded::in_memory().with_table(table, vec![batch]),
        };
        Box::pin(async { Ok(Box::new(engine?) as Box<dyn Engine>) })
    }
}

fn day(time: i64) -> String {
    jiff::Timestamp::from_millisecond(time).unwrap().strftime("%Y%m%d").to_string()
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let lake = Lake::default();
        let workgroups = vec![(WORKGROUP.to_owned(), None), ("others".to_owned(), None)];
        let athena = LocalAthena::new(Settings { workgroups, ..Settings::default() }, lake.clone()).unwrap();
        let cloud = Self {
            endpoint: String::new(),
            athena,
            buckets: Buckets::default(),
            topics: Topics::default(),
            lake,
            requests: Arc::default(),
        };
        let answering = cloud.clone();
        let address = serve(move |request| answering.answer(&request)).unwrap();
        Self { endpoint: format!("http://{address}"), ..cloud }
    }

    /// Of the requests that begin with `start`, lets the one with this number go wrong, counted from 0.
    pub(crate) fn fail_at(&self, start: &'static str, number: usize, fault: Fault) {
        self.requests.lock().unwrap().fault = Some((start, number, fault));
    }

    /// What was asked for so far, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().seen.clone()
    }

    fn answer(&self, request: &Request) -> Option<Response> {
        let (service, name) = service(request);
        let fault = {
            let mut requests = self.requests.lock().unwrap();
            let meant = requests.fault.filter(|(start, at, _)| {
                name.starts_with(start) && requests.seen.iter().filter(|seen| seen.starts_with(start)).count() == *at
            });
            requests.seen.push(name);
            meant.map(|(_, _, fault)| fault)
        };
        match fault {
            Some(Fault::Busy) => return Some(service.refusal(503, "SlowDown", "ServiceUnavailable")),
            Some(Fault::Denied) => return Some(service.refusal(403, "AccessDenied", "AccessDeniedException")),
            Some(Fault::Unanswered) | None => {}
        }
        let answer = match service {
            Service::Athena => self.athena.answer(request)?,
            Service::Sns => self.topics.answer(request),
            Service::S3 => self.buckets.answer(request),
        };
        fault.is_none().then_some(answer)
    }
}

#[derive(Clone, Copy)]
enum Service {
    Athena,
    Sns,
    S3,
}

/// Which service a request is for, and what it asks for in words.
fn service(request: &Request) -> (Service, String) {
    if let Some(target) = request.header("x-amz-target") {
        return (Service::Athena, target.to_owned());
    }
    let of_form = |kind: &str| kind.starts_with("application/x-www-form-urlencoded");
    if request.header("content-type").is_some_and(of_form) {
        return (Service::Sns, "SNS.Publish".to_owned());
    }
    (Service::S3, format!("S3 {} {}", request.method, request.target))
}

impl Service {
    fn refusal(self, status: u16, s3: &str, other: &str) -> Response {
        match self {
            Service::S3 => {
                Response::new(status, format!("<Error><Code>{s3}</Code><Message>for a test</Message></Error>"))
            }
            Service::Sns => Response::new(
                status,
                format!(
                    "<ErrorResponse><Error><Code>{other}</Code><Message>for a test</Message></Error></ErrorResponse>"
                ),
            ),
            Service::Athena => {
                Response::new(status, format!("{{\"__type\": \"{other}\", \"message\": \"for a test\"}}"))
            }
        }
    }
}
