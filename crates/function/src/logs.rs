//! Structured logs: one line of JSON per event on standard output, with the keys of Powertools for AWS Lambda.
//!
//! Nothing of an event's body is ever logged. Sluice's own crates keep to that; others, of which that cannot be known,
//! are heard from warnings upwards only, whatever the level.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::invocation::Invocation;

/// Who logs and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `POWERTOOLS_SERVICE_NAME`, else the name of the function's program.
    pub service: String,
    /// `POWERTOOLS_LOG_LEVEL`; INFO where it is not set or not a level.
    pub level: LevelFilter,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub function_name: String,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MB, as text.
    pub function_memory_size: String,
}

impl LogSettings {
    /// Reads the settings; `variable` looks one up, and `program` is the function's own name. Nothing here keeps a
    /// function from starting.
    pub fn from_environment(program: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name| variable(name).filter(|value| !value.is_empty());
        let level = read("POWERTOOLS_LOG_LEVEL").or_else(|| read("AWS_LAMBDA_LOG_LEVEL"));
        Self {
            service: read("POWERTOOLS_SERVICE_NAME").unwrap_or_else(|| program.to_owned()),
            level: level.and_then(|level| level_named(&level)).unwrap_or(LevelFilter::INFO),
            function_name: read("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            function_memory_size: read("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").unwrap_or_default(),
        }
    }
}

/// A level by its name in Powertools, in Lambda, or here.
fn level_named(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_uppercase().as_str() {
        "WARNING" => Some(LevelFilter::WARN),
        "CRITICAL" | "FATAL" => Some(LevelFilter::ERROR),
        "SILENT" => Some(LevelFilter::OFF),
        name => LevelFilter::from_str(name).ok(),
    }
}

/// The logs of a function. Clones are the same.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    settings: LogSettings,
    /// The keys of the invocation that is under way.
    invocation: Mutex<Map<String, Value>>,
    output: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Logs {
    /// Logs to standard output.
    pub fn new(settings: LogSettings) -> Self {
        Self::to(settings, io::stdout())
    }

    /// Logs to somewhere else.
    pub fn to(settings: LogSettings, output: impl Write + Send + 'static) -> Self {
        let inner = Inner { settings, invocation: Mutex::default(), output: Mutex::new(Box::new(output)) };
        Self { inner: Arc::new(inner) }
    }

    /// Who logs and how much.
    pub fn settings(&self) -> &LogSettings {
        &self.inner.settings
    }

    /// Takes over all events of `tracing` in this process, and panics. The first to do so stays.
    pub fn install(&self) {
        let subscriber = tracing_subscriber::registry().with(self.clone());
        // Another subscriber is there in tests only.
        let _ = tracing::subscriber::set_global_default(subscriber);
        // The default writes the panic's message, which may hold part of an event.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(panic.location = place, "internal error");
        }));
    }

    /// What follows belongs to this invocation.
    pub fn begin(&self, invocation: &Invocation) {
        let keys = [
            ("cold_start", json!(invocation.cold_start)),
            ("function_arn", json!(invocation.function_arn)),
            ("function_request_id", json!(invocation.request_id)),
            ("xray_trace_id", json!(invocation.trace_root())),
        ];
        let keys = keys.into_iter().filter(|(_, value)| !value.is_null());
        *locked(&self.inner.invocation) = keys.map(|(key, value)| (key.to_owned(), value)).collect();
    }

    /// Writes a line that is complete already.
    pub fn write(&self, line: &str) {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        let mut output = locked(&self.inner.output);
        // There is nowhere to complain to.
        let _ = output.write_all(whole.as_bytes()).and_then(|()| output.flush());
    }

    fn line(&self, metadata: &Metadata<'_>, fields: Fields) -> Value {
        let settings = &self.inner.settings;
        let place = metadata.module_path().unwrap_or_else(|| metadata.target());
        let location = metadata.line().map_or_else(|| place.to_owned(), |line| format!("{place}:{line}"));
        let mut keys = Map::new();
        let mut add = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        add("level", json!(metadata.level().as_str()));
        add("location", json!(location));
        add("message", json!(fields.message));
        add("timestamp", json!(timestamp()));
        add("service", json!(settings.service));
        add("function_name", json!(settings.function_name));
        add("function_memory_size", json!(settings.function_memory_size));
        keys.extend(locked(&self.inner.invocation).clone());
        // A field of the event must not hide who logs.
        for (key, value) in fields.fields {
            keys.entry(key).or_insert(value);
        }
        Value::Object(keys)
    }
}

/// Ignores poisoning: another thread's panic leaves the value intact.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RFC 3339 in UTC, as Lambda wants it of JSON logs.
fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The crates of Sluice that log, nothing of an event.
const OWN: [&str; 6] = ["detect", "function", "pipeline", "query", "transform_kinesis", "transform_s3"];

impl<S: Subscriber> Layer<S> for Logs {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let source = metadata.target().split("::").next().unwrap_or_default();
        let level = self.inner.settings.level;
        // The runtime's own account of a failed invocation may quote the event, and comes beside ours.
        let ceiling = match source {
            own if OWN.contains(&own) => level,
            "lambda_runtime" => LevelFilter::OFF,
            _ => level.min(LevelFilter::WARN),
        };
        metadata.is_event() && *metadata.level() <= ceiling
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.write(&self.line(event.metadata(), fields).to_string());
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    fields: Vec<(String, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name().to_owned(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.add(field, json!(format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            _ => self.add(field, json!(value)),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::deadline::Deadline;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            locked(&self.0).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn settings(level: &str) -> LogSettings {
        LogSettings::from_environment("transform-kinesis", |name| match name {
            "POWERTOOLS_LOG_LEVEL" => Some(level.to_owned()),
            "AWS_LAMBDA_FUNCTION_NAME" => Some("sluice-1".to_owned()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some("256".to_owned()),
            _ => None,
        })
    }

    /// The lines that `act` has written.
    fn logged(level: &str, act: impl FnOnce(&Logs)) -> Vec<Value> {
        let output = Output::default();
        let logs = Logs::to(settings(level), output.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(logs.clone()), || act(&logs));
        let text = String::from_utf8(locked(&output.0).clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_crate_that_logs_is_heard_at_any_level() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let members =
            ["crates", "functions"].into_iter().flat_map(|folder| fs::read_dir(workspace.join(folder)).unwrap());
        let folders = members.map(|member| member.unwrap().path());
        let logs = |folder: &PathBuf| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
            manifest.lines().any(|line| line.starts_with("tracing."))
        };
        let mut logging: Vec<String> = folders
            .filter(logs)
            .map(|folder| folder.file_name().unwrap().to_string_lossy().replace('-', "_"))
            .collect();
        logging.sort();
        assert_eq!(logging, OWN);
    }

    #[test]
    fn a_line_has_the_keys_of_powertools() {
        let lines = logged("INFO", |logs| {
            tracing::warn!("before");
            logs.begin(&Invocation {
                request_id: "r-1".to_owned(),
                function_arn: "arn:aws:lambda:eu-central-1:111122223333:function:sluice".to_owned(),
                trace_id: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=1".to_owned()),
                deadline: Deadline::none(),
                cold_start: true,
            });
            tracing::info!(
                records = 3,
                ok = true,
                place = "a",
                shard = Some("s"),
                none = None::<&str>,
                "a {}",
                "batch"
            );
        });
        let [before, line] = &lines[..] else { panic!("{lines:?}") };
        assert!(before.get("function_request_id").is_none());
        let mut line = line.as_object().unwrap().clone();
        let location = line.remove("location").unwrap();
        assert!(location.as_str().unwrap().starts_with("function::logs::tests:"), "{location}");
        let timestamp = line.remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        let expected = json!({
            "level": "INFO", "message": "a batch", "service": "transform-kinesis",
            "function_name": "sluice-1", "function_memory_size": "256", "cold_start": true,
            "function_arn": "arn:aws:lambda:eu-central-1:111122223333:function:sluice",
            "function_request_id": "r-1", "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793",
            "records": 3, "ok": true, "place": "a", "shard": "s",
        });
        assert_eq!(Value::Object(line), expected);
    }

    #[test]
    fn a_field_does_not_hide_who_logs() {
        let lines = logged("INFO", |_| tracing::info!(service = "another", level = 3, "text\nof two lines"));
        assert_eq!((&lines[0]["service"], &lines[0]["level"]), (&json!("transform-kinesis"), &json!("INFO")));
        assert_eq!(lines[0]["message"], "text\nof two lines");
    }

    #[test]
    fn other_crates_are_heard_from_warnings_upwards_and_the_runtime_never() {
        let lines = logged("TRACE", |_| {
            tracing::trace!(target: "transform_kinesis::handler", "1");
            tracing::info!(target: "aws_smithy_runtime::client", "a body may be here");
            tracing::warn!(target: "aws_smithy_runtime::client", "2");
            tracing::error!(target: "lambda_runtime::layers::panic", "a body may be here");
        });
        assert_eq!(lines.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn a_level_is_named_as_in_powertools_or_here() {
        let count = |level| {
            let act = |_: &Logs| {
                tracing::debug!("debug");
                tracing::info!("info");
                tracing::warn!("warn");
                tracing::error!("error");
            };
            logged(level, act).len()
        };
        let levels = ["debug", "INFO", "WARNING", "Warn", "ERROR", "CRITICAL", "SILENT", "loud", ""];
        assert_eq!(levels.map(count), [4, 3, 2, 2, 1, 1, 0, 3, 3]);
    }
}
