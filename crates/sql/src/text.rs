//! SQL text that is safe to run, since values and names come into it quoted only.
//!
//! ```
//! use sql::{sql, text::Sql};
//!
//! let condition = sql!("lower({}) = {}", Sql::path(["file", "name"]), Sql::text("it's.exe"));
//! assert_eq!(condition.as_str(), r#"lower("file"."name") = 'it''s.exe'"#);
//! ```

use std::fmt;
use std::net::IpAddr;

/// A piece of SQL: an expression, a clause or a whole statement.
///
/// It is made of texts in Sluice's source ([`Sql::code`], [`sql!`](crate::sql!)), of quoted values and names, and of the
/// text of a rule, which its author is answerable for ([`Sql::of_author`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sql(String);

/// The most bytes of a statement: what Athena takes
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>, "Query string length").
pub const MAX_STATEMENT_BYTES: usize = 262_144;

/// SQL of a template in which each `{}` stands for a piece of SQL. The template is a literal of the source, and the number
/// of pieces is checked when it is compiled.
#[macro_export]
macro_rules! sql {
    ($template:literal $(, $part:expr)* $(,)?) => {{
        const _: () = assert!(
            $crate::text::holes($template) == <[&str]>::len(&[$(stringify!($part)),*]),
            "a template needs as many pieces as it has holes"
        );
        $crate::text::Sql::fill($template, &[$(&$part),*])
    }};
}

/// How many `{}` there are in a template.
#[doc(hidden)]
pub const fn holes(template: &str) -> usize {
    let bytes = template.as_bytes();
    let (mut at, mut count) = (0, 0);
    while at + 1 < bytes.len() {
        if bytes[at] == b'{' && bytes[at + 1] == b'}' {
            count += 1;
            at += 1;
        }
        at += 1;
    }
    count
}

impl Sql {
    /// SQL that stands in Sluice's source.
    pub fn code(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// SQL that a person wrote as SQL: a rule's or a query's text. Never anything made of data.
    pub fn of_author(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A template with its `{}` filled from left to right. [`sql!`](crate::sql!) checks their number.
    pub fn fill(template: &'static str, parts: &[&Self]) -> Self {
        let mut text = String::with_capacity(template.len() + parts.iter().map(|p| p.0.len()).sum::<usize>());
        let mut parts = parts.iter();
        let mut pieces = template.split("{}");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            if let Some(part) = parts.next() {
                text.push_str(&part.0);
            }
            text.push_str(piece);
        }
        Self(text)
    }

    /// A name of a table, column or field, always in double quotes.
    ///
    /// ```
    /// # use sql::text::Sql;
    /// assert_eq!(Sql::name(r#"a"b"#).as_str(), r#""a""b""#);
    /// ```
    pub fn name(name: &str) -> Self {
        Self(enclosed(name, '"'))
    }

    /// Names with dots between: `"database"."table"`, `"process"."file"."name"`.
    pub fn path<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::joined(".", names.into_iter().map(Self::name))
    }

    /// A text: `'it''s'`. Trino knows no other escape than the doubled apostrophe, so every other character, line ends,
    /// backslashes and NUL included, stands for itself.
    pub fn text(value: &str) -> Self {
        Self(enclosed(value, '\''))
    }

    /// An integer. Trino types it `integer` or `bigint` by its size.
    pub fn integer(value: i64) -> Self {
        // Trino reads the minus as an operator, before which 9223372036854775808 is no bigint.
        if value == i64::MIN { Self(format!("BIGINT '{value}'")) } else { Self(value.to_string()) }
    }

    /// A `double` without loss: `1.5E0`, never the decimal `1.5`.
    pub fn double(value: f64) -> Self {
        if value.is_nan() {
            return Self::code("nan()");
        }
        if value.is_infinite() {
            return Self::code(if value > 0.0 { "infinity()" } else { "-infinity()" });
        }
        Self(format!("{value:E}"))
    }

    /// `TRUE` or `FALSE`.
    pub fn boolean(value: bool) -> Self {
        Self::code(if value { "TRUE" } else { "FALSE" })
    }

    /// A `timestamp(3)` without zone, of milliseconds since 1970 (UTC).
    ///
    /// ```
    /// # use sql::text::Sql;
    /// assert_eq!(Sql::timestamp(1_704_067_200_123).as_str(), "TIMESTAMP '2024-01-01 00:00:00.123'");
    /// ```
    pub fn timestamp(milliseconds: i64) -> Self {
        let (day, time) = day_and_time(milliseconds);
        Self(format!("TIMESTAMP '{day} {time}'"))
    }

    /// A `timestamp(3) with time zone` in UTC.
    pub fn timestamp_utc(milliseconds: i64) -> Self {
        let (day, time) = day_and_time(milliseconds);
        Self(format!("TIMESTAMP '{day} {time} UTC'"))
    }

    /// A `date`: the UTC day of milliseconds since 1970.
    pub fn date(milliseconds: i64) -> Self {
        Self(format!("DATE '{}'", day_and_time(milliseconds).0))
    }

    /// The UTC day of milliseconds since 1970 as the partition column `eventday` has it: `'20240101'`.
    pub fn event_day(milliseconds: i64) -> Self {
        Self(format!("'{}'", day_and_time(milliseconds).0.replace('-', "")))
    }

    /// An `ipaddress`.
    pub fn ip_address(address: IpAddr) -> Self {
        Self(format!("IPADDRESS '{address}'"))
    }

    /// `(… AND …)`; of one condition it is that condition, of none `TRUE`.
    pub fn and(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::connected(" AND ", "TRUE", conditions)
    }

    /// `(… OR …)`; of one condition it is that condition, of none `FALSE`.
    pub fn or(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self::connected(" OR ", "FALSE", conditions)
    }

    /// `a, b, c`.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(", ", items)
    }

    /// Pieces with a text of the source between.
    pub fn joined(separator: &'static str, items: impl IntoIterator<Item = Self>) -> Self {
        let mut items = items.into_iter();
        let mut text = items.next().map(|item| item.0).unwrap_or_default();
        for item in items {
            text.push_str(separator);
            text.push_str(&item.0);
        }
        Self(text)
    }

    fn connected(word: &'static str, of_none: &'static str, conditions: impl IntoIterator<Item = Self>) -> Self {
        let mut conditions = conditions.into_iter();
        let Some(first) = conditions.next() else { return Self::code(of_none) };
        let Some(second) = conditions.next() else { return first };
        let all = Self::joined(word, [first, second].into_iter().chain(conditions));
        Self(format!("({})", all.0))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text between quotes, those in it doubled.
pub(crate) fn enclosed(text: &str, quote: char) -> String {
    let mut enclosed = String::with_capacity(text.len() + 2);
    enclosed.push(quote);
    for character in text.chars() {
        if character == quote {
            enclosed.push(quote);
        }
        enclosed.push(character);
    }
    enclosed.push(quote);
    enclosed
}

/// `2024-01-01` and `00:00:00.000` of milliseconds since 1970, in the proleptic Gregorian calendar that Trino has, too.
fn day_and_time(milliseconds: i64) -> (String, String) {
    const DAY: i64 = 86_400_000;
    let (days, rest) = (milliseconds.div_euclid(DAY), milliseconds.rem_euclid(DAY));
    // The civil date of a day's number: years begin in March, so that the leap day is the last of its year.
    let from_era = days + 719_468;
    let (era, day_of_era) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, fraction) = (rest / 1_000, rest % 1_000);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}:{:02}.{fraction:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    )
}

/// A day in its parts, padded with zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CivilDay {
    pub(crate) year: String,
    pub(crate) month: String,
    pub(crate) day: String,
}

/// The day of milliseconds since 1970.
pub(crate) fn civil_day(milliseconds: i64) -> CivilDay {
    let (day, _) = day_and_time(milliseconds);
    let mut parts = day.rsplitn(3, '-').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (day, month) = (next(), next());
    CivilDay { year: next(), month, day }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_fill_a_template_from_left_to_right_and_are_not_templates_themselves() {
        let sql = sql!("{} BETWEEN {} AND {}", Sql::name("a{}"), Sql::text("{}"), Sql::integer(2));
        assert_eq!(sql.as_str(), r#""a{}" BETWEEN '{}' AND 2"#);
    }

    #[test]
    fn an_apostrophe_is_doubled_and_nothing_else_is_changed() {
        assert_eq!(Sql::text(r#"a'b''c\'d"e"#).as_str(), r#"'a''b''''c\''d"e'"#);
        assert_eq!(Sql::text("\0\n\r\u{1F980}").as_str(), "'\0\n\r\u{1F980}'");
        assert_eq!(Sql::text("").as_str(), "''");
    }

    #[test]
    fn conditions_are_enclosed_only_where_there_are_several() {
        let conditions = || [Sql::code("a"), Sql::code("b"), Sql::code("c")];
        assert_eq!(Sql::and(conditions()).as_str(), "(a AND b AND c)");
        assert_eq!(Sql::or(conditions().into_iter().take(1)).as_str(), "a");
        assert_eq!((Sql::and([]).as_str(), Sql::or([]).as_str()), ("TRUE", "FALSE"));
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        assert_eq!(Sql::integer(1_704_067_200_123).as_str(), "1704067200123");
        assert_eq!(Sql::integer(i64::MIN).as_str(), "BIGINT '-9223372036854775808'");
        assert_eq!(Sql::double(16_777_217.0).as_str(), "1.6777217E7");
        assert_eq!(Sql::double(-0.1).as_str(), "-1E-1");
        assert_eq!(Sql::double(f64::NAN).as_str(), "nan()");
        assert_eq!(Sql::double(f64::NEG_INFINITY).as_str(), "-infinity()");
    }

    #[test]
    fn times_are_written_in_utc_to_the_millisecond() {
        for (milliseconds, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (-1, "1969-12-31 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999"),
            (253_402_300_799_999, "9999-12-31 23:59:59.999"),
        ] {
            assert_eq!(Sql::timestamp(milliseconds).as_str(), format!("TIMESTAMP '{text}'"));
            assert_eq!(Sql::timestamp_utc(milliseconds).as_str(), format!("TIMESTAMP '{text} UTC'"));
        }
        assert_eq!(Sql::date(951_782_400_000).as_str(), "DATE '2000-02-29'");
        assert_eq!(Sql::event_day(951_782_400_000).as_str(), "'20000229'");
    }

    #[test]
    fn addresses_are_written_in_their_short_form() {
        assert_eq!(Sql::ip_address("2001:DB8:0::1".parse().unwrap()).as_str(), "IPADDRESS '2001:db8::1'");
    }

    proptest! {
        #[test]
        fn a_text_is_one_literal_that_reads_back(value in any::<String>()) {
            let quoted = Sql::text(&value);
            let inner = quoted.as_str().strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap();
            prop_assert!(inner.replace("''", "").chars().all(|c| c != '\''));
            prop_assert_eq!(inner.replace("''", "'"), value);
        }

        #[test]
        fn a_double_reads_back_to_the_bit(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = Sql::double(value);
            prop_assert!(text.as_str().contains('E'));
            prop_assert_eq!(text.as_str().parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
