//! One step over and over without measuring anything, for profilers:
//!
//! ```text
//! cargo build --release -p benches --example profile
//! valgrind --tool=callgrind target/release/examples/profile sysmon map 2000
//! ```

use std::time::Instant;

use benches::{Failure, FirewallObject, SysmonStream, Workload};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, source, step, events] = arguments.as_slice() else {
        return Err("usage: profile sysmon|firewall start|parse|split|map|columns|seal|all <events>".into());
    };
    let events = events.parse()?;
    let workload = match source.as_str() {
        "sysmon" => Workload::sysmon(events),
        "firewall" => Workload::network_firewall(events),
        _ => Err("no such source".into()),
    }?;
    let bytes = workload.bytes();
    let took = match step.as_str() {
        "start" => 0.0,
        "parse" => timed(|| workload.parse())?,
        "split" => timed(|| workload.split())?,
        "map" => timed(|| workload.map())?,
        "columns" => timed(|| workload.columns())?,
        "seal" => {
            let columns = workload.columns()?;
            timed(|| workload.seal(&columns))?
        }
        "all" if source == "sysmon" => {
            let stream = SysmonStream::new(&workload)?;
            timed(|| stream.run())?
        }
        "all" => {
            let object = FirewallObject::new(workload)?;
            timed(|| object.run())?
        }
        _ => return Err("no such step".into()),
    };
    println!("{bytes} bytes in {:.1} ms: {:.1} MB/s", took * 1e3, bytes as f64 / 1e6 / took);
    Ok(())
}

fn timed<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<f64, Failure> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}
