//! A running server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;
use crate::{TrinoError, at, http};

/// The time limit for a start: it takes seconds on a free machine and minutes on a busy one.
const START: Duration = Duration::from_secs(300);

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts a server with one catalog, `lake`, whose tables may be anywhere on this machine. `folder` gets its
    /// configuration, log and metastore.
    ///
    /// # Errors
    /// It does not start in time.
    pub fn start(installation: &Installation, folder: &Path) -> Result<Self, TrinoError> {
        let folder = std::path::absolute(folder).map_err(at(folder))?;
        let catalogs = folder.join("etc/catalog");
        let metastore = folder.join("metastore");
        for path in [&catalogs, &metastore] {
            fs::create_dir_all(path).map_err(at(path))?;
        }
        let port = free_port()?;
        let write = |name: &str, text: String| {
            let path = folder.join("etc").join(name);
            fs::write(&path, text).map_err(at(&path)).map(|()| path)
        };
        let configuration = write(
            "config.properties",
            format!(
                "coordinator=true\nnode-scheduler.include-coordinator=true\nhttp-server.http.port={port}\n\
                 discovery.uri=http://127.0.0.1:{port}\nquery.max-memory=512MB\nquery.max-memory-per-node=512MB\n\
                 memory.heap-headroom-per-node=256MB\ncatalog.config-dir={}\n",
                catalogs.display()
            ),
        )?;
        let levels = write("log.properties", "io.trino=WARN\nio.airlift=WARN\nBootstrap=WARN\n".to_owned())?;
        write(
            "catalog/lake.properties",
            format!(
                "connector.name=hive\nhive.metastore=file\nhive.metastore.catalog.dir=local://{}\n\
                 fs.native-local.enabled=true\nlocal.location=/\nhive.security=allow-all\n",
                metastore.display()
            ),
        )?;
        let log = folder.join("server.log");
        let log_file = fs::File::create(&log).map_err(at(&log))?;
        let errors = log_file.try_clone().map_err(at(&log))?;
        let process = Command::new(installation.java())
            .args(["-server", "-Xmx1500M", "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=256M"])
            // Statements are short, so the second compiler costs more than it gains.
            .args(["-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "-Duser.timezone=UTC"])
            .args(["-Dnode.environment=sluice", "-Dnode.id=sluice", "-Dnode.bind-ip=127.0.0.1"])
            .args(["-Dnode.internal-address=127.0.0.1".to_owned(), format!("-Dnode.data-dir={}", folder.display())])
            .args([format!("-Dconfig={}", configuration.display()), format!("-Dlog.levels-file={}", levels.display())])
            .args(["-cp", "lib/*", "io.trino.server.TrinoServer"])
            .current_dir(&installation.folder)
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(errors)
            .spawn()
            .map_err(at(installation.java()))?;
        let mut server = Self { process, address: (Ipv4Addr::LOCALHOST, port).into(), log };
        server.wait()?;
        Ok(server)
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn wait(&mut self) -> Result<(), TrinoError> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(TrinoError::Server(format!("it ended with {status}:\n{}", self.last_words())));
            }
            if ready(self.address) {
                return Ok(());
            }
            sleep(Duration::from_millis(200));
        }
        Err(TrinoError::Server(format!("it did not start within {START:?}:\n{}", self.last_words())))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("\tERROR\t")).collect();
        let lines = if errors.is_empty() { log.lines().collect() } else { errors };
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has no state to save, and errors cannot be reported here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ready(address: SocketAddr) -> bool {
    let Ok((200, body)) = http::send(address, "GET", "/v1/info", &[], &[]) else { return false };
    serde_json::from_slice::<Value>(&body).is_ok_and(|info| info["starting"] == Value::Bool(false))
}

fn free_port() -> Result<u16, TrinoError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| TrinoError::Server(format!("no free port: {error}")))
}
