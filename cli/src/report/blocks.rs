//! The blocks of a hunt by entity as a table, JSON or NDJSON.

use std::num::{NonZeroI64, NonZeroU32};

use clap::Args;
use detection::entity::{BlockSize, EntityKey, EntityTable, NoteKind};
use detection::schedule::parse_duration;

use crate::exit::Failure;
use crate::output::{Align, Format, Output, Table, count, counted, cut, cut_middle, harmless, instant, size};

/// What a hunt groups events by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Grouping {
    /// The ARN that caused the events, or else the source address
    Entity,
}

/// How events are grouped.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "By entity")]
pub(crate) struct BlockArguments {
    /// Group events by entity, split them into blocks, and evaluate rules over each block
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) by: Option<Grouping>,
    /// Number of events in a block
    #[arg(long, value_name = "N", requires = "by", conflicts_with = "block_time", default_value = "60")]
    block_rows: NonZeroU32,
    /// Length of a block: 90s, 15m, 1h, 1d
    #[arg(long, value_name = "TIME", requires = "by", value_parser = length)]
    block_time: Option<NonZeroI64>,
    /// Column or SQL expression that names the entity [default: the source's own]
    #[arg(long, value_name = "COLUMN", requires = "by")]
    entity: Option<String>,
}

impl BlockArguments {
    /// The size of a block.
    pub(crate) fn size(&self) -> BlockSize {
        self.block_time.map_or(BlockSize::Rows(self.block_rows), BlockSize::Time)
    }

    /// The key of entities, if one is given.
    pub(crate) fn key(&self) -> Option<EntityKey> {
        self.entity.as_deref().map(EntityKey::of_text)
    }
}

/// Milliseconds of `1h`.
fn length(text: &str) -> Result<NonZeroI64, String> {
    let length = parse_duration(text).map_err(|error| error.to_string())?;
    NonZeroI64::new(length).ok_or_else(|| "a block is longer than no time".to_owned())
}

/// Writes the blocks: as a table those that a rule hit, as JSON and NDJSON all.
pub(crate) fn write(table: &EntityTable, format: Format, output: &Output) -> Result<(), Failure> {
    match format {
        Format::Json => output.json(table),
        Format::Ndjson => output.stream(|data| {
            table.blocks.iter().try_for_each(|block| data.json(block))?;
            table.notes.iter().try_for_each(|note| data.json(note))
        }),
        Format::Table => {
            let lines = lines(table, output.width);
            if lines.is_empty() { Ok(()) } else { output.write(lines.render("", output.data)) }
        }
    }
}

/// Says what the table cannot: notes, totals, and events without an entity.
pub(crate) fn say(table: &EntityTable, output: &Output) {
    for note in &table.notes {
        let text = format!("`{}`: {}", harmless(&note.title), harmless(&note.message));
        match note.kind {
            NoteKind::Failed => output.complain(format_args!("{} {text}", output.talk.warning("not evaluated:"))),
            NoteKind::NoEvents => {}
            _ => output.say(format_args!("{} {text}", output.talk.faint("note:"))),
        }
    }
    let idle = table.notes.iter().filter(|note| note.kind == NoteKind::NoEvents).count() as u64;
    if idle > 0 {
        output.say(output.talk.faint(format_args!("{} without events here", counted(idle, "rule"))));
    }
    for (source, events) in &table.without_entity {
        let events = counted(*events, "event");
        output.say(output.talk.faint(format_args!("{events} of {source} without an entity left out")));
    }
    let hit = counted(table.hit_blocks().len() as u64, "block");
    let blocks = counted(table.blocks.len() as u64, "block");
    let entities = counted(table.entities() as u64, "entity");
    let read = size(table.statistics.scanned_bytes);
    let seconds = table.statistics.duration.as_secs_f64();
    output.say(output.talk.faint(format_args!("{hit} hit, of {blocks} of {entities}, in {seconds:.2} s; {read} read")));
}

/// A line for each rule that hit a block. What does not fit a terminal is cut in the entity and the tactics, and nowhere else.
fn lines(table: &EntityTable, width: Option<usize>) -> Table {
    let titles = [
        ("ENTITY", Align::Left),
        ("BLOCK", Align::Right),
        ("EVENTS", Align::Right),
        ("FIRST HIT", Align::Left),
        ("#", Align::Right),
        ("LEVEL", Align::Left),
        ("RULE", Align::Left),
        ("HITS", Align::Right),
        ("TACTICS", Align::Left),
    ];
    let mut lines = Table::new(titles);
    let blocks = table.hit_blocks();
    // The other columns take about 75 characters and the longest title.
    let title = blocks.iter().flat_map(|block| &block.rules).map(|hit| hit.title.chars().count()).max().unwrap_or(0);
    let rest = width.map(|width| width.saturating_sub(75 + title.min(40)).max(24) / 2);
    let fitted = |text: &str, least: usize| {
        let text = harmless(text);
        match rest {
            // ARNs begin alike.
            Some(rest) => cut_middle(&text, rest.max(least), 0),
            None => text.into_owned(),
        }
    };
    for block in blocks {
        for hit in &block.rules {
            let tactics: Vec<&str> = hit.tactics.iter().map(|tactic| tactic.name).collect();
            let title = harmless(&hit.title);
            lines.row([
                fitted(&block.entity, 24),
                block.block.to_string(),
                count(block.events),
                instant(hit.first_time),
                hit.order.to_string(),
                hit.level.as_str().to_owned(),
                if rest.is_some() { cut(&title, 40).into_owned() } else { title.into_owned() },
                count(hit.hits),
                match rest {
                    Some(rest) => cut(&tactics.join(", "), rest.max(12)).into_owned(),
                    None => tactics.join(", "),
                },
            ]);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_blocks_are_whole_and_not_zero() {
        assert_eq!(length("1h").map(NonZeroI64::get), Ok(3_600_000));
        assert_eq!(length("90s").map(NonZeroI64::get), Ok(90_000));
        for text in ["", "h", "0h", "1.5h", "-1h", "5", "1w", "ä"] {
            assert!(length(text).is_err(), "{text}");
        }
    }
}
