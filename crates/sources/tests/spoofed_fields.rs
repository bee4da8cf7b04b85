//! Messages with lines in a value that look like fields.
//!
//! The messages here are made from a version's list of names, with an attacker's text as the value of one field. What
//! other readings such a message has is found here by trying all of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose helpers clippy takes for code")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use bumpalo::Bump;
use proptest::prelude::*;
use sources::{Document, FieldNames, NodeValue, TITLE_KEY, TextFields};

/// By event the names of each version, the newest first.
fn lists() -> &'static BTreeMap<String, Vec<Vec<String>>> {
    static LISTS: OnceLock<BTreeMap<String, Vec<Vec<String>>>> = OnceLock::new();
    LISTS.get_or_init(|| serde_json::from_str(include_str!("../data/windows-sysmon-fields.json")).unwrap())
}

/// Names and values of a message's fields in their order, and what was noted.
#[derive(Debug)]
struct Split {
    fields: Vec<(String, String)>,
    repeated: usize,
    names: Vec<String>,
}

fn split(event: &str, message: &str) -> Split {
    split_by(&FieldNames::shipped("windows-sysmon").unwrap(), event, message)
}

fn split_by(names: &FieldNames, event: &str, message: &str) -> Split {
    let fields = TextFields { at: vec!["d".into()], event_id: vec!["id".into()], names: names.clone() };
    let input = serde_json::json!({"id": event, "d": message}).to_string();
    let bump = Bump::new();
    let mut document = Document::parse(input.as_bytes(), &bump).unwrap();
    assert!(fields.apply(&mut document), "{message}");
    let node = document.find(&["d"]).unwrap();
    let text = |part| match document.value(part) {
        NodeValue::String(text) => text.to_owned(),
        other => panic!("{other:?}"),
    };
    let fields = document
        .children(node)
        .map(|part| (document.key(part).unwrap().to_owned(), text(part)))
        .filter(|(name, _)| name != TITLE_KEY)
        .collect();
    let names = document.repeated_names().iter().map(|name| (*name).to_owned()).collect();
    Split { fields, repeated: document.repeated_fields(), names }
}

/// Values for the names of a version, `text` for one of them.
fn values(version: &[String], attacked: usize, text: &str) -> Vec<(String, String)> {
    let value = |place| if place == attacked { text.to_owned() } else { format!("value {place}") };
    version.iter().enumerate().map(|(place, name)| (name.clone(), value(place))).collect()
}

fn message(title: bool, fields: &[(String, String)], line_break: &str) -> String {
    let lines = fields.iter().map(|(name, value)| format!("{name}: {value}"));
    title.then(|| "Something happened:".to_owned()).into_iter().chain(lines).collect::<Vec<_>>().join(line_break)
}

/// The lines of a message that start with a name of its event: number of the line, name.
fn lines<'m>(message: &'m str, versions: &[Vec<String>]) -> Vec<(usize, &'m str)> {
    let named = message.split('\n').enumerate().filter_map(|(number, line)| {
        let (name, rest) = line.split_once(':')?;
        (rest.is_empty() || rest == "\r" || rest.starts_with(' ')).then_some((number, name))
    });
    named.filter(|(_, name)| versions.iter().flatten().any(|known| known == name)).collect()
}

/// Every reading of these lines with all fields of one version and all other lines in one value, as numbers of lines.
fn complete_readings(lines: &[(usize, &str)], versions: &[Vec<String>]) -> BTreeSet<Vec<usize>> {
    let mut readings = BTreeSet::new();
    for version in versions.iter().filter(|version| version.len() <= lines.len()) {
        for head in 1..=version.len() {
            let tail = lines.len() - (version.len() - head);
            let fields: Vec<(usize, &str)> = lines[..head].iter().chain(&lines[tail..]).copied().collect();
            if fields.iter().map(|(_, name)| *name).eq(version) {
                readings.insert(fields.into_iter().map(|(number, _)| number).collect());
            }
        }
    }
    readings
}

/// Whether the lines could be those of a message without any such text: in the order of a version, none twice.
fn look_untouched(lines: &[(usize, &str)], versions: &[Vec<String>]) -> bool {
    versions.iter().any(|version| {
        let mut rest = version.iter();
        lines.iter().all(|(_, name)| rest.any(|known| known == name))
    })
}

/// A piece of an attacker's text.
#[derive(Clone, Debug)]
enum Piece {
    /// Copies of the event's fields from one place to another: heads, tails, all, or one.
    Fields(prop::sample::Index, prop::sample::Index),
    /// A line with one of all names of the manifest.
    Name(prop::sample::Index),
    Text(String),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        4 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(from, to)| Piece::Fields(from, to)),
        3 => any::<prop::sample::Index>().prop_map(Piece::Name),
        1 => prop::sample::select(vec!["", " ", "User:x", "x: y", "User:", "\r", ": "]).prop_map(|text| Piece::Text(text.into())),
        1 => any::<String>().prop_map(Piece::Text),
    ];
    prop::collection::vec(piece, 0..5)
}

fn text(pieces: &[Piece], version: &[String], all: &[String], line_break: &str) -> String {
    let mut lines = vec!["start".to_owned()];
    for piece in pieces {
        match piece {
            Piece::Fields(from, to) => {
                let (from, to) = (from.index(version.len()), to.index(version.len()));
                lines.extend((from.min(to)..=from.max(to)).map(|place| format!("{}: fake {place}", version[place])));
            }
            Piece::Name(name) => lines.push(format!("{}: fake", all[name.index(all.len())])),
            Piece::Text(text) => lines.push(text.clone()),
        }
    }
    lines.join(line_break)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// If a message has one reading only, it is read so, whichever field holds the text. If it has more, it says so.
    #[test]
    fn a_text_in_any_field_changes_no_other_or_the_event_is_marked(
        event in any::<prop::sample::Index>(),
        version in any::<prop::sample::Index>(),
        attacked in any::<prop::sample::Index>(),
        pieces in pieces(),
        title in any::<bool>(),
        line_break in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        let lists = lists();
        let all: Vec<String> = lists.values().flatten().flatten().cloned().collect();
        let (id, versions) = lists.iter().nth(event.index(lists.len())).unwrap();
        let version = &versions[version.index(versions.len())];
        let attacked = attacked.index(version.len());
        let text = text(&pieces, version, &all, line_break);
        // A carriage return before the message's own line break is taken for a part of it.
        prop_assume!(!text.ends_with('\r'));
        let fields = values(version, attacked, &text);
        let message = message(title, &fields, line_break);
        let lines = lines(&message, versions);
        let split = split(id, &message);
        if look_untouched(&lines, versions) {
            // Either nothing looks like a field, or all that does are fields of a newer version, in their place.
            prop_assert_eq!(split.repeated, 0, "{}", message);
            prop_assert!(lines.len() > version.len() || split.fields == fields, "{}", message);
            return Ok(());
        }
        let readings = complete_readings(&lines, versions);
        if readings.len() == 1 {
            prop_assert_eq!(&split.fields, &fields, "{}", message);
            prop_assert_eq!(split.repeated, lines.len() - version.len());
            let texts = lines.iter().filter(|(number, _)| readings.iter().all(|reading| !reading.contains(number)));
            let names: BTreeSet<&str> = texts.map(|(_, name)| *name).collect();
            prop_assert_eq!(split.names.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
        } else {
            prop_assert!(split.repeated > 0 && !split.names.is_empty(), "{}", message);
        }
    }

    /// The field of an event that is the easiest to fill with text has its text and no more, whatever that is.
    #[test]
    fn no_text_of_a_command_line_or_its_like_changes_another_field(
        (event, name) in prop::sample::select(vec![
            ("1", "CommandLine"), ("2", "TargetFilename"), ("3", "DestinationHostname"), ("6", "Signature"),
            ("7", "Description"), ("11", "TargetFilename"), ("12", "TargetObject"), ("13", "Details"),
            ("14", "TargetObject"), ("15", "Contents"), ("17", "PipeName"), ("18", "PipeName"),
            ("19", "Query"), ("20", "Destination"), ("21", "Filter"), ("22", "QueryName"), ("23", "TargetFilename"),
            ("24", "ClientInfo"), ("29", "TargetFilename"), ("255", "Description"),
        ]),
        pieces in pieces(),
        line_break in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        let lists = lists();
        let all: Vec<String> = lists[event].iter().flatten().cloned().collect();
        let version = &lists[event][0];
        let attacked = version.iter().position(|known| known == name).unwrap();
        let text = text(&pieces, version, &all, line_break);
        prop_assume!(!text.ends_with('\r'));
        let fields = values(version, attacked, &text);
        let message = message(true, &fields, line_break);
        let split = split(event, &message);
        prop_assert_eq!(&split.fields, &fields, "{}", message);
        prop_assert_eq!(split.repeated, lines(&message, &lists[event]).len() - version.len());
    }
}

/// `A: value` for each name, with values that say which line it was.
fn numbered(names: &str) -> String {
    let lines = names.split_whitespace().enumerate().map(|(number, name)| format!("{name}: {number}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Which numbered lines were read as fields.
fn fields_of(event: &str, names: &str) -> String {
    let split = split(event, &numbered(names));
    let first = |(name, value): &(String, String)| format!("{name}={}", value.lines().next().unwrap_or_default());
    split.fields.iter().map(first).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_version_is_read_in_its_own_order_without_a_mark() {
    for (event, versions) in lists() {
        for version in versions {
            let fields = values(version, 0, "x");
            let split = split(event, &message(true, &fields, "\r\n"));
            assert_eq!((split.fields, split.repeated), (fields, 0), "{event}");
        }
    }
}

#[test]
fn a_message_without_some_fields_is_read_without_a_mark() {
    for (event, versions) in lists() {
        for left_out in 0..versions[0].len() {
            let mut fields = values(&versions[0], 0, "x");
            fields.remove(left_out);
            if !fields.is_empty() {
                let split = split(event, &message(true, &fields, "\r\n"));
                assert_eq!((split.fields, split.repeated), (fields, 0), "{event}");
            }
        }
    }
}

#[test]
fn later_fields_win_over_their_fakes_and_so_do_earlier_ones() {
    // A command line with fakes of what follows, of what came before, and of all of it.
    for fakes in ["Contents", "User", "RuleName UtcTime ProcessGuid", "UtcTime Contents", "RuleName UtcTime Hash"] {
        let names = format!(
            "RuleName UtcTime ProcessGuid ProcessId Image TargetFilename CreationUtcTime Hash Contents {fakes} User"
        );
        let user = 9 + fakes.split(' ').count();
        let expected = format!(
            "RuleName=0 UtcTime=1 ProcessGuid=2 ProcessId=3 Image=4 TargetFilename=5 CreationUtcTime=6 Hash=7 \
             Contents=8 User={user}"
        );
        assert_eq!(fields_of("15", &names), expected, "{fakes}");
    }
}

#[test]
fn a_line_with_a_name_of_another_version_is_text_where_that_name_does_not_stand() {
    // Schema 4.1 has no OriginalFileName; it would stand before the command line.
    let version = &lists()["1"][2];
    let attacked = version.iter().position(|name| name == "CommandLine").unwrap();
    assert!(!version.contains(&"OriginalFileName".to_owned()));
    let fields = values(version, attacked, "x\nOriginalFileName: y");
    let split = split("1", &message(true, &fields, "\n"));
    assert_eq!((split.fields, split.names), (fields, vec!["OriginalFileName".to_owned()]));
}

#[test]
fn names_of_different_versions_do_not_make_one_message() {
    let version = &lists()["7"][0];
    let attacked = version.iter().position(|name| name == "ImageLoaded").unwrap();
    let fields = values(version, attacked, "x\nHashType: SHA1\nHash: 0");
    let split = split("7", &message(true, &fields, "\n"));
    assert_eq!((split.fields, split.repeated), (fields, 2));
}

#[test]
fn two_texts_in_one_message_leave_the_fields_outside_them_alone() {
    let version = &lists()["1"][0];
    let place = |name: &str| version.iter().position(|known| known == name).unwrap();
    let mut fields = values(version, place("CommandLine"), "a\nUser: b\nIntegrityLevel: c\nUser: d");
    fields[place("ParentCommandLine")].1 = "x\nImage: y\nUser: z".to_owned();
    let split = split("1", &message(true, &fields, "\n"));
    assert_eq!((split.fields, split.repeated), (fields, 5));
    assert_eq!(split.names, ["User", "IntegrityLevel", "Image"]);
}

/// The last line alone does not make a complete message one that was cut.
#[test]
fn two_texts_do_not_hide_what_is_between_them() {
    let version = &lists()["1"][1];
    let place = |name: &str| version.iter().position(|known| known == name).unwrap();
    assert_eq!(place("ParentCommandLine"), version.len() - 1);
    let mut fields = values(version, place("CommandLine"), "a\nUser: b");
    fields[place("ParentCommandLine")].1 = "x\nCurrentDirectory: y".to_owned();
    let split = split("1", &message(true, &fields, "\n"));
    assert_eq!((split.fields, split.repeated), (fields, 2));
}

#[test]
fn a_cut_message_keeps_the_fields_it_still_has() {
    let version = &lists()["1"][0];
    let place = |name: &str| version.iter().position(|known| known == name).unwrap();
    let text = "a\nCurrentDirectory: b\nUser: c\nIntegrityLevel: d\nParentImage: e";
    let mut fields = values(version, place("CommandLine"), text);
    fields.truncate(place("User") + 1);
    let split = split("1", &message(true, &fields, "\n"));
    assert_eq!((split.fields, split.repeated), (fields, 4));
}

#[test]
fn a_message_without_some_fields_keeps_the_others_from_a_text() {
    let version = &lists()["1"][0];
    let place = |name: &str| version.iter().position(|known| known == name).unwrap();
    for (attacked, text) in [
        ("CommandLine", "a\nCurrentDirectory: b\nUser: c\nIntegrityLevel: d\nParentImage: e"),
        ("CommandLine", "a\nRuleName: b\nUtcTime: c\nCommandLine: d"),
        ("ParentCommandLine", "a\nParentCommandLine: b"),
        ("ParentCommandLine", "a\nCommandLine: b\nImage: c"),
    ] {
        let mut fields = values(version, place(attacked), text);
        fields.remove(place("ProcessId"));
        let split = split("1", &message(true, &fields, "\n"));
        assert_eq!(split.fields, fields);
        assert_eq!(split.repeated, text.lines().count() - 1);
    }
}

#[test]
fn the_names_of_a_config_have_their_order_too() {
    let list = |names: &str| ("7".to_owned(), names.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let names = FieldNames::new([list("A CommandLine B C")]).unwrap();
    let split = split_by(&names, "7", "A: 1\nCommandLine: x\nB: 2\nC: 3\nA: 4\nB: 5\nC: 6");
    let expected = [("A", "1"), ("CommandLine", "x\nB: 2\nC: 3\nA: 4"), ("B", "5"), ("C", "6")];
    assert_eq!(split.fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((split.repeated, split.names), (3, ["B", "C", "A"].map(str::to_owned).to_vec()));
    // Without a name that is known for its text, lines belong to the first value that they can be in.
    let names = FieldNames::new([list("A B C")]).unwrap();
    let split = split_by(&names, "7", "A: 1\nB: 2\nB: 3\nC: 4");
    assert_eq!(split.fields.first().unwrap().1, "1\nB: 2");
}

#[test]
fn a_message_full_of_fakes_is_read_in_one_go() {
    let version = &lists()["1"][0];
    let attacked = version.iter().position(|name| name == "CommandLine").unwrap();
    let copies = numbered(&version.join(" "));
    // A hundred thousand lines; anything but linear time would not end here.
    for piece in [copies.as_str(), "RuleName:"] {
        let text = format!("x\n{}", vec![piece; 100_000 / piece.lines().count()].join("\n"));
        let fields = values(version, attacked, &text);
        let split_up = split("1", &message(true, &fields, "\n"));
        assert!(split_up.fields == fields, "{piece}");
        assert_eq!(split_up.repeated, text.lines().count() - 1);
        // Two such texts are another way.
        let mut fields = fields;
        fields[version.len() - 2].1.clone_from(&text);
        assert_eq!(split("1", &message(true, &fields, "\n")).fields.len(), version.len());
    }
}
