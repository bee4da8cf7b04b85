//! Lists the mapping configs of `mapping-configs/`, which are part of every program that maps.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The order in which programs name them; any other comes after these, by its name.
const FIRST: [&str; 8] = [
    "windows-sysmon",
    "windows-sysmon-precise",
    "aws-network-firewall",
    "aws-cloudtrail",
    "aws-alb",
    "aws-vpc-flow",
    "sluice-findings",
    "windows-security",
];

/// The sources file, which is beside them.
const SOURCES: &str = "sources";

fn main() -> io::Result<()> {
    // Asked for when it runs: clones that share a target folder share this program, too.
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let folder = package.join("../../mapping-configs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let output = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(output.join("shipped_mappings.rs"), code(&shipped(&folder)?))
}

/// Names and files of a folder's mapping configs, in the order in which they are listed.
pub(crate) fn shipped(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut configs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "json") && name != SOURCES {
            configs.push((name, path));
        }
    }
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    configs.sort_by(|(a, _), (b, _)| (place(a), a).cmp(&(place(b), b)));
    Ok(configs)
}

/// The list as Rust.
pub(crate) fn code(configs: &[(String, PathBuf)]) -> String {
    let mut code = format!(
        "/// The mapping configs that ship with Sluice, by name: the files of `mapping-configs/`.\n\
         pub const SHIPPED_MAPPINGS: [(&str, &str); {}] = [\n",
        configs.len()
    );
    for (name, file) in configs {
        code.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
    }
    code.push_str("];\n");
    code
}
