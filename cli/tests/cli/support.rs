//! Running the command, and what several tests look at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The command, in an environment that says nothing.
pub(crate) fn sluice(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("AWS_")
            || ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM"].contains(&name.as_str())
        {
            command.env_remove(name);
        }
    }
    command
}

/// What a run of the command left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Run {
        let output = command.output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The data as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data as a JSON document a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Run {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A mapping config with one error.
pub(crate) const FAULTY: &str = r#"{
  "custom_source_events": {
    "source_name": "demo",
    "matched_field": "$.id",
    "timestamp": { "field": "$.time", "format": "epoch" },
    "ocsf_mapping": {
      "1": {
        "schema": "dns_activity",
        "schema_mapping": {
          "activity_id": 1,
          "severity_id": 1,
          "metadata": { "product": { "name": "Demo", "vendor_name": "Example" } },
          "src_endpoint": { "ip": "$.client" },
          "query": { "hostname": { "$frist": ["$.name"] } }
        }
      }
    }
  }
}
"#;

/// Runs the command and holds it to its exit code.
#[track_caller]
pub(crate) fn run(code: i32, arguments: &[&str]) -> Run {
    Run::of(sluice(arguments)).ends_with(code)
}

/// A folder for one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file; gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// All files below `name`, by their path in it.
    pub(crate) fn files(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        fn walk(folder: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        let root = PathBuf::from(self.path(name));
        let mut files = BTreeMap::new();
        walk(&root, &root, &mut files);
        files
    }
}

/// `count` lines of Sysmon, each event id in turn.
pub(crate) fn sysmon(count: usize) -> String {
    samples::sysmon(1).take(count).flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Bytes as gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The lines of all quarantine objects below a folder.
pub(crate) fn quarantined(files: &BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    let objects = files.iter().filter(|(name, _)| name.starts_with("quarantine/"));
    objects
        .flat_map(|(_, object)| {
            let text = String::from_utf8(zstd::decode_all(&object[..]).unwrap()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        })
        .collect()
}

/// Holds a text to the file `tests/cli/<name>`. `cargo xtask bless cli` rewrites the file; review the difference like code.
#[track_caller]
pub(crate) fn hold(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(text == expected, "{name}\n--- expected\n{expected}\n--- found\n{text}");
}

/// A stand-in for an AWS service that speaks JSON: each request is answered by a function of the operation and the body.
pub(crate) struct Service {
    endpoint: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

/// The status and body of an answer.
pub(crate) type Answer = (u16, Value);

impl Service {
    pub(crate) fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &seen, &*answer));
            }
        });
        Service { endpoint, requests }
    }

    /// Runs the command against this service.
    #[track_caller]
    pub(crate) fn run(&self, code: i32, arguments: &[&str]) -> Run {
        let mut command = sluice(arguments);
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_MAX_ATTEMPTS", "1");
        Run::of(command).ends_with(code)
    }

    /// What was asked so far: operations (S3's are method and path) and bodies.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<(String, Value)>>, answer: &dyn Fn(&str, &Value) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut operation, mut length) = (String::new(), 0);
        let mut request = None;
        for line in reader.by_ref().lines() {
            let Ok(line) = line else { return };
            if line.is_empty() {
                break;
            }
            request.get_or_insert_with(|| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" "));
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("x-amz-target") => {
                    operation = value.rsplit('.').next().unwrap().to_owned();
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                _ => {}
            }
        }
        // S3 has no operations, only methods and paths: `GET /bucket/key`.
        let Some(request) = request else { return };
        let operation = if operation.is_empty() { request } else { operation };
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        seen.lock().unwrap().push((operation.clone(), body.clone()));
        let (status, body) = answer(&operation, &body);
        let body = match body {
            // S3's errors are XML.
            Value::String(text) if operation.contains(' ') => text,
            body => body.to_string(),
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\n");
        let sent = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        if sent.is_err() {
            return;
        }
    }
}
