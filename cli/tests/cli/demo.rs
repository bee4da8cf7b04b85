use crate::support::{Folder, run};

#[test]
fn the_tour_shows_every_step_and_can_be_repeated() {
    let folder = Folder::new();
    let dir = folder.path("tour");
    let shown = run(0, &["demo", "--dir", &dir, "--events", "300"]);
    assert_eq!(shown.stderr, "");
    let text = shown.stdout;
    for step in [
        "\n1 Logs",
        "\n2 Mappings",
        "\n3 One event",
        "\n4 Ingest",
        "\n5 Quarantine",
        "\n6 Replay",
        "\n7 Inspect",
        "\n8 Detect",
        "\nLook further",
    ] {
        assert!(text.contains(step), "{step}: {text}");
    }
    // 300 of Sysmon, 150 of the firewall, and six broken ones, of which one is mapped all the same.
    assert!(text.contains("\n  451 of 456 (98.9 %) are in the lake: "), "{text}");
    assert!(text.contains("\n  2 records left quarantine for 1 object more in the lake, 3 stay\n"), "{text}");
    for reason in ["no_mapping ", "no_time ", "undecodable "] {
        assert!(text.contains(&format!("\n  {reason}")), "{reason}: {text}");
    }
    let rows = run(0, &["inspect", "--format", "ndjson", &format!("{dir}/lake")]).lines();
    assert_eq!(rows.len(), 453);
    // What one step counts, the next counts too.
    let objects = |step: &str, before: &str| -> u64 {
        let (_, text) = text.split_once(step).unwrap();
        let (count, _) = text.split_once(before).unwrap();
        count.rsplit(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap().replace(',', "").parse().unwrap()
    };
    assert_eq!(objects("in the lake: ", " objects") + 1, objects("independently of the writer", " of "));
    let lake = format!("{dir}/lake");
    let hunt = run(1, &["hunt", "--lake", &lake, "--since", "2000-01-01", "--format", "ndjson"]);
    assert_eq!(hunt.lines().len() as u64, objects("8 Detect", " findings in all"));

    let before = folder.files("tour");
    run(0, &["demo", "--dir", &dir, "--events", "300"]);
    assert!(before == folder.files("tour"));
}

#[test]
fn the_commands_it_names_work() {
    let folder = Folder::new();
    let dir = folder.path("tour");
    let text = run(0, &["demo", "--dir", &dir, "--events", "100"]).stdout;
    let commands: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("  #").map(|(command, _)| command.trim())).collect();
    assert_eq!(commands.len(), 7);
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        run(i32::from(arguments[0] == "hunt"), &arguments);
    }
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = Folder::new();
    folder.write("mine/lake/precious", "x");
    let mine = folder.path("mine");
    let refused = run(3, &["demo", "--dir", &mine]);
    assert_eq!(
        refused.stderr,
        format!("error: {mine} is not empty and not from an earlier demo; give another --dir\n")
    );
    assert_eq!(folder.files("mine").len(), 1);
}
