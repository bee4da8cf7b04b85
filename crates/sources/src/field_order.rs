//! Which lines of a rendered message are its fields, when some lines only look like fields.
//!
//! A value may hold line breaks and any text, so it may hold lines `Name: value`. What tells the fields from such lines
//! is their order: a message has the fields of its version in the order of the manifest, and a text stands between
//! its own line and the line of the next field. A *reading* says which of the lines that start with a name are the
//! fields. [`EventFields::reading`] takes the first of these that the lines allow:
//!
//! 1. All lines, if they are in order and one version has all these names. [`TextFields`](crate::TextFields) sees this
//!    while it reads, and asks no further.
//! 2. All fields of a version, with all other lines inside one value. A text that copies other fields may make several
//!    values possible (`A B` `B C`: is the first `B` in `A`, or the second in `B`?). Then it is in the one that is
//!    most likely to hold text of an attacker ([`FREE_TEXT`]), else in the earliest.
//! 3. All fields of a version, with other lines inside several values.
//! 4. The fields of a version up to where the message was cut, with all other lines inside one value.
//! 5. As many names as possible in order, with all other lines inside one value, if that is possible.
//!
//! Whatever one value holds, rule 2 finds the other fields of a complete message, unless its text is made so that
//! another value is possible too and comes first. It never fails for the value of an event that comes first in
//! [`FREE_TEXT`].
//!
//! In 3 and 5 the fields up to the value that is most likely to hold text have their first lines, those after it their
//! last ones.

use std::cmp::Reverse;

/// Most names an event may have, and most fields the generic rule makes of one message.
pub const FIELD_LIMIT: usize = 128;

/// Names of fields that may hold text of an attacker, the easiest to fill first: a command line is free to everyone, a
/// file name needs a file system that allows line breaks in it. A rule's name is the administrator's.
const FREE_TEXT: [&str; 37] = [
    "CommandLine",
    "ParentCommandLine",
    "CurrentDirectory",
    "Contents",
    "Details",
    "Query",
    "Destination",
    "QueryName",
    "QueryResults",
    "ClientInfo",
    "Filter",
    "Consumer",
    "Name",
    "EventNamespace",
    "TargetObject",
    "NewName",
    "PipeName",
    "TargetFilename",
    "Description",
    "Product",
    "Company",
    "OriginalFileName",
    "FileVersion",
    "Signature",
    "DestinationHostname",
    "SourceHostname",
    "ImageLoaded",
    "TargetImage",
    "SourceImage",
    "ParentImage",
    "Image",
    "CallTrace",
    "StartModule",
    "StartFunction",
    "Configuration",
    "Device",
    "RuleName",
];

/// The fields that an event may have.
#[derive(Clone, Debug)]
pub(crate) struct EventFields {
    names: Vec<String>,
    versions: Vec<Version>,
    /// Place in [`FREE_TEXT`] by place in `names`.
    ranks: Vec<u8>,
}

/// The fields of one version of an event: places in [`EventFields::names`].
#[derive(Clone, Debug)]
struct Version {
    places: Vec<u8>,
    set: u128,
}

/// A line that starts with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its first byte in the message.
    pub(crate) at: usize,
    /// Place of the name in [`EventFields::names`].
    pub(crate) place: usize,
    /// Bytes of the name.
    pub(crate) length: usize,
}

/// A reading with all lines that are not fields inside one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    /// Rank of that value.
    rank: u8,
    /// How many fields have the first lines of the message.
    head: usize,
    /// How many have the last ones; more is better.
    tail: Reverse<usize>,
}

impl EventFields {
    /// From the fields of each version in the order of its messages, the newest first. At most [`FIELD_LIMIT`] names
    /// count, and each once.
    pub(crate) fn new(versions: &[Vec<String>]) -> Self {
        let mut names: Vec<String> = Vec::new();
        for version in versions {
            let mut next = 0;
            for name in version {
                let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                    names.insert(next, name.clone());
                    next
                });
                next = place + 1;
            }
        }
        names.truncate(FIELD_LIMIT);
        let rank = |name: &String| FREE_TEXT.iter().position(|free| free == name).unwrap_or(FREE_TEXT.len()) as u8;
        let ranks = names.iter().map(rank).collect();
        let versions = versions.iter().map(|version| Version::new(version, &names)).collect();
        Self { names, versions, ranks }
    }

    /// All names. Those of the newest version are in its order, the others behind what they follow in their version.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether one version has all these names, given as bits by place.
    pub(crate) fn are_of_one_version(&self, set: u128) -> bool {
        self.versions.iter().any(|version| set & !version.set == 0)
    }

    /// The lines that are fields, as ascending places in `lines`. Linear in their number.
    pub(crate) fn reading(&self, lines: &[Line]) -> Vec<usize> {
        let complete = self.versions.iter().filter_map(|version| {
            let all = version.places.len();
            self.block(lines, &version.places, all)
        });
        if let Some(block) = complete.min() {
            return block.fields(lines.len());
        }
        let chain = self.longest_chain(lines);
        let places: Vec<u8> = chain.iter().filter_map(|line| lines.get(*line)).map(|line| line.place as u8).collect();
        if self.versions.iter().any(|version| version.places == places) {
            return chain;
        }
        let cut = self.versions.iter().filter_map(|version| {
            let end = version.places.iter().position(|place| lines.last().is_some_and(|line| line.is_at(*place)))?;
            self.block(lines, version.places.get(..=end)?, end)
        });
        let block = cut.min().or_else(|| self.block(lines, &places, places.len()));
        block.map_or(chain, |block| block.fields(lines.len()))
    }

    /// The best reading that has all of `places`, with all other lines inside the value of one of the first `most`.
    fn block(&self, lines: &[Line], places: &[u8], most: usize) -> Option<Block> {
        if lines.len() < places.len() {
            return None;
        }
        let is_same = |(line, place): &(&Line, &u8)| line.is_at(**place);
        let head = lines.iter().zip(places).take_while(is_same).count();
        let tail = lines.iter().rev().zip(places.iter().rev()).take_while(is_same).count();
        let heads = (places.len() - tail).max(1)..=head.min(most);
        heads
            .filter_map(|head| {
                let attacked = *places.get(head - 1)?;
                Some(Block { rank: self.rank(attacked.into()), head, tail: Reverse(places.len() - head) })
            })
            .min()
    }

    /// A longest sequence of lines whose names are in order, as places in `lines`. Of several it has a line of the name
    /// with the first rank, up to it the first lines, after it the last ones.
    fn longest_chain(&self, lines: &[Line]) -> Vec<usize> {
        let (before, mut after) = (
            chain_lengths(lines.iter().map(|line| line.place)),
            chain_lengths(lines.iter().rev().map(|line| self.names.len() - 1 - line.place)),
        );
        after.reverse();
        let candidates = || lines.iter().zip(before.iter().zip(&after)).enumerate();
        let Some(longest) = candidates().map(|(_, (_, (before, after)))| before + after).max() else {
            return Vec::new();
        };
        let pivot = candidates()
            .filter(|(_, (_, (before, after)))| *before + *after == longest)
            .min_by_key(|(_, (line, _))| (self.rank(line.place), line.place));
        let Some((pivot, (line, (before_pivot, after_pivot)))) = pivot else { return Vec::new() };
        let mut chain = vec![pivot];
        let mut place = line.place;
        for length in (1..*before_pivot).rev() {
            let first = candidates()
                .take(pivot)
                .find(|(_, (line, (before, _)))| **before == length && line.place < place)
                .map(|(at, (line, _))| (at, line.place));
            let Some((at, earlier)) = first else { break };
            chain.push(at);
            place = earlier;
        }
        chain.reverse();
        place = line.place;
        for length in (1..*after_pivot).rev() {
            let last = candidates()
                .rev()
                .take(lines.len() - 1 - pivot)
                .find(|(_, (line, (_, after)))| **after == length && line.place > place)
                .map(|(at, (line, _))| (at, line.place));
            let Some((at, later)) = last else { break };
            chain.push(at);
            place = later;
        }
        chain
    }

    fn rank(&self, place: usize) -> u8 {
        self.ranks.get(place).copied().unwrap_or(u8::MAX)
    }
}

impl Version {
    fn new(version: &[String], names: &[String]) -> Self {
        let mut places = Vec::new();
        let mut set = 0;
        for place in version.iter().filter_map(|name| names.iter().position(|known| known == name)) {
            if set & bit(place) == 0 {
                places.push(place as u8);
                set |= bit(place);
            }
        }
        Self { places, set }
    }
}

impl Line {
    fn is_at(&self, place: u8) -> bool {
        self.place == usize::from(place)
    }
}

impl Block {
    fn fields(&self, lines: usize) -> Vec<usize> {
        (0..self.head).chain(lines - self.tail.0..lines).collect()
    }
}

/// The bit of a name in a set of names, of which there are at most [`FIELD_LIMIT`].
#[inline]
pub(crate) fn bit(place: usize) -> u128 {
    1u128.wrapping_shl(place as u32)
}

/// For each line the length of the longest sequence that is in order and ends there.
fn chain_lengths(places: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut longest = [0u8; FIELD_LIMIT];
    places
        .map(|place| {
            let (before, from) = longest.split_at_mut(place.min(FIELD_LIMIT - 1));
            let length = before.iter().max().map_or(1, |most| most + 1);
            if let Some(own) = from.first_mut() {
                *own = length.max(*own);
            }
            length
        })
        .collect()
}
