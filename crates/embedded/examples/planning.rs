//! How long statements of many parts take, and how much memory: `planning [KIND] [PARTS]`.
//!
//! ```sh
//! cargo run --release -p embedded --example planning                     # each kind with 300 parts
//! cargo run --release -p embedded --example planning sum 20000
//! ```
//!
//! Memory is the peak of the process since the kind began.

use std::time::Instant;

use embedded::Embedded;
use query::{Engine, Statement};
use sql::text::Sql;

#[path = "../tests/long/mod.rs"]
mod long;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (kind, parts) = (arguments.next(), arguments.next());
    let parts = parts.map_or(Ok(300), |parts| parts.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (name, make) in long::KINDS {
        if kind.as_ref().is_some_and(|kind| kind != name) {
            continue;
        }
        let sql = make(parts);
        let bytes = sql.len();
        let engine = Embedded::in_memory();
        // The most memory counts from here.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let started = Instant::now();
        let answer = match runtime.block_on(engine.run(&Statement::new(Sql::of_author(sql)))) {
            Ok(answer) => format!("{} rows", answer.rows.len()),
            Err(error) => error.to_string(),
        };
        let milliseconds = started.elapsed().as_millis();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
        println!("{name} {parts}: {bytes} bytes, {milliseconds} ms, {peak}: {answer}");
    }
    Ok(())
}
