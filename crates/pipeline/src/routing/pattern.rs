//! Patterns over bucket names, keys and streams: `*`, and `{name}` for a part between two slashes.

use diagnostics::quote;
use regex::Regex;

/// The longest key of S3, in bytes. No pattern that needs more can match.
pub(crate) const LONGEST_KEY: usize = 1_024;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// These characters.
    Literal(String),
    /// Any characters, or none: `*`.
    Any,
    /// One or more characters other than `/`, kept under this name: `{name}`.
    Capture(String),
}

/// A pattern as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternFault {
    /// The bytes of the text that are at fault.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
}

/// Which end of a text a pattern is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The whole text.
    Whole,
    /// Its start.
    Start,
    /// Its end.
    End,
}

impl Pattern {
    /// Reads a pattern. `{{` and `}}` are braces of the text itself.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternFault> {
        let mut parts: Vec<Part> = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let rest = &text[at..];
            let fault = |end, message: &str| PatternFault { start: at, end, message: message.to_owned() };
            match next {
                '{' | '}' if rest[1..].starts_with(next) => {
                    literal.push(next);
                    at += 2;
                }
                '}' => return Err(fault(at + 1, "a `}` that closes nothing; a brace of the text itself is `}}`")),
                '{' => {
                    let Some(length) = rest.find('}') else {
                        return Err(fault(
                            text.len(),
                            "a `{` that is never closed; a brace of the text itself is `{{`",
                        ));
                    };
                    let name = &rest[1..length];
                    if !is_name(name) {
                        let message =
                            format!("{} is not a name: letters, digits and `_`, and no digit first", quote(name));
                        return Err(PatternFault { start: at, end: at + length + 1, message });
                    }
                    let is_same = |part: &Part| matches!(part, Part::Capture(other) if other == name);
                    if parts.iter().any(is_same) {
                        return Err(fault(at + length + 1, "the pattern captures this name twice"));
                    }
                    flush(&mut literal, &mut parts);
                    if matches!(parts.last(), Some(Part::Capture(_))) {
                        return Err(fault(at + length + 1, "nothing says where the capture before this one ends"));
                    }
                    parts.push(Part::Capture(name.to_owned()));
                    at += length + 1;
                }
                '*' => {
                    flush(&mut literal, &mut parts);
                    if parts.last() != Some(&Part::Any) {
                        parts.push(Part::Any);
                    }
                    at += 1;
                }
                other => {
                    literal.push(other);
                    at += other.len_utf8();
                }
            }
        }
        flush(&mut literal, &mut parts);
        Ok(Self { parts })
    }

    /// The pattern of a start: what follows is anything, so a `*` at its end says nothing.
    pub(crate) fn of_start(mut self) -> Self {
        if self.parts.last() == Some(&Part::Any) {
            self.parts.pop();
        }
        self
    }

    /// The pattern of an end: what comes before is anything, so a `*` at its start says nothing.
    pub(crate) fn of_end(mut self) -> Self {
        if self.parts.first() == Some(&Part::Any) {
            self.parts.remove(0);
        }
        self
    }

    /// This pattern with anything after it.
    pub(crate) fn and_anything(&self) -> Self {
        let mut parts = self.parts.clone();
        if parts.last() != Some(&Part::Any) {
            parts.push(Part::Any);
        }
        Self { parts }
    }

    /// Names of its captures.
    pub(crate) fn captures(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Its literal texts.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// How many characters it fixes.
    pub(crate) fn literal_characters(&self) -> usize {
        self.literals().map(|text| text.chars().count()).sum()
    }

    /// Bytes of the shortest text that it matches.
    pub(crate) fn shortest(&self) -> usize {
        self.literals().map(str::len).sum::<usize>() + self.captures().count()
    }

    /// Whether it matches the empty text only.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Equal for patterns that match the same texts but for the names of their captures.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => shape.push_str(&text.replace('\0', "\0\0")),
                Part::Any => shape.push_str("\0*"),
                Part::Capture(_) => shape.push_str("\0{"),
            }
        }
        shape
    }

    /// Whether every text that `other` matches is matched by this one. False where that cannot be told part by part.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (ours, theirs) = (symbols(&self.parts), symbols(&other.parts));
        let (mut our, mut their) = (0, 0);
        // The latest `*` of ours, and how much of theirs it takes so far.
        let mut star: Option<(usize, usize)> = None;
        while their < theirs.len() {
            match ours.get(our) {
                Some(Symbol::Any) => {
                    star = Some((our, their));
                    our += 1;
                }
                Some(symbol) if *symbol == theirs[their] => {
                    our += 1;
                    their += 1;
                }
                _ => {
                    let Some((at, taken)) = &mut star else { return false };
                    *taken += 1;
                    our = *at + 1;
                    their = *taken;
                }
            }
        }
        ours[our..].iter().all(|symbol| *symbol == Symbol::Any)
    }

    /// The pattern, ready to be held against texts; none where it is longer than any key.
    pub(crate) fn matcher(&self, anchor: Anchor) -> Matcher {
        if self.shortest() > LONGEST_KEY {
            return Matcher::Never;
        }
        match (self.parts.as_slice(), anchor) {
            ([], Anchor::Whole) => Matcher::Whole(String::new()),
            ([], _) | ([Part::Any], _) => Matcher::Always,
            ([Part::Literal(text)], Anchor::Whole) => Matcher::Whole(text.clone()),
            ([Part::Literal(text)], Anchor::Start) | ([Part::Literal(text), Part::Any], Anchor::Whole) => {
                Matcher::Start(text.clone())
            }
            ([Part::Literal(text)], Anchor::End) | ([Part::Any, Part::Literal(text)], Anchor::Whole) => {
                Matcher::End(text.clone())
            }
            (parts, _) => match Regex::new(&expression(parts, anchor)) {
                Ok(regex) => Matcher::Regex(regex),
                Err(_) => Matcher::Never,
            },
        }
    }
}

/// A character of a text, or what stands for some.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Character(char),
    Any,
    Capture,
}

fn symbols(parts: &[Part]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    for part in parts {
        match part {
            Part::Literal(text) => symbols.extend(text.chars().map(Symbol::Character)),
            Part::Any => symbols.push(Symbol::Any),
            Part::Capture(_) => symbols.push(Symbol::Capture),
        }
    }
    symbols
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Whether a capture may have that name, so that a mapping can read it as `$._key.name`.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
}

/// A `*` takes as little as it can, so that what follows it is found at its first place; a capture takes the whole of
/// what lies between two slashes.
fn expression(parts: &[Part], anchor: Anchor) -> String {
    let mut expression = String::from("(?s)");
    if anchor != Anchor::End {
        expression.push_str(r"\A");
    }
    for part in parts {
        match part {
            Part::Literal(text) => expression.push_str(&regex::escape(text)),
            Part::Any => expression.push_str(".*?"),
            Part::Capture(name) => {
                expression.push_str("(?<");
                expression.push_str(name);
                expression.push_str(">[^/]+)");
            }
        }
    }
    if anchor != Anchor::Start {
        expression.push_str(r"\z");
    }
    expression
}

/// A compiled [`Pattern`].
#[derive(Debug)]
pub(crate) enum Matcher {
    Always,
    Never,
    Whole(String),
    Start(String),
    End(String),
    Regex(Regex),
}

impl Matcher {
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Matcher::Always => true,
            Matcher::Never => false,
            Matcher::Whole(whole) => text == whole,
            Matcher::Start(start) => text.starts_with(start),
            Matcher::End(end) => text.ends_with(end),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }

    /// Adds what the captures hold; the text must match.
    pub(crate) fn captures(&self, text: &str, found: &mut Vec<(String, String)>) {
        let Matcher::Regex(regex) = self else { return };
        let Some(captures) = regex.captures(text) else { return };
        for name in regex.capture_names().flatten() {
            if let Some(value) = captures.name(name) {
                found.push((name.to_owned(), value.as_str().to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    /// What the captures hold, as `name=value`; none where the text does not match.
    fn captured(text: &str, anchor: Anchor, subject: &str) -> Option<Vec<String>> {
        let matcher = pattern(text).matcher(anchor);
        let mut found = Vec::new();
        matcher.captures(subject, &mut found);
        matcher.is_match(subject).then(|| found.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn a_star_is_anything_and_a_name_is_a_part_between_slashes() {
        use Anchor::{End, Start, Whole};
        for (text, anchor, subject, expected) in [
            ("logs", Whole, "logs", Some(&[][..])),
            ("logs", Whole, "logs2", None),
            ("*", Whole, "", Some(&[])),
            ("acme-*-logs", Whole, "acme-eu-1-logs", Some(&[])),
            ("acme-*-logs", Whole, "acme-logs", None),
            ("a*b*c", Whole, "a/x/b\n/c", Some(&[])),
            ("logs/", Start, "logs/x", Some(&[])),
            ("*/CloudTrail/", Start, "x/AWSLogs/CloudTrail/1", Some(&[])),
            ("", Start, "anything", Some(&[])),
            (".json", End, "a.json", Some(&[])),
            (".json", End, "a.json.gz", None),
            ("{tenant}/", Start, "acme/x", Some(&["tenant=acme"])),
            ("{tenant}/", Start, "/x", None),
            ("logs/{tenant}", Start, "logs/acme/x", Some(&["tenant=acme"])),
            ("{a}-{b}", Whole, "x-y-z", Some(&["a=x-y", "b=z"])),
            ("{file}.json", End, "a/b.c.json", Some(&["file=b.c"])),
            ("*AWSLogs/{account}/", Start, "AWSLogs/1/AWSLogs/2/", Some(&["account=1"])),
            ("é{x}.(+)", Whole, "éü.(+)", Some(&["x=ü"])),
            ("{{a}}", Whole, "{a}", Some(&[])),
        ] {
            let expected = expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(captured(text, anchor, subject), expected, "{text} on {subject}");
        }
    }

    #[test]
    fn a_text_that_is_no_pattern_is_refused_at_its_place() {
        for (text, start, end, message) in [
            ("a/{b", 2, 4, "a `{` that is never closed"),
            ("a}b", 1, 2, "a `}` that closes nothing"),
            ("é{}", 2, 4, "`` is not a name"),
            ("{1a}", 0, 4, "`1a` is not a name"),
            ("{a/b}", 0, 5, "`a/b` is not a name"),
            ("{a}/{a}", 4, 7, "the pattern captures this name twice"),
            ("{a}{b}", 3, 6, "nothing says where the capture before this one ends"),
        ] {
            let fault = Pattern::parse(text).unwrap_err();
            assert_eq!((fault.start, fault.end), (start, end), "{text}");
            assert!(fault.message.starts_with(message), "{text}: {}", fault.message);
        }
    }

    #[test]
    fn a_pattern_covers_what_it_matches_in_any_case() {
        for (one, other, covers) in [
            ("*", "a{b}*", true),
            ("a*", "ab*", true),
            ("ab*", "a*", false),
            ("*/x/*", "a/{b}/x/*", true),
            ("a{b}*", "a{c}*", true),
            ("a{b}*", "ab*", false),
            ("a", "a", true),
            ("", "*", false),
        ] {
            assert_eq!(pattern(one).covers(&pattern(other)), covers, "{one} and {other}");
        }
    }

    #[test]
    fn patterns_differ_in_shape_where_they_match_other_texts() {
        assert_eq!(pattern("a/{b}/*").shape(), pattern("a/{c}/**").shape());
        for (one, other) in [("a*", "a"), ("{a}", "*"), ("{{a}}", "{a}"), ("\0*", "*"), ("\0{x}", "{{")] {
            assert_ne!(pattern(one).shape(), pattern(other).shape(), "{one} and {other}");
        }
    }

    /// Whether a pattern matches, found out by trying everything.
    fn matches_slowly(parts: &[Part], text: &str) -> bool {
        match parts {
            [] => text.is_empty(),
            [Part::Literal(literal), rest @ ..] => {
                text.strip_prefix(literal.as_str()).is_some_and(|text| matches_slowly(rest, text))
            }
            [Part::Any, rest @ ..] => {
                text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches_slowly(rest, &text[at..]))
            }
            [Part::Capture(_), rest @ ..] => {
                let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
                ends.take_while(|end| !text[..*end].contains('/')).any(|end| matches_slowly(rest, &text[end..]))
            }
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_exactly_what_its_parts_say(text in "[ab/*]{0,4}(\\{x\\})?[ab/*]{0,4}", subject in "[ab/]{0,7}") {
            let pattern = pattern(&text);
            prop_assert_eq!(pattern.matcher(Anchor::Whole).is_match(&subject), matches_slowly(&pattern.parts, &subject));
            let started = pattern.and_anything();
            let start = pattern.clone().of_start().matcher(Anchor::Start);
            prop_assert_eq!(start.is_match(&subject), matches_slowly(&started.parts, &subject));
        }

        #[test]
        fn what_is_covered_is_matched(one in "[a/*]{0,4}", other in "[a/*]{0,5}(\\{x\\})?[a/*]{0,2}", subject in "[a/]{0,6}") {
            let (one, other) = (pattern(&one), pattern(&other));
            if one.covers(&other) && matches_slowly(&other.parts, &subject) {
                prop_assert!(matches_slowly(&one.parts, &subject));
            }
        }
    }
}
