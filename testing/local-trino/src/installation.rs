//! Installs the Trino server from Maven's central repository.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{TrinoError, at};

/// The release of Trino: the newest one that is a single archive.
pub const VERSION: &str = "476";

/// The oldest Java version for this release.
const JAVA: u32 = 24;

/// Written last, so that an interrupted installation is repeated.
const STAMP: &str = "sluice-version.txt";

/// An installed server.
#[derive(Debug, Clone)]
pub struct Installation {
    pub(crate) folder: PathBuf,
    pub(crate) java: PathBuf,
}

impl Installation {
    /// The server in this folder. If it is not installed yet, Maven downloads about 0.8 GB, which take 0.4 GB of disk besides
    /// Maven's own copy.
    ///
    /// # Errors
    /// There is no Java that is new enough, no Maven, or the download failed.
    pub fn obtain(folder: &Path) -> Result<Self, TrinoError> {
        let folder = std::path::absolute(folder).map_err(at(folder))?;
        let installation = Self { java: java()?, folder };
        let stamp = installation.folder.join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == VERSION) {
            return Ok(installation);
        }
        if installation.folder.exists() {
            fs::remove_dir_all(&installation.folder).map_err(at(&installation.folder))?;
        }
        fs::create_dir_all(&installation.folder).map_err(at(&installation.folder))?;
        installation.fetch()?;
        fs::write(&stamp, VERSION).map_err(at(&stamp))?;
        Ok(installation)
    }

    /// The Java that runs the server.
    pub fn java(&self) -> &Path {
        &self.java
    }

    fn fetch(&self) -> Result<(), TrinoError> {
        if !Command::new("mvn").arg("-version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Err(TrinoError::Missing(
                "Maven is needed to fetch the Trino server, as `mvn`: install the package `maven`".to_owned(),
            ));
        }
        succeed(
            "mvn",
            Command::new("mvn")
                .args(["--batch-mode", "--quiet", "dependency:copy"])
                .arg(format!("-Dartifact=io.trino:trino-server:{VERSION}:tar.gz"))
                .arg(format!("-DoutputDirectory={}", self.folder.display())),
        )?;
        let archive = self.folder.join(format!("trino-server-{VERSION}.tar.gz"));
        succeed(
            "tar",
            Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&self.folder).arg("--strip-components=1"),
        )?;
        // Only one of about fifty plugins is needed. Plugins share files by hard links, so tar cannot leave out the others.
        let plugins = self.folder.join("plugin");
        for entry in fs::read_dir(&plugins).map_err(at(&plugins))? {
            let plugin = entry.map_err(at(&plugins))?.path();
            if !plugin.ends_with("hive") {
                fs::remove_dir_all(&plugin).map_err(at(&plugin))?;
            }
        }
        fs::remove_file(&archive).map_err(at(&archive))
    }
}

/// A Java that is new enough: `$SLUICE_TRINO_JAVA`, `$JAVA_HOME`, the one on the path, or one next to the machine's other
/// Javas.
fn java() -> Result<PathBuf, TrinoError> {
    let home = |home: OsString| PathBuf::from(home).join("bin/java");
    let mut candidates: Vec<PathBuf> = env::var_os("SLUICE_TRINO_JAVA").map(PathBuf::from).into_iter().collect();
    candidates.extend(env::var_os("JAVA_HOME").map(home));
    candidates.push(PathBuf::from("java"));
    let others = fs::read_dir("/usr/lib/jvm").into_iter().flatten();
    let mut others: Vec<_> = others.filter_map(|entry| Some(home(entry.ok()?.path().into_os_string()))).collect();
    others.sort();
    candidates.extend(others);

    let mut found = Vec::new();
    for candidate in candidates {
        match release(&candidate) {
            Some(release) if release >= JAVA => return Ok(candidate),
            Some(release) => found.push(format!("{} is {release}", candidate.display())),
            None => {}
        }
    }
    let found = if found.is_empty() { "none is here".to_owned() } else { found.join(", ") };
    Err(TrinoError::Missing(format!(
        "Trino {VERSION} needs Java {JAVA} or later ({found}): install one and name its folder in JAVA_HOME"
    )))
}

/// The feature release of a Java.
fn release(java: &Path) -> Option<u32> {
    let said = Command::new(java).arg("-version").output().ok()?;
    release_in(&String::from_utf8_lossy(&said.stderr))
}

fn release_in(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

fn succeed(program: &str, command: &mut Command) -> Result<(), TrinoError> {
    let failed = |output: String| TrinoError::Program { program: program.to_owned(), output };
    let run = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if run.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(5).collect();
    Err(failed(said.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_a_java_is_what_it_says() {
        assert_eq!(release_in("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"), Some(17));
        assert_eq!(release_in("openjdk version \"25\" 2025-09-16\n"), Some(25));
        assert_eq!(release_in("openjdk version \"24-ea\" 2025-03-18\n"), Some(24));
        assert_eq!(release_in("command not found"), None);
    }
}
