//! The parser takes and refuses what the specification's validator does, and what it writes it reads back.
//!
//! One file of 700 lines: a third of it is the table of diagnostics, which is read as a whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use proptest::prelude::*;
use serde::Deserialize;
use stix::diagnostic::{Code, SourceText};
use stix::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, Qualifier,
    QualifierKind, Step, Value,
};
use stix::{Version, check, parse};

#[derive(Deserialize)]
struct Vectors {
    validator: Validator,
}

#[derive(Deserialize)]
struct Validator {
    patterns: Vec<Verdict>,
    brackets_check: Vec<Brackets>,
    inspector: Vec<Inspected>,
}

#[derive(Deserialize)]
struct Verdict {
    id: String,
    stix_version: String,
    pattern: String,
    expected: String,
    other_version: OtherVersion,
}

#[derive(Deserialize)]
struct OtherVersion {
    stix_version: String,
    valid: bool,
}

#[derive(Deserialize)]
struct Brackets {
    input: Option<String>,
    expected: bool,
}

#[derive(Deserialize)]
struct Inspected {
    stix_version: String,
    test: String,
    pattern: String,
    expected: serde_json::Value,
}

fn vectors() -> Option<Vectors> {
    vectors::read("stix-grammar-vectors.json").map(|text| serde_json::from_slice(&text).unwrap())
}

fn version(text: &str) -> Version {
    match text {
        "2.0" => Version::V20,
        "2.1" => Version::V21,
        other => panic!("version {other}"),
    }
}

/// No exceptions: all patterns in both versions.
#[test]
fn every_pattern_of_the_validators_lists_has_the_validators_verdict() {
    let Some(vectors) = vectors() else { return };
    let mut wrong = Vec::new();
    for case in &vectors.validator.patterns {
        let own = (case.stix_version.as_str(), case.expected == "valid");
        let other = (case.other_version.stix_version.as_str(), case.other_version.valid);
        for (number, valid) in [own, other] {
            let result = parse(&case.pattern, version(number));
            if result.is_ok() != valid {
                wrong.push(format!("{} as {number}, valid {valid}: {} {result:?}", case.id, case.pattern));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(vectors.validator.patterns.len(), 169);
}

/// The validator's separate check for brackets says that they are missing; so does our diagnostic, or that nothing is
/// there.
#[test]
fn missing_brackets_are_told_where_the_validators_own_check_tells_them() {
    let Some(vectors) = vectors() else { return };
    for case in &vectors.validator.brackets_check {
        let Some(input) = &case.input else { continue };
        let missing = parse(input, Version::V21).err().is_some_and(|fault| fault.first().code == Code::MissingBracket);
        assert_eq!(!missing, case.expected, "{input}");
    }
}

#[test]
fn the_tree_holds_what_the_validators_inspector_finds() {
    let Some(vectors) = vectors() else { return };
    let mut compared = 0;
    for case in &vectors.validator.inspector {
        let pattern = parse(&case.pattern, version(&case.stix_version)).unwrap();
        let mut seen = Seen::default();
        seen.observation(&pattern.root, &case.pattern);
        let found = match case.test.as_str() {
            "test_qualifiers" => sorted(seen.qualifiers),
            "test_observation_ops" => sorted(seen.operators),
            "test_comparisons" => {
                let mut expected = Vec::new();
                for (object_type, tests) in case.expected.as_object().unwrap() {
                    for test in tests.as_array().unwrap() {
                        let operator = test[1].as_str().unwrap().replace("==", "=").replace("<>", "!=");
                        expected.push(format!("{object_type} {} {operator}", test[0].as_array().unwrap().len()));
                    }
                }
                let found = sorted(seen.tests);
                assert_eq!(found, sorted(expected), "{}", case.pattern);
                compared += 1;
                continue;
            }
            other => panic!("{other}"),
        };
        let expected = case.expected.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
        assert_eq!(found, sorted(expected.collect()), "{}", case.pattern);
        compared += 1;
    }
    assert_eq!(compared, 39);
}

#[derive(Default)]
struct Seen {
    qualifiers: Vec<String>,
    operators: Vec<String>,
    tests: Vec<String>,
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}

impl Seen {
    fn observation(&mut self, at: &Observation, text: &str) {
        let (operator, left, right) = match &at.kind {
            ObservationKind::Leaf { comparison, .. } => return self.comparison(comparison),
            ObservationKind::Qualified(inner, qualifier) => {
                self.qualifiers.push(text[qualifier.span.clone()].to_owned());
                return self.observation(inner, text);
            }
            ObservationKind::And(left, right) => ("AND", left, right),
            ObservationKind::Or(left, right) => ("OR", left, right),
            ObservationKind::FollowedBy(left, right) => ("FOLLOWEDBY", left, right),
        };
        self.operators.push(operator.to_owned());
        self.observation(left, text);
        self.observation(right, text);
    }

    fn comparison(&mut self, at: &Comparison) {
        match &at.kind {
            ComparisonKind::And(left, right) | ComparisonKind::Or(left, right) => {
                self.comparison(left);
                self.comparison(right);
            }
            ComparisonKind::Test { path, negated, operator } => {
                let operator = operator.to_string();
                let sign = operator.split(' ').next().unwrap();
                let not = if *negated { "NOT " } else { "" };
                self.tests.push(format!("{} {} {not}{sign}", path.object_type, path.steps.len()));
            }
            ComparisonKind::Exists { .. } => {}
        }
    }
}

/// The first error's number, the text it points at, its message and its help.
fn fault(text: &str) -> (String, String, String, String) {
    let errors = parse(text, Version::V21).unwrap_err();
    let first = errors.first();
    let place = text[first.primary.span.range()].to_owned();
    (first.code.to_string(), place, first.message.clone(), first.help.clone().unwrap_or_default())
}

#[test]
fn a_diagnostic_names_the_place_and_the_remedy() {
    let cases = [
        ("", "E301", "", "there is no pattern", "the shortest pattern is one test in brackets: [file:name = 'x']"),
        (
            "file:size = 1",
            "E303",
            "file",
            "a comparison outside brackets",
            "put the comparison into brackets: [file:size > 1024]",
        ),
        ("[file:size = 1", "E304", "[", "`[` is never closed", "add `]`"),
        ("([file:size = 1]", "E304", "(", "`(` is never closed", "add `)`"),
        ("[file:name IN ('a', 'b'", "E304", "(", "`(` is never closed", "add `)`"),
        ("[a:b = 1])", "E305", ")", "`)` closes nothing", "remove it, or open it where it belongs"),
        (
            "[a:b = 1] [a:b = 2]",
            "E305",
            "[",
            "two observations stand side by side",
            "join them with AND, OR or FOLLOWEDBY",
        ),
        (
            "[a:b = 1] x y",
            "E305",
            "x y",
            "the pattern is over before `x`",
            "remove what follows, or join it with AND, OR or FOLLOWEDBY",
        ),
        (
            "[a:b = 1] STOP t'2024-01-01T00:00:00Z'",
            "E305",
            "STOP",
            "`STOP` without `START`",
            "give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
        ),
        ("[ipv4-addr:value = 1.2.3.4]", "E306", "1.2.3.4", "`1.2.3.4` has no quotes", "write '1.2.3.4'"),
        ("[ipv4-addr:value = 10.0.0.0/8]", "E306", "10.0.0.0/8", "`10.0.0.0/8` has no quotes", "write '10.0.0.0/8'"),
        (
            "[ipv6-addr:value = 2001:db8::1]",
            "E306",
            "2001:db8::1",
            "`2001:db8::1` has no quotes",
            "write '2001:db8::1'",
        ),
        ("[ipv4-addr:value IN (1.2.3.4, 5.6.7.8)]", "E306", "1.2.3.4", "`1.2.3.4` has no quotes", "write '1.2.3.4'"),
        ("[file:hashes.MD5 = cead3f77f6]", "E306", "cead3f77f6", "`cead3f77f6` has no quotes", "write 'cead3f77f6'"),
        (
            "[file:name = null]",
            "E306",
            "null",
            "`null` has no quotes",
            "STIX has no null; ask NOT EXISTS before the path",
        ),
        ("[a:b = TRUE]", "E306", "TRUE", "`TRUE` has no quotes", "did you mean `true`?"),
        (
            "[file:name = 'x]",
            "E307",
            "'",
            "the text that starts here is never closed",
            "close it with a single quote; a quote inside a text is written \\'",
        ),
        (
            r"[file:name = 'C:\Windows']",
            "E308",
            r"\W",
            r"`\W` is not an escape",
            r"a backslash in a text is written twice: 'C:\\Windows'; a quote is \'",
        ),
        (
            "[a:b = t'2024-01-01']",
            "E309",
            "t'2024-01-01'",
            "`t'2024-01-01'` is not a timestamp",
            "timestamps are UTC with upper-case T and Z: t'2024-01-15T12:30:45.123Z'",
        ),
        (
            "[a:b = 1] START '2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
            "E309",
            "'2024-01-01T00:00:00Z'",
            "the bounds of a window are timestamps",
            "write t'2024-01-01T00:00:00Z'",
        ),
        (
            "[a:b = h'abc']",
            "E310",
            "h'abc'",
            "`h'abc'` is not pairs of hex digits",
            "write two digits for every byte: h'0aff'",
        ),
        (
            "[a:b = b'====']",
            "E311",
            "b'===='",
            "this is not base64",
            "the alphabet is A-Z a-z 0-9 + /, padded with = to a multiple of four: b'AAE='",
        ),
        (
            "[NOT file:name = 'x']",
            "E312",
            "NOT",
            "`NOT` stands before the operator, not before the path",
            "write file:name NOT …",
        ),
        (
            "NOT [a:b = 1]",
            "E312",
            "NOT",
            "observations cannot be negated",
            "negate the comparison: [file:name NOT = 'x'], or write !=",
        ),
        ("[file:hashes.SHA-256 = 'x']", "E313", "SHA-256", "the property `SHA-256` needs quotes", "write 'SHA-256'"),
        ("[a:b.1x = 'x']", "E313", "1x", "the property `1x` needs quotes", "write '1x'"),
        ("[a:START = 'x']", "E313", "START", "the property `START` needs quotes", "write 'START'"),
        ("[file.size = 1280]", "E314", ".", "expected `:` after `file`, found `.`", "write file:size"),
        (
            "[a:b = 007]",
            "E315",
            "007",
            "`007` is not a number of the grammar",
            "integers have no leading zeros; if a text is meant, put it into quotes",
        ),
        (
            "[a:b = 1e5]",
            "E315",
            "1e5",
            "`1e5` is not a number of the grammar",
            "write digits on both sides of the point and no exponent",
        ),
        (
            "[a:b = 9223372036854775808]",
            "E316",
            "9223372036854775808",
            "`9223372036854775808` is beyond 64 bits",
            "integers are from -9223372036854775808 to 9223372036854775807",
        ),
        ("[a:b LIKE 5]", "E317", "5", "`LIKE` takes a text in quotes", "write '5'"),
        ("[a:b > true]", "E317", "true", "`>` does not take `true`", "compare with `=` or `!=`"),
        ("[a:b IN 'x']", "E317", "'x'", "`IN` takes a list in parentheses, not `'x'`", "write IN ('a', 'b')"),
        ("[a:b = 1] within 2 SECONDS", "E318", "within", "keywords are upper-case: `within`", "did you mean `WITHIN`?"),
        ("[a:b = 1] and [a:b = 2]", "E318", "and", "keywords are upper-case: `and`", "did you mean `AND`?"),
        ("[a:b = 1 or a:b = 2]", "E318", "or", "keywords are upper-case: `or`", "did you mean `OR`?"),
        ("[a:b like 'x']", "E318", "like", "keywords are upper-case: `like`", "did you mean `LIKE`?"),
        ("[a:b MATCH 'x']", "E319", "MATCH", "there is no operator `MATCH`", "did you mean `MATCHES`?"),
        ("[a:b CONTAINS 'x']", "E319", "CONTAINS", "there is no operator `CONTAINS`", "write LIKE '%…%'"),
        ("[a:b EXISTS]", "E319", "EXISTS", "`EXISTS` stands before the path", "write EXISTS a:b"),
        ("[a:b =~ 'x']", "E326", "~", "`~` does not belong here", ""),
        (
            "[a:b = 1] START t'2024-01-01T00:00:00Z'",
            "E320",
            "START",
            "`START` without `STOP`",
            "give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
        ),
        (
            "[a:b = 1] WITHIN 5 HOURS",
            "E321",
            "HOURS",
            "expected `SECONDS`, found `HOURS`",
            "the unit of `WITHIN` is always SECONDS: WITHIN 3600 SECONDS",
        ),
        (
            "[a:b = 1] WITHIN -5 SECONDS",
            "E321",
            "-5",
            "`WITHIN` takes a number of seconds, at least 0, not `-5`",
            "write WITHIN 300 SECONDS",
        ),
        (
            "[a:b = 1] REPEATS 2.5 TIMES",
            "E321",
            "2.5",
            "`REPEATS` takes a whole number, at least 1, not `2.5`",
            "write REPEATS 5 TIMES",
        ),
        ("[a:b = 1] WITHIN 0.0 SECONDS", "E322", "WITHIN 0.0", "`WITHIN 0` can never be met", "give a time above 0"),
        (
            "[a:b = 1] REPEATS 0 TIMES",
            "E322",
            "REPEATS 0",
            "`REPEATS 0` can never be met",
            "give a count of at least 1",
        ),
        (
            "[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS",
            "E323",
            "WITHIN 6 SECONDS",
            "`WITHIN` stands twice on one observation",
            "remove one of them, or put the observation with the first one into parentheses if both are meant",
        ),
        ("[file:hashes.'SHA-256' = 'f00']", "E325", "'f00'", "`f00` is not a SHA-256 hash", ""),
        ("[file:name = \"x\"]", "E326", "\"", "`\"` does not belong here", "texts stand in single quotes: 'x'"),
        ("[file:name = ‘x’]", "E326", "‘", "`‘` does not belong here", "texts stand in straight single quotes: 'x'"),
        ("[file:size = ]", "E302", "]", "expected a value, found `]`", ""),
        ("[]", "E302", "]", "a comparison is missing before `]`", "write a test: file:name = 'x'"),
        ("[a:b]", "E302", "]", "expected an operator, found `]`", "compare the path: a:b = 'x', or ask EXISTS a:b"),
        (
            "[a:b = 1 FOLLOWEDBY a:b = 2]",
            "E302",
            "FOLLOWEDBY",
            "expected `AND`, `OR` or `]`, found `FOLLOWEDBY`",
            "close with `]` before it",
        ),
        ("[a:b = 'it's']", "E302", "s", "the text before this is over", "a quote inside a text is written \\'"),
        (
            "[a:b[x] = 1]",
            "E302",
            "x",
            "expected a list index or `*`, found `x`",
            "write [0] for the first element, [*] for any",
        ),
    ];
    for (text, code, place, message, help) in cases {
        let expected = [code, place, message, help].map(str::to_owned);
        let (a, b, c, d) = fault(text);
        assert_eq!([a, b, c, d], expected, "{text}");
    }
    let old = parse("[EXISTS file:name]", Version::V20).unwrap_err();
    assert_eq!((old.first().code, old.first().message.as_str()), (Code::ExistsIn20, "STIX 2.0 has no `EXISTS`"));
    let text = "[a:b = 1] START '2024-01-01' STOP '2024-01-02T00:00:00Z'";
    assert_eq!(parse(text, Version::V20).unwrap_err().first().code, Code::BadWindowText);
}

#[test]
fn a_rendering_shows_the_line_the_caret_and_the_remedy() {
    let text = "[file:name = 'x']\n  START t'2024-01-01T00:00:00Z'\n  AND [file:size > 1]";
    let errors = parse(text, Version::V21).unwrap_err();
    let expected = "\
error[E320]: `START` without `STOP`
 --> rule.yaml:2:3
  |
2 |   START t'2024-01-01T00:00:00Z'
  |   ^^^^^
3 |   AND [file:size > 1]
  |   --- `STOP` is expected here
  |
  = help: give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'";
    assert_eq!(errors.render("rule.yaml", text, false), expected);
    let report = serde_json::to_value(errors.first().report(&SourceText::new("rule.yaml", text))).unwrap();
    assert_eq!(
        (report["line"].as_u64(), report["column"].as_u64(), &report["code"]),
        (Some(2), Some(3), &"E320".into())
    );
    assert_eq!(
        errors.to_string(),
        "E320: `START` without `STOP` (at byte 20); give both ends: START t'2024-01-01T00:00:00Z' STOP \
         t'2024-01-02T00:00:00Z'"
    );
}

#[test]
fn every_diagnostic_is_in_the_documentation() {
    let page = include_str!("../../../docs/stix.md");
    for facts in stix::diagnostic::DIAGNOSTICS {
        let line = format!("| {} | {} |", facts.number, facts.summary);
        assert!(page.contains(&line), "docs/stix.md lacks {line}");
    }
}

#[test]
fn every_fault_of_a_single_part_is_told_at_once() {
    let text = "[file:hashes.MD5 = 'f00' OR file:hashes.'SHA-1' IN ('a', 'b')] REPEATS 2 TIMES REPEATS 3 TIMES";
    let errors = parse(text, Version::V21).unwrap_err();
    let codes: Vec<_> = errors.iter().map(|fault| fault.code.number()).collect();
    assert_eq!(codes, ["E325", "E325", "E325", "E323"]);
}

#[test]
fn a_warning_does_not_refuse_and_says_what_may_be_meant() {
    let cases = [
        ("[a:b = t'2023-02-29T12:00:00Z']", "W301", "t'2023-02-29T12:00:00Z'"),
        ("[a:b = t'2023-02-28T12:00:00.1234567891Z']", "W302", "t'2023-02-28T12:00:00.1234567891Z'"),
        (
            "[a:b = 1] START t'2024-01-02T00:00:00Z' STOP t'2024-01-01T00:00:00Z'",
            "W303",
            "START t'2024-01-02T00:00:00Z' STOP t'2024-01-01T00:00:00Z'",
        ),
        ("[ipv4-addr:value = 'x' AND domain-name:value = 'y']", "W304", "domain-name:value"),
        ("[a:b IN (1, 'x')]", "W305", "a:b IN (1, 'x')"),
        ("[a:b = 1] FOLLOWEDBY [a:b = 2] WITHIN 300 SECONDS", "W306", "WITHIN 300 SECONDS"),
        ("[a:b[-1] = 1]", "W307", "a:b[-1]"),
        ("[a:b IN ()]", "W308", "a:b IN ()"),
        ("[a:b ISSUBSET '10.0.0/8']", "W309", "'10.0.0/8'"),
        ("[a:b MATCHES 'a(']", "W310", "'a('"),
    ];
    for (text, code, place) in cases {
        let checked = check(text, Version::V21);
        let found: Vec<_> =
            checked.diagnostics.iter().map(|found| (found.code.number(), &text[found.primary.span.range()])).collect();
        assert_eq!(found, [(code, place)], "{text}");
        assert!(checked.pattern.is_some(), "{text}");
    }
    for quiet in [
        "[a:b = 1] REPEATS 2 TIMES WITHIN 300 SECONDS",
        "([a:b = 1] FOLLOWEDBY [a:b = 2]) WITHIN 300 SECONDS",
        "[a:b = 1 AND a:c = 2] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
        "[a:b IN (1, 2.5)]",
    ] {
        assert!(check(quiet, Version::V21).diagnostics.is_empty(), "{quiet}");
    }
}

#[test]
fn depth_is_refused_before_it_can_exhaust_the_stack() {
    let refused = |text: String| {
        let code = parse(&text, Version::V21).unwrap_err().first().code;
        assert_eq!(code, Code::TooDeep);
    };
    refused(format!("{}[a:b = 1]{}", "(".repeat(100_000), ")".repeat(100_000)));
    refused("(".repeat(1_000_000));
    refused(format!("[{}a:b = 1{}]", "(".repeat(100_000), ")".repeat(100_000)));
    refused(format!("[a:b = 1{}]", " OR a:b = 1".repeat(100_000)));
    refused(format!("[a:b = 1]{}", " AND [a:b = 1]".repeat(100_000)));
    refused(format!("([a:b = 1]){}", " WITHIN 1 SECONDS".repeat(100_000)));
    let deep = format!("[{}a:b = 1{}{}]", "(".repeat(100), ")".repeat(100), " OR a:b = 1".repeat(990));
    let pattern = parse(&deep, Version::V21).unwrap();
    assert_eq!(pattern.to_string().matches("OR").count(), 990);
    let steps = format!("[a:b{} = 1]", "[0].x".repeat(100_000));
    assert!(parse(&steps, Version::V21).is_ok());
}

#[test]
fn operators_bind_as_the_specification_says() {
    let same = |a: &str, b: &str| {
        let (left, right) = (parse(a, Version::V21).unwrap(), parse(b, Version::V21).unwrap());
        assert_eq!(left.to_string(), right.to_string());
        assert_eq!(bare(&left), bare(&right));
    };
    same("[a:b=1] FOLLOWEDBY [a:b=2] OR [a:b=3] AND [a:b=4]", "[a:b=1] FOLLOWEDBY ([a:b=2] OR ([a:b=3] AND [a:b=4]))");
    same("[a:b=1] FOLLOWEDBY [a:b=2] FOLLOWEDBY [a:b=3]", "([a:b=1] FOLLOWEDBY [a:b=2]) FOLLOWEDBY [a:b=3]");
    same("[a:b=1] AND [a:b=2] WITHIN 5 SECONDS", "[a:b=1] AND ([a:b=2] WITHIN 5 SECONDS)");
    same("[a:b=1 OR a:b=2 AND a:b=3]", "[a:b=1 OR (a:b=2 AND a:b=3)]");
    same("[a:b==1 AND a:c<>2]", "[ a : b = 1 /* one */ AND a:c != +2 ] // end");
}

/// The tree without places.
fn bare(pattern: &Pattern) -> Pattern {
    let mut pattern = pattern.clone();
    strip_observation(&mut pattern.root);
    pattern
}

fn strip_observation(at: &mut Observation) {
    at.span = 0..0;
    match &mut at.kind {
        ObservationKind::Leaf { comparison, .. } => strip_comparison(comparison),
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            strip_observation(left);
            strip_observation(right);
        }
        ObservationKind::Qualified(inner, qualifier) => {
            strip_observation(inner);
            qualifier.span = 0..0;
        }
    }
}

fn strip_comparison(at: &mut Comparison) {
    at.span = 0..0;
    match &mut at.kind {
        ComparisonKind::And(left, right) | ComparisonKind::Or(left, right) => {
            strip_comparison(left);
            strip_comparison(right);
        }
        ComparisonKind::Exists { path, .. } => path.span = 0..0,
        ComparisonKind::Test { path, operator, .. } => {
            path.span = 0..0;
            match operator {
                Operator::In(literals) => literals.iter_mut().for_each(|literal| literal.span = 0..0),
                Operator::Equal(literal)
                | Operator::NotEqual(literal)
                | Operator::Less(literal)
                | Operator::LessOrEqual(literal)
                | Operator::Greater(literal)
                | Operator::GreaterOrEqual(literal)
                | Operator::Like(literal)
                | Operator::Matches(literal)
                | Operator::IsSubset(literal)
                | Operator::IsSuperset(literal) => literal.span = 0..0,
            }
        }
    }
}

const FIRST: i128 = -62_167_219_200_000_000_000; // 0000-01-01T00:00:00Z
const LAST: i128 = 253_402_300_799_999_999_999; // 9999-12-31T23:59:59.999999999Z

fn literal(value: Value) -> Literal {
    Literal { value, span: 0..0 }
}

fn text() -> impl Strategy<Value = Literal> {
    any::<String>().prop_map(|text| literal(Value::Text(text)))
}

fn value() -> impl Strategy<Value = Literal> {
    prop_oneof![
        text(),
        any::<i64>().prop_map(|number| literal(Value::Integer(number))),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| literal(Value::Float(number))),
        any::<bool>().prop_map(|truth| literal(Value::Boolean(truth))),
        (FIRST..=LAST).prop_map(|at| literal(Value::Timestamp(at))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| literal(Value::Hex(bytes))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| literal(Value::Binary(bytes))),
    ]
}

fn path() -> impl Strategy<Value = ObjectPath> {
    let property = prop_oneof!["[a-zA-Z_][a-zA-Z0-9_]{0,8}", any::<String>(), Just("EXISTS".to_owned())]
        .prop_filter("no hash check", |name| name != "hashes")
        .prop_map(Step::Property);
    let step = prop_oneof![property.clone(), any::<i64>().prop_map(Step::Index), Just(Step::AnyElement)];
    ("[a-z][a-z0-9_-]{0,8}", property, prop::collection::vec(step, 0..4))
        .prop_filter("not a keyword", |(object_type, ..)| !matches!(object_type.as_str(), "true" | "false"))
        .prop_map(|(object_type, first, rest)| ObjectPath {
            object_type,
            steps: std::iter::once(first).chain(rest).collect(),
            span: 0..0,
        })
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let orderable = || value().prop_filter("has an order", |literal| !matches!(literal.value, Value::Boolean(_)));
    let operator = prop_oneof![
        value().prop_map(Operator::Equal),
        value().prop_map(Operator::NotEqual),
        orderable().prop_map(Operator::Less),
        orderable().prop_map(Operator::LessOrEqual),
        orderable().prop_map(Operator::Greater),
        orderable().prop_map(Operator::GreaterOrEqual),
        prop::collection::vec(value(), 0..4).prop_map(Operator::In),
        text().prop_map(Operator::Like),
        text().prop_map(Operator::Matches),
        text().prop_map(Operator::IsSubset),
        text().prop_map(Operator::IsSuperset),
    ];
    let leaf = prop_oneof![
        4 => (path(), any::<bool>(), operator)
            .prop_map(|(path, negated, operator)| ComparisonKind::Test { path, negated, operator }),
        1 => (path(), any::<bool>()).prop_map(|(path, negated)| ComparisonKind::Exists { path, negated }),
    ];
    let leaf = leaf.prop_map(|kind| Comparison { kind, span: 0..0 });
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(left, right, and)| {
            let (left, right) = (Box::new(left), Box::new(right));
            let kind = if and { ComparisonKind::And(left, right) } else { ComparisonKind::Or(left, right) };
            Comparison { kind, span: 0..0 }
        })
    })
}

fn observation() -> impl Strategy<Value = Observation> {
    let leaf = comparison()
        .prop_map(|comparison| Observation { kind: ObservationKind::Leaf { number: 0, comparison }, span: 0..0 });
    let qualifier = prop_oneof![
        (1..=u64::MAX).prop_map(QualifierKind::Within),
        (1..=u64::MAX).prop_map(QualifierKind::Repeats),
        (FIRST..=LAST, FIRST..=LAST).prop_map(|(start, stop)| QualifierKind::StartStop(start, stop)),
    ];
    leaf.prop_recursive(4, 12, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), 0..3).prop_map(|(left, right, which)| {
                let (left, right) = (Box::new(left), Box::new(right));
                let kind = match which {
                    0 => ObservationKind::And(left, right),
                    1 => ObservationKind::Or(left, right),
                    _ => ObservationKind::FollowedBy(left, right),
                };
                Observation { kind, span: 0..0 }
            }),
            (inner, qualifier.clone()).prop_map(|(inner, kind)| {
                let qualifier = Qualifier { kind, span: 0..0 };
                Observation { kind: ObservationKind::Qualified(Box::new(inner), qualifier), span: 0..0 }
            }),
        ]
    })
}

fn number_leaves(at: &mut Observation, next: &mut usize) {
    match &mut at.kind {
        ObservationKind::Leaf { number, .. } => {
            *number = *next;
            *next += 1;
        }
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            number_leaves(left, next);
            number_leaves(right, next);
        }
        ObservationKind::Qualified(inner, _) => number_leaves(inner, next),
    }
}

/// Characters of patterns in any order, or anything.
const SCRIBBLE: &str = "[\\[\\]()a-c:.=<>!'\\\\/*+0-9 \nANDORTIMES_-]{0,60}|\\PC{0,40}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_as_the_same_tree(mut root in observation()) {
        let mut leaves = 0;
        number_leaves(&mut root, &mut leaves);
        let pattern = Pattern { root, leaves };
        let text = pattern.to_string();
        let read = parse(&text, Version::V21).map_err(|fault| TestCaseError::fail(format!("{text}\n{fault}")))?;
        prop_assert_eq!(&bare(&read), &pattern, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_text_breaks_the_parser_or_its_diagnostics(text in SCRIBBLE) {
        for version in [Version::V20, Version::V21] {
            let checked = check(&text, version);
            prop_assert_eq!(checked.pattern.is_some(), parse(&text, version).is_ok());
            for diagnostic in &checked.diagnostics {
                prop_assert!(text.get(diagnostic.primary.span.range()).is_some(), "{:?}", diagnostic);
                prop_assert!(diagnostic.render(&SourceText::new("p", &text), false).contains(diagnostic.code.number()));
            }
        }
    }
}
