//! The entity of an event: the first of several columns that has a value.

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use sql::sql;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

/// The shipped keys, by source.
static KEYS: &str = include_str!("../../data/entities.json");

/// How to find the entity of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityKey {
    /// The first of these columns that has a value.
    Steps(Vec<Step>),
    /// A SQL expression over the columns of the source.
    Expression(String),
}

/// A column that may name the entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The column's path, such as `actor.user.uid`.
    column: String,
    /// Only values that start with this text are used.
    #[serde(default)]
    starts_with: Option<String>,
    /// Text to put before the value, such as `source_ip:`, so that addresses and names cannot be confused.
    #[serde(default)]
    prefix: String,
    /// The columns that have this value in the rows of a rule.
    #[serde(default)]
    row: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceKey {
    /// Source names; `*` stands for any text.
    sources: Vec<String>,
    entity: Vec<Step>,
}

impl EntityKey {
    /// The shipped key of a source. For CloudTrail it is the ARN of the caller, else `source_ip:` and the source address.
    ///
    /// ```
    /// # use detection::entity::EntityKey;
    /// assert_ne!(EntityKey::of_source("aws-cloudtrail"), EntityKey::of_source("windows-sysmon"));
    /// ```
    pub fn of_source(source: &str) -> Self {
        let keys: Vec<SourceKey> = serde_json::from_str(KEYS).unwrap_or_default();
        let of_source = |key: &SourceKey| key.sources.iter().any(|pattern| is_like(source, pattern));
        Self::Steps(keys.into_iter().find(of_source).map(|key| key.entity).unwrap_or_default())
    }

    /// Parses a column (`device.hostname`), or else a SQL expression.
    pub fn of_text(text: &str) -> Self {
        let text = text.trim();
        let is_name = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        };
        if !text.split('.').all(is_name) {
            return Self::Expression(text.to_owned());
        }
        let row = vec![text.rsplit('.').next().unwrap_or(text).to_owned()];
        Self::Steps(vec![Step { column: text.to_owned(), starts_with: None, prefix: String::new(), row }])
    }

    /// The words of the columns that the key reads, in lower case.
    pub(super) fn words(&self) -> Vec<String> {
        let texts: Vec<&str> = match self {
            Self::Steps(steps) => steps.iter().map(|step| step.column.as_str()).collect(),
            Self::Expression(text) => vec![text],
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        texts
            .into_iter()
            .flat_map(|text| text.split(|c| !is_word(c)))
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect()
    }

    /// SQL for the entity of a row of these tables: a `varchar`, NULL if there is none.
    pub(super) fn sql<'t>(&self, tables: impl Iterator<Item = &'t Table> + Clone) -> Sql {
        let steps = match self {
            Self::Expression(text) => return sql!("CAST(({}) AS varchar)", Sql::of_author(text.clone())),
            Self::Steps(steps) => steps,
        };
        let mut values: Vec<Sql> = steps
            .iter()
            .filter_map(|step| {
                let column_type = tables.clone().find_map(|table| field(table, &step.column))?;
                Some(step.sql(column_type))
            })
            .collect();
        match values.len() {
            0 => Sql::code("CAST(NULL AS varchar)"),
            1 => values.remove(0),
            _ => sql!("COALESCE({})", Sql::list(values)),
        }
    }

    /// The entity of a rule's row, or of the event in it.
    pub(super) fn of_row(&self, row: &Map<String, Json>) -> Option<String> {
        let Self::Steps(steps) = self else { return None };
        steps.iter().find_map(|step| {
            let place = format!("/{}", step.column.replace('.', "/"));
            let of_event = row.get("event").and_then(|event| event.pointer(&place));
            let of_row = || step.row.iter().find_map(|name| row.get(name));
            step.value(of_event.or_else(of_row)?)
        })
    }
}

impl Step {
    fn sql(&self, column_type: &ColumnType) -> Sql {
        let column = Sql::path(self.column.split('.'));
        let column = match column_type {
            ColumnType::Varchar => column,
            _ => sql!("CAST({} AS varchar)", column),
        };
        let value = match &self.starts_with {
            Some(start) => sql!("IF(starts_with({}, {}), {})", column, Sql::text(start), column),
            None => sql!("NULLIF({}, '')", column),
        };
        if self.prefix.is_empty() { value } else { sql!("({} || {})", Sql::text(&self.prefix), value) }
    }

    /// [`Step::sql`] for a value in memory.
    fn value(&self, value: &Json) -> Option<String> {
        let text = match value {
            Json::Null => return None,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let used = match &self.starts_with {
            Some(start) => text.starts_with(start.as_str()),
            None => !text.is_empty(),
        };
        used.then(|| format!("{}{text}", self.prefix))
    }
}

/// The type of a path such as `actor.user.uid` in the first table that has it.
pub(super) fn field<'t>(table: &'t Table, path: &str) -> Option<&'t ColumnType> {
    let mut names = path.split('.');
    let column = table.column(names.next()?)?;
    names.try_fold(column, |parent, name| parent.field(name))
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|after| {
            after.char_indices().map(|(at, _)| at).chain([after.len()]).any(|at| is_like(&after[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use sql::table::Layout;

    use super::*;

    fn table(columns: &[(&str, &str)]) -> Table {
        let columns = columns.iter().map(|(name, column_type)| ((*name).to_owned(), column_type.parse().unwrap()));
        let columns = columns.collect();
        let (database, name, dialect) = ("lake".to_owned(), "t".to_owned(), "ocsf".to_owned());
        Table { database, name, columns, layout: Layout::Plain, dialect }
    }

    #[test]
    fn every_source_has_a_key_and_the_file_can_be_read() {
        let keys: Vec<SourceKey> = serde_json::from_str(KEYS).unwrap();
        assert!(keys.iter().all(|key| !key.entity.is_empty()));
        assert_eq!(keys.last().unwrap().sources, ["*"]);
    }

    #[test]
    fn a_key_uses_the_columns_that_the_table_has() {
        let key = EntityKey::of_source("aws-cloudtrail");
        let whole =
            table(&[("actor", "struct<user:struct<uid:string>>"), ("src_endpoint", "struct<ip:string,domain:string>")]);
        assert_eq!(
            key.sql([&whole].into_iter()).as_str(),
            "COALESCE(IF(starts_with(\"actor\".\"user\".\"uid\", 'arn:'), \"actor\".\"user\".\"uid\"), ('source_ip:' || \
             NULLIF(\"src_endpoint\".\"ip\", '')), ('source_ip:' || NULLIF(\"src_endpoint\".\"domain\", '')))"
        );
        let other = table(&[("device", "struct<hostname:string>")]);
        assert_eq!(key.sql([&other].into_iter()).as_str(), "CAST(NULL AS varchar)");
    }

    #[test]
    fn a_column_is_quoted_and_an_expression_is_not() {
        let table = table(&[("device", "struct<hostname:string,id:int>")]);
        let sql = |text: &str| EntityKey::of_text(text).sql([&table].into_iter()).as_str().to_owned();
        assert_eq!(sql("device.hostname"), "NULLIF(\"device\".\"hostname\", '')");
        assert_eq!(sql(" device.id"), "NULLIF(CAST(\"device\".\"id\" AS varchar), '')");
        assert_eq!(sql("lower(device.hostname)"), "CAST((lower(device.hostname)) AS varchar)");
    }

    #[test]
    fn a_row_belongs_to_the_entity_that_its_event_would() {
        let key = EntityKey::of_source("aws-cloudtrail");
        let of = |row: Json| key.of_row(row.as_object().unwrap());
        let arn = "arn:aws:iam::1:user/a";
        assert_eq!(of(serde_json::json!({"user_uid": arn, "src_ip": "1.1.1.1"})).as_deref(), Some(arn));
        assert_eq!(
            of(serde_json::json!({"user_uid": "AIDA", "src_ip": "1.1.1.1"})).as_deref(),
            Some("source_ip:1.1.1.1")
        );
        let event = serde_json::json!({"src_endpoint": {"domain": "ec2.amazonaws.com"}});
        assert_eq!(of(serde_json::json!({"event": event})).as_deref(), Some("source_ip:ec2.amazonaws.com"));
        assert_eq!(of(serde_json::json!({"time": 1})), None);
    }

    #[test]
    fn patterns_of_sources_match_whole_names() {
        assert!(is_like("amazon-cloud-trail-mgmt", "*cloud-trail*"));
        assert!(is_like("windows-sysmon", "windows-*"));
        assert!(is_like("ä", "*"));
        assert!(!is_like("my-windows-x", "windows-*"));
        assert!(!is_like("aws-cloudtrail-6003", "aws-cloudtrail"));
    }
}
