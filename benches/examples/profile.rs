//! One step over and over without criterion around it, for profilers and for logs of one's own:
//!
//! ```text
//! cargo build --release -p benches --example profile
//! export MIMALLOC_PURGE_DELAY=-1      # as in template.yaml
//! target/release/examples/profile sysmon all 100000
//! target/release/examples/profile sysmon all 100000 sysmon.ndjson
//! valgrind --tool=callgrind --toggle-collect='*::timed*' target/release/examples/profile sysmon map 2000
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};

use benches::{Failure, FirewallObject, SysmonStream, Workload, cpu_time};

const USAGE: &str =
    "usage: profile sysmon|firewall start|yardstick|parse|split|map|columns|seal|all EVENTS [NDJSON-FILE]";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (source, step, events, file) = match arguments.as_slice() {
        [source, step, events] => (source.as_str(), step.as_str(), events, None),
        [source, step, events, file] => (source.as_str(), step.as_str(), events, Some(file)),
        _ => return Err(USAGE.into()),
    };
    let events = events.parse()?;
    let workload = match (source, file) {
        ("sysmon", None) => Workload::sysmon(events)?,
        ("sysmon", Some(file)) => Workload::new("windows-sysmon", lines(file)?.take(events))?,
        ("firewall", None) => Workload::network_firewall(events)?,
        ("firewall", Some(file)) => Workload::new("aws-network-firewall", lines(file)?.take(events))?,
        _ => return Err(USAGE.into()),
    };
    let (events, bytes) = (workload.lines().len(), workload.bytes());
    println!("{events} events of {:.0} bytes", bytes as f64 / events as f64);
    let run: Box<dyn Fn() -> Result<(), Failure>> = match step {
        "start" => Box::new(|| Ok(())),
        "yardstick" => Box::new(|| workload.yardstick()),
        "parse" => Box::new(|| workload.parse().map(drop)),
        "split" => Box::new(|| workload.split().map(drop)),
        "map" => Box::new(|| workload.map().map(drop)),
        "columns" => Box::new(|| workload.columns().map(drop)),
        "seal" => {
            let columns = workload.columns()?;
            let workload = &workload;
            Box::new(move || workload.seal(&columns).map(drop))
        }
        "all" if source == "sysmon" => {
            let stream = SysmonStream::new(&workload)?;
            Box::new(move || {
                let (objects, bytes) = stream.run()?;
                println!("{objects} objects, {bytes} bytes");
                Ok(())
            })
        }
        "all" => {
            let object = FirewallObject::new(&workload)?;
            Box::new(move || {
                let (objects, bytes) = object.run()?;
                println!("{objects} objects, {bytes} bytes");
                Ok(())
            })
        }
        _ => return Err(USAGE.into()),
    };
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for _ in 0..rounds {
        let took = timed(&run)?;
        println!("{:.1} ms of processor time: {:.1} MB/s", took * 1e3, bytes as f64 / 1e6 / took);
    }
    Ok(())
}

fn lines(file: &str) -> Result<impl Iterator<Item = String>, Failure> {
    Ok(BufReader::new(File::open(file)?).lines().map_while(Result::ok))
}

#[inline(never)]
fn timed(run: &dyn Fn() -> Result<(), Failure>) -> Result<f64, Failure> {
    let began = cpu_time();
    run()?;
    Ok((cpu_time() - began).as_secs_f64())
}
