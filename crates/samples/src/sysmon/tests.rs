use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_lines_and_another_seed_gives_others() {
    let first: Vec<String> = sysmon_mix(1).take(200).collect();
    assert_eq!(first, sysmon_mix(1).take(200).collect::<Vec<_>>());
    assert_ne!(first, sysmon_mix(2).take(200).collect::<Vec<_>>());
}

#[test]
fn a_round_of_thirty_lines_has_every_event_id_once() {
    let ids: Vec<u64> = sysmon(3).take(30).map(|line| parsed(&line)["EventId"].as_u64().unwrap()).collect();
    assert_eq!(ids, sysmon_event_ids().map(u64::from).collect::<Vec<_>>());
    assert_eq!(ids.len(), 30);
}

#[test]
fn the_mix_of_a_fleet_is_mostly_loads_accesses_network_and_registry() {
    let mut counts = [0_usize; 256];
    for line in sysmon_mix(5).take(5_000) {
        counts[parsed(&line)["EventId"].as_u64().unwrap() as usize] += 1;
    }
    assert!((900..1_250).contains(&counts[7]), "{} image loads", counts[7]);
    assert!(counts[12] + counts[13] > 900 && counts[10] > 600 && counts[3] > 450);
    assert!(counts[8] < 30 && counts[255] < 5);
}

#[test]
fn the_envelope_has_the_agents_fields_in_order() {
    let line = sysmon_event(5, 1).unwrap();
    let names: Vec<String> = parsed(&line).as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        [
            "EventId",
            "Description",
            "LevelDisplayName",
            "LogName",
            "MachineName",
            "ProviderName",
            "TimeCreated",
            "Index",
            "UserName",
            "Keywords",
            "source_instance_id",
            "source"
        ]
    );
}

#[test]
fn hosts_with_an_older_schema_lack_the_fields_that_came_later() {
    let mut with_user = BTreeSet::new();
    for seed in 0..60 {
        let event = parsed(&sysmon_event(5, seed).unwrap());
        let description = event["Description"].as_str().unwrap();
        with_user.insert((description.contains("\r\nUser: "), description.contains("\r\nRuleName: ")));
    }
    assert_eq!(with_user, BTreeSet::from([(false, false), (false, true), (true, true)]));
}

#[test]
fn events_stay_within_the_period_asked_for_and_never_go_back() {
    let start = 1_700_000_000_000;
    let stream = Sysmon::new(1, Share::Fleet, Period::spread(start, 3_600_000, 1_000));
    let times: Vec<String> = stream
        .take(1_000)
        .filter_map(|line| {
            let event = parsed(&line);
            let text = event["Description"].as_str().unwrap();
            Some(text.split_once("UtcTime: ")?.1.get(..23)?.to_owned())
        })
        .collect();
    assert!(times.is_sorted());
    assert!(times[0].starts_with("2023-11-14 22:13:2"), "{}", times[0]);
    assert!(times.last().unwrap().starts_with("2023-11-14 23:"), "{:?}", times.last());
}
