//! Data to standard output, talk to standard error.
//!
//! Colours and progress bars only where a person looks; a reader that stops reading is no fault. Texts of logs and of
//! keys are made [harmless] before a terminal sees them, since whoever writes a log writes them too.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::exit::Failure;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    #[default]
    #[value(alias = "text")]
    Table,
    /// One JSON document
    Json,
    /// One JSON document per line
    Ndjson,
}

/// How a single result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ResultFormat {
    /// Text for people
    #[default]
    #[value(alias = "text")]
    Table,
    /// One JSON document
    Json,
}

/// Standard output and standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Colours of standard output.
    pub(crate) data: Palette,
    /// Colours of standard error.
    pub(crate) talk: Palette,
    /// Columns of the terminal that standard output goes to; none in a pipe or file.
    pub(crate) width: Option<usize>,
    quiet: bool,
}

impl Output {
    /// `quiet` silences everything on standard error but errors.
    pub(crate) fn new(colour: ColourChoice, quiet: bool) -> Self {
        let coloured = |is_terminal: bool| match colour {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => is_terminal && wants_colour(),
        };
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        Self {
            data: Palette { on: coloured(io::stdout().is_terminal()) },
            talk: Palette { on: coloured(io::stderr().is_terminal()) },
            width,
            quiet,
        }
    }

    /// Whether only errors are said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes data. All of it is flushed when this returns.
    pub(crate) fn write(&self, text: impl Display) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        write!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Self::failure)
    }

    /// Writes data bit by bit, with `fill`.
    pub(crate) fn stream(&self, fill: impl FnOnce(&mut DataWriter) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut writer = DataWriter(BufWriter::new(Box::new(io::stdout())));
        fill(&mut writer)?;
        writer.0.flush().map_err(Self::failure)
    }

    /// Writes a value as one JSON document over several lines.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.write(format_args!("{}\n", serde_json::to_string_pretty(value)?))
    }

    /// Prints a message on standard error, unless quiet.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Prints a problem on standard error, even if quiet.
    pub(crate) fn complain(&self, text: impl Display) {
        // If this fails, nobody listens.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prints why the command failed.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.complain(format_args!("{} {}", self.talk.error("error:"), chain(error)));
    }

    /// A progress bar for `total` bytes of the input `name` (for a path, its last part), or a spinner if the total is
    /// unknown. Nothing is drawn unless standard error is a terminal.
    pub(crate) fn progress(&self, total: Option<u64>, name: &str) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(total, target);
        let known =
            "{spinner} {msg} {wide_bar:.cyan/dim} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {eta} left";
        let unknown = "{spinner} {msg} {decimal_bytes}  {decimal_bytes_per_sec}";
        // The templates are constants; should one of them be wrong, the default bar is as good.
        if let Ok(style) = ProgressStyle::with_template(if total.is_some() { known } else { unknown }) {
            bar.set_style(style.progress_chars("━━╌"));
        }
        bar.set_message(cut(&harmless(name.rsplit('/').next().unwrap_or(name)), 40).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A progress bar for `total` steps. Nothing is drawn unless standard error is a terminal.
    pub(crate) fn steps(&self, total: u64, what: &'static str) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        // The template is a constant; should it be wrong, the default is as good.
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} {msg} {wide_bar:.cyan/dim} {eta} left") {
            bar.set_style(style.progress_chars("━━╌"));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A spinner. Nothing is drawn unless standard error is a terminal.
    pub(crate) fn waiting(&self, message: &'static str) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(None, target);
        // The template is a constant; should it be wrong, the default is as good.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn failure(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Other(anyhow::Error::new(error).context("cannot write to standard output")),
        }
    }
}

/// An error and its causes in one line, without repetition, escaped for a terminal.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    // The cause of a store error only repeats it in other words.
    let told = error.chain().position(|cause| cause.is::<store::StoreError>()).unwrap_or(usize::MAX);
    let causes = error.chain().take(told.saturating_add(1));
    let chain = causes.map(|cause| harmless_lines(&cause.to_string()).into_owned()).collect::<Vec<_>>();
    let mut said: Vec<&str> = Vec::new();
    for cause in &chain {
        // Many errors print their cause themselves.
        if !said.iter().any(|earlier| earlier.contains(cause.as_str())) {
            said.push(cause);
        }
    }
    said.join(": ")
}

/// <https://no-color.org>: set and not empty. A dumb terminal knows no colours.
fn wants_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// Standard output, buffered.
pub(crate) struct DataWriter(BufWriter<Box<dyn Write>>);

impl DataWriter {
    /// Writes text and a line feed.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{text}").map_err(Output::failure)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)?;
        self.line(text)
    }
}

/// The colours of one output stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// Whether there are colours at all.
    pub(crate) on: bool,
}

/// A text and its colour.
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.style)?;
        self.text.fmt(f)?;
        write!(f, "{:#}", self.style)
    }
}

impl Palette {
    fn paint<T: Display>(self, style: Style, text: T) -> Painted<T> {
        Painted { style: if self.on { style } else { Style::new() }, text }
    }

    /// Style of headings and key facts.
    pub(crate) fn strong<T: Display>(self, text: T) -> Painted<T> {
        self.paint(Style::new().bold(), text)
    }

    /// Style of minor details.
    pub(crate) fn faint<T: Display>(self, text: T) -> Painted<T> {
        self.paint(Style::new().dimmed(), text)
    }

    /// Style of names: attributes, keys, commands.
    pub(crate) fn name<T: Display>(self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    /// Style of good results.
    pub(crate) fn good<T: Display>(self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// Style of warnings.
    pub(crate) fn warning<T: Display>(self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// Style of errors.
    pub(crate) fn error<T: Display>(self, text: T) -> Painted<T> {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }
}

/// Alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A text table whose columns are as wide as their content.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(Cow<'static, str>, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with column titles. If all titles are empty, there is no title line.
    pub(crate) fn new<T: Into<Cow<'static, str>>>(columns: impl IntoIterator<Item = (T, Align)>) -> Self {
        let columns = columns.into_iter().map(|(title, align)| (title.into(), align));
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Shortens cells, and titles if necessary, until the table is at most `width` columns wide. Returns the number of
    /// shortened cells. Text is cut from the middle, so that different cells still look different.
    ///
    /// Returns `None` and leaves the table unchanged if different cells of a column would look the same, or would have
    /// fewer than eight characters.
    pub(crate) fn fit(&mut self, width: usize) -> Option<u64> {
        const NARROWEST: usize = 8;
        let natural: Vec<usize> = (0..self.columns.len()).map(|column| self.widest(column)).collect();
        let gaps = 2 * self.columns.len().saturating_sub(1);
        // Numbers stay whole: with a digit less they are other numbers.
        let narrowed = |cap: usize| -> Vec<usize> {
            let widths = natural.iter().zip(&self.columns);
            widths.map(|(width, (_, align))| if *align == Align::Right { *width } else { (*width).min(cap) }).collect()
        };
        let fits = |cap: usize| narrowed(cap).iter().sum::<usize>() + gaps <= width;
        let widest = natural.iter().copied().max().unwrap_or(0);
        if fits(widest) {
            return Some(0);
        }
        if !fits(NARROWEST) {
            return None;
        }
        let (mut cap, mut too_much) = (NARROWEST, widest);
        while cap + 1 < too_much {
            let middle = usize::midpoint(cap, too_much);
            if fits(middle) { cap = middle } else { too_much = middle }
        }
        let widths = narrowed(cap);
        let mut cut = 0;
        let mut heads = Vec::new();
        for (column, width) in widths.iter().enumerate() {
            let cells: Vec<&str> = self.rows.iter().filter_map(|row| row.get(column).map(String::as_str)).collect();
            cut += cells.iter().filter(|cell| cell.width() > *width).count() as u64;
            heads.push(telling_cut(&cells, *width)?);
        }
        for (column, (width, head)) in widths.into_iter().zip(heads).enumerate() {
            if let Some((title, _)) = self.columns.get_mut(column) {
                *title = Cow::Owned(cut_middle(title, width, width / 2));
            }
            for cell in self.rows.iter_mut().filter_map(|row| row.get_mut(column)) {
                *cell = cut_middle(cell, width, head);
            }
        }
        Some(cut)
    }

    fn widest(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
        cells.chain(self.columns.get(column).map(|(title, _)| title.width())).max().unwrap_or(0)
    }

    /// The table as lines indented by `indent`. The first column has the style of names.
    pub(crate) fn render(&self, indent: &str, palette: Palette) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.widest(column)).collect();
        let mut text = String::new();
        let mut line = |cells: Vec<&str>, paint: &dyn Fn(usize, String) -> String| {
            let mut written = String::from(indent);
            let last = cells.len().saturating_sub(1);
            for (column, cell) in cells.into_iter().enumerate() {
                let align = self.columns.get(column).map_or(Align::Left, |(_, align)| *align);
                let blanks = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width()));
                let gap = if column == 0 { "" } else { "  " };
                let painted = paint(column, cell.to_owned());
                written += &match (align, column == last) {
                    (Align::Right, _) => format!("{gap}{blanks}{painted}"),
                    (Align::Left, true) => format!("{gap}{painted}"),
                    (Align::Left, false) => format!("{gap}{painted}{blanks}"),
                };
            }
            text += written.trim_end();
            text.push('\n');
        };
        if self.columns.iter().any(|(title, _)| !title.is_empty()) {
            line(self.columns.iter().map(|(title, _)| title.as_ref()).collect(), &|_, cell| {
                palette.strong(cell).to_string()
            });
        }
        for row in &self.rows {
            let paint = |column, cell| if column == 0 { palette.name(cell).to_string() } else { cell };
            line(row.iter().map(String::as_str).collect(), &paint);
        }
        text
    }
}

/// The number of leading columns to keep so that different texts stay different within `width` columns, if possible.
fn telling_cut(texts: &[&str], width: usize) -> Option<usize> {
    let mut distinct = texts.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let is_telling = |head: &usize| {
        let mut cut: Vec<String> = distinct.iter().map(|text| cut_middle(text, width, *head)).collect();
        cut.sort_unstable();
        cut.dedup();
        cut.len() == distinct.len()
    };
    [width / 2, width / 4, width * 3 / 4, width.saturating_sub(1), 0].into_iter().find(is_telling)
}

/// The text within `width` columns: its first `head` columns, `…`, and as much of its end as fits.
pub(crate) fn cut_middle(text: &str, width: usize, head: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let within = |limit: usize, characters: &mut dyn Iterator<Item = char>| {
        let mut used = 0;
        let mut kept = Vec::new();
        for c in characters {
            used += c.width().unwrap_or(0);
            if used > limit {
                break;
            }
            kept.push(c);
        }
        kept
    };
    let room = width.saturating_sub(1);
    let head = head.min(room);
    let first = within(head, &mut text.chars());
    let last = within(room - head, &mut text.chars().rev());
    first.into_iter().chain(['…']).chain(last.into_iter().rev()).collect()
}

/// An untrusted text as one line that is safe for a terminal: control characters and characters that change the text
/// direction are escaped.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    escape(text, &|_| false)
}

/// Like [`harmless`], but keeps line breaks.
pub(crate) fn harmless_lines(text: &str) -> Cow<'_, str> {
    escape(text, &|c| c == '\n')
}

fn escape<'t>(text: &'t str, keep: &dyn Fn(char) -> bool) -> Cow<'t, str> {
    let drives = |c: char| {
        (c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            && !keep(c)
    };
    if !text.contains(drives) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match drives(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// The text truncated to `width` columns, with `…` at the cut.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect();
    Cow::Owned(kept + "…")
}

/// A number with thousands separators: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 object`, `3 objects`.
pub(crate) fn counted(number: u64, singular: &str) -> String {
    let plural = match singular.strip_suffix('y') {
        Some(stem) if !singular.ends_with("ey") => format!("{stem}ies"),
        _ => format!("{singular}s"),
    };
    format!("{} {}", count(number), if number == 1 { singular } else { &plural })
}

/// A size in decimal units: `1.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // From 999.95 on, one digit after the point rounds to 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A share of a whole in percent: `99.8 %`. Only a whole is 100 %, and only nothing is 0 %.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    format!("{:.1} %", (part as f64 * 100.0 / whole as f64).clamp(0.1, 99.9))
}

/// A point in time of milliseconds since 1970: `2024-05-01T12:00:00.000Z`.
pub(crate) fn instant(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| format!("{milliseconds} ms"), |instant| format!("{instant:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1000, 999_949, 999_950, 1_250_000].map(size),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.2 MB"]
        );
        assert_eq!(size(u64::MAX), "18446744.1 TB");
        assert_eq!(
            [counted(1, "entry"), counted(2, "entry"), counted(0, "object"), counted(2, "key")],
            ["1 entry", "2 entries", "0 objects", "2 keys"]
        );
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(99_999, 100_000), "99.9 %");
        assert_eq!(percent(1, 100_000), "0.1 %");
        assert_eq!([percent(0, 0), percent(0, 5), percent(5, 5), percent(1, 3)], ["0 %", "0 %", "100 %", "33.3 %"]);
    }

    #[test]
    fn what_a_log_says_cannot_drive_a_terminal() {
        assert_eq!(harmless("plain äöü 漢"), "plain äöü 漢");
        assert_eq!(harmless("a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}"), "a\\u{1b}[2Jb\\r\\nc\\u{202e}d\\u{9b}");
        assert_eq!(harmless_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }

    #[test]
    fn cut_texts_fit() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn the_middle_of_a_text_is_left_out() {
        assert_eq!(cut_middle("abcdef", 6, 3), "abcdef");
        assert_eq!(cut_middle("abcdefghij", 6, 3), "abc…ij");
        assert_eq!(cut_middle("abcdefghij", 6, 0), "…fghij");
        assert_eq!(cut_middle("abcdefghij", 6, 9), "abcde…");
        assert_eq!(cut_middle("漢字漢字", 6, 3), "漢…字");
        assert_eq!(cut_middle("abc", 0, 0), "…");
    }

    #[test]
    fn a_table_is_made_as_wide_as_the_terminal_and_what_differs_stays_different() {
        let session = |role: &str, name: &str| format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}");
        let arns =
            [session("Reader", "alice@example.com"), session("Reader", "bob@example.com"), session("Writer", "x")];
        let mut table = Table::new([("ARN", Align::Left), ("EVENTS", Align::Right)]);
        for arn in &arns {
            table.row([arn.clone(), "1234567".to_owned()]);
        }
        let whole = table.render("", Palette { on: false });
        assert_eq!(table.fit(200), Some(0));
        assert_eq!(table.render("", Palette { on: false }), whole);

        assert_eq!(table.fit(40), Some(3));
        let narrow = table.render("", Palette { on: false });
        assert!(narrow.lines().all(|line| line.width() <= 40), "{narrow}");
        assert_eq!(narrow.matches("  1234567").count(), 3, "{narrow}");
        assert!(narrow.contains("ice@") && narrow.contains("bob@") && narrow.contains("Writer/x"), "{narrow}");
    }

    #[test]
    fn a_table_in_which_different_values_would_look_alike_stays_as_it_is() {
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        for middle in ["1", "2"] {
            let same = "x".repeat(40);
            table.row([format!("{same}{middle}{same}"), "y".to_owned()]);
        }
        let whole = table.render("", Palette { on: false });
        assert_eq!(table.fit(30), None);
        assert_eq!(table.render("", Palette { on: false }), whole);
    }

    #[test]
    fn a_table_of_too_many_columns_stays_as_it_is() {
        let mut table = Table::new(vec![("A LONG TITLE", Align::Left); 10]);
        table.row(vec!["a long value".to_owned(); 10]);
        let whole = table.render("", Palette { on: false });
        assert_eq!(table.fit(80), None);
        assert_eq!(table.render("", Palette { on: false }), whole);
    }

    #[test]
    fn columns_stand_under_one_another() {
        let mut table = Table::new([("NAME", Align::Left), ("EVENTS", Align::Right), ("", Align::Left)]);
        table.row(["a".to_owned(), "10".to_owned(), "first".to_owned()]);
        table.row(["long".to_owned(), "2".to_owned(), String::new()]);
        assert_eq!(table.render(" ", Palette { on: false }), " NAME  EVENTS\n a         10  first\n long       2\n");
    }
}
