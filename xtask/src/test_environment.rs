//! The tools that the tests of the template and of the deployment run on: Python packages in an environment of their own,
//! at the versions of `tests/requirements.txt`, in `.tools/` (or `$SLUICE_TOOLS`).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// Written last, so that an installation that was cut short is begun anew.
const STAMP: &str = "sluice-requirements.txt";

pub(crate) struct TestEnvironment {
    folder: PathBuf,
}

impl TestEnvironment {
    /// The environment, made or brought up to date where needed.
    pub(crate) fn prepare() -> Result<Self> {
        let tools = env::var_os("SLUICE_TOOLS").map_or_else(|| crate::workspace().join(".tools"), PathBuf::from);
        let tools = std::path::absolute(tools)?;
        let environment = Self { folder: tools.join("python") };
        let requirements = crate::workspace().join("tests/requirements.txt");
        let wanted =
            fs::read_to_string(&requirements).with_context(|| format!("reading {}", requirements.display()))?;

        let stamp = environment.folder.join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(environment);
        }
        println!("Installing the packages of tests/requirements.txt into {}", environment.folder.display());
        if environment.folder.exists() {
            fs::remove_dir_all(&environment.folder)
                .with_context(|| format!("removing {}", environment.folder.display()))?;
        }
        fs::create_dir_all(&tools).with_context(|| format!("creating {}", tools.display()))?;
        environment.create(&tools)?;
        succeed(
            environment.command("python").args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements),
        )?;
        fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
        Ok(environment)
    }

    /// A program of the environment, or one that finds the environment's programs first on its `PATH`.
    pub(crate) fn command(&self, program: &str) -> Command {
        let programs = self.folder.join("bin");
        let own = programs.join(program);
        let mut command = Command::new(if own.exists() { own.as_os_str() } else { OsStr::new(program) });
        let mut path = programs.into_os_string();
        if let Some(others) = env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        command
            .env("PATH", path)
            .env("VIRTUAL_ENV", &self.folder)
            .env_remove("PYTHONHOME")
            .current_dir(crate::workspace());
        command
    }

    /// An empty environment with pip in it. Debian packs the two modules that make one separately from Python
    /// (`python3-venv`, `python3-pip`), and a fresh machine may have neither.
    fn create(&self, tools: &Path) -> Result<()> {
        let python = python()?;
        if quietly(Command::new(&python).args(["-m", "venv"]).arg(&self.folder)) {
            return Ok(());
        }
        println!("This Python cannot install pip by itself; taking it from Debian's package of it");
        succeed(Command::new(&python).args(["-m", "venv", "--clear", "--without-pip"]).arg(&self.folder))?;
        let wheel = debians_pip(&tools.join("debian")).context(
            "No pip could be had. Install the packages python3-venv and python3-pip (or their like), and try again",
        )?;
        // A wheel is a zip file, and Python runs a package inside one.
        succeed(self.command("python").arg(wheel.join("pip")).args(["install", "--quiet", "--no-index"]).arg(&wheel))
    }
}

/// A Python that the pinned packages are made for.
fn python() -> Result<OsString> {
    let new_enough = "import sys; sys.exit(sys.version_info < (3, 11))";
    ["python3.11", "python3", "python"]
        .into_iter()
        .find(|python| quietly(Command::new(python).args(["-c", new_enough])))
        .map(OsString::from)
        .context("Python 3.11 or later is needed, as python3.11, python3 or python")
}

/// Debian's package of pip, fetched with apt but unpacked into `folder`: nothing is installed.
fn debians_pip(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let download = || succeed(Command::new("apt-get").args(["download", "python3-pip-whl"]).current_dir(folder));
    if download().is_err() {
        // A machine whose lists of packages were never fetched.
        succeed(Command::new("apt-get").args(["update", "--quiet"]))?;
        download()?;
    }
    let package = find(folder, "python3-pip-whl", ".deb")?;
    succeed(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder))?;
    find(&folder.join("usr/share/python-wheels"), "pip", ".whl")
}

fn find(folder: &Path, start: &str, end: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(start) && name.ends_with(end)) {
            return Ok(path);
        }
    }
    bail!("no {start}*{end} in {}", folder.display())
}

fn quietly(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
