//! `CREATE EXTERNAL TABLE` for the lake's custom sources, in Athena's (Hive's) DDL.
//!
//! Partitions are projected, so that Athena computes them from a query's conditions: no crawler, no `MSCK REPAIR`.

use crate::table::PARTITION_KEYS;
use crate::text::Sql;
use crate::types::ColumnType;

/// A table over the objects of one custom source, laid out as `region=…/accountId=…/eventDay=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalTable {
    /// The Glue database.
    pub database: String,
    /// The table's name in it.
    pub name: String,
    /// The columns of the objects in order, without the partition keys.
    pub columns: Vec<(String, ColumnType)>,
    /// Where the objects are: `s3://bucket/ext/source/`.
    pub location: String,
    /// The values of the partition key `region`, at least one.
    pub regions: Vec<String>,
    /// The values of the partition key `accountid`.
    pub accounts: Accounts,
    /// The first day that may have objects: eight digits.
    pub first_day: String,
}

/// How Athena knows the values of the partition key `accountid`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accounts {
    /// These accounts, at least one.
    Listed(Vec<String>),
    /// From the query: Athena refuses one that does not compare `accountid` with constants.
    Injected,
}

/// A table cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DdlError {
    /// A name or value holds what Glue does not take there.
    #[error("the {what} {value:?} cannot be declared: {reason}")]
    Value {
        /// What it is of the table.
        what: &'static str,
        /// The text.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The projection of a partition key has no values.
    #[error("no {0} is given: Athena needs at least one value to project partitions")]
    Empty(&'static str),
}

impl ExternalTable {
    /// The statement.
    pub fn statement(&self) -> Result<Sql, DdlError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, column_type) in &self.columns {
            if PARTITION_KEYS.iter().any(|key| name.eq_ignore_ascii_case(key)) {
                let reason = "it is a partition key, which is no column of the objects";
                return Err(DdlError::Value { what: "column", value: name.clone(), reason });
            }
            check_fields(column_type)?;
            let column_type = Sql::of_author(column_type.glue().to_string());
            columns.push(crate::sql!("\n  {} {}", backticks("column", name)?, column_type));
        }
        let location = format!("{}/", self.location.trim_end_matches('/'));
        if !location.starts_with("s3://") {
            let reason = "a location begins with s3://";
            return Err(DdlError::Value { what: "location", value: self.location.clone(), reason });
        }
        if self.first_day.len() != 8 || !self.first_day.bytes().all(|b| b.is_ascii_digit()) {
            let reason = "a day is eight digits, as 20240131";
            return Err(DdlError::Value { what: "first day", value: self.first_day.clone(), reason });
        }
        let mut properties = vec![
            property("projection.enabled", "true")?,
            property("projection.region.type", "enum")?,
            property("projection.region.values", &values("region", &self.regions)?)?,
        ];
        match &self.accounts {
            Accounts::Listed(accounts) => {
                properties.push(property("projection.accountid.type", "enum")?);
                properties.push(property("projection.accountid.values", &values("account", accounts)?)?);
            }
            Accounts::Injected => properties.push(property("projection.accountid.type", "injected")?),
        }
        // Days begin at different hours over the Earth: tomorrow's UTC day may have begun for a clock that is ahead.
        let range = format!("{},NOW+1DAY", self.first_day);
        let template = format!("{location}region=${{region}}/accountId=${{accountid}}/eventDay=${{eventday}}/");
        for (name, value) in [
            ("projection.eventday.type", "date"),
            ("projection.eventday.format", "yyyyMMdd"),
            ("projection.eventday.range", &range),
            ("projection.eventday.interval", "1"),
            ("projection.eventday.interval.unit", "DAYS"),
            ("storage.location.template", &template),
        ] {
            properties.push(property(name, value)?);
        }
        Ok(crate::sql!(
            "CREATE EXTERNAL TABLE IF NOT EXISTS {}.{} ({}\n)\n\
             PARTITIONED BY (\n  `region` string,\n  `accountid` string,\n  `eventday` string\n)\n\
             STORED AS PARQUET\nLOCATION {}\nTBLPROPERTIES ({}\n)",
            backticks("database", &self.database)?,
            backticks("table", &self.name)?,
            Sql::joined(",", columns),
            constant("location", &location)?,
            Sql::joined(",", properties),
        ))
    }
}

/// Fields stand unquoted within Glue's `struct<…>`.
fn check_fields(column_type: &ColumnType) -> Result<(), DdlError> {
    match column_type {
        ColumnType::Array(element) => check_fields(element),
        ColumnType::Map(key, value) => check_fields(key).and_then(|()| check_fields(value)),
        ColumnType::Row(fields) => fields.iter().try_for_each(|(name, field)| {
            let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$@ ".contains(c));
            if !plain {
                let reason = "letters, digits and _-.$@ are what a field's name may hold";
                return Err(DdlError::Value { what: "field", value: name.clone(), reason });
            }
            check_fields(field)
        }),
        _ => Ok(()),
    }
}

fn backticks(what: &'static str, name: &str) -> Result<Sql, DdlError> {
    if name.is_empty() || name.contains(|c: char| c == '`' || c.is_control()) {
        let reason = "a name is not empty and holds no backtick or control character";
        return Err(DdlError::Value { what, value: name.to_owned(), reason });
    }
    Ok(Sql::of_author(crate::text::enclosed(name, '`')))
}

/// A text of Hive's DDL, where a backslash is an escape and an apostrophe is not doubled: what would need one is refused.
fn constant(what: &'static str, value: &str) -> Result<Sql, DdlError> {
    if value.contains(|c: char| matches!(c, '\'' | '\\') || c.is_control()) {
        let reason = "it holds an apostrophe, a backslash or a control character";
        return Err(DdlError::Value { what, value: value.to_owned(), reason });
    }
    Ok(Sql::text(value))
}

fn property(name: &'static str, value: &str) -> Result<Sql, DdlError> {
    Ok(crate::sql!("\n  {} = {}", constant("property", name)?, constant(name, value)?))
}

fn values(what: &'static str, values: &[String]) -> Result<String, DdlError> {
    if values.is_empty() {
        return Err(DdlError::Empty(what));
    }
    if let Some(value) = values.iter().find(|value| value.is_empty() || value.contains([',', '/'])) {
        let reason = "a projected value is not empty and holds no comma or slash";
        return Err(DdlError::Value { what, value: value.clone(), reason });
    }
    Ok(values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ExternalTable {
        ExternalTable {
            database: "sluice".to_owned(),
            name: "windows_sysmon_1007".to_owned(),
            columns: vec![
                ("time".to_owned(), ColumnType::Bigint),
                ("process".to_owned(), "struct<pid:int,file:struct<name:string>>".parse().unwrap()),
                ("end".to_owned(), ColumnType::Varchar),
            ],
            location: "s3://lake/ext/windows-sysmon-1007".to_owned(),
            regions: vec!["eu-central-1".to_owned(), "us-east-1".to_owned()],
            accounts: Accounts::Listed(vec!["111122223333".to_owned(), "external".to_owned()]),
            first_day: "20240101".to_owned(),
        }
    }

    #[test]
    fn a_table_of_a_source_projects_its_partitions() {
        assert_eq!(
            table().statement().unwrap().as_str(),
            "\
CREATE EXTERNAL TABLE IF NOT EXISTS `sluice`.`windows_sysmon_1007` (
  `time` bigint,
  `process` struct<pid:int,file:struct<name:string>>,
  `end` string
)
PARTITIONED BY (
  `region` string,
  `accountid` string,
  `eventday` string
)
STORED AS PARQUET
LOCATION 's3://lake/ext/windows-sysmon-1007/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.region.type' = 'enum',
  'projection.region.values' = 'eu-central-1,us-east-1',
  'projection.accountid.type' = 'enum',
  'projection.accountid.values' = '111122223333,external',
  'projection.eventday.type' = 'date',
  'projection.eventday.format' = 'yyyyMMdd',
  'projection.eventday.range' = '20240101,NOW+1DAY',
  'projection.eventday.interval' = '1',
  'projection.eventday.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://lake/ext/windows-sysmon-1007/region=${region}/accountId=${accountid}/eventDay=${eventday}/'
)"
        );
    }

    #[test]
    fn accounts_may_come_from_the_query() {
        let statement = ExternalTable { accounts: Accounts::Injected, ..table() }.statement().unwrap();
        assert!(statement.as_str().contains("'projection.accountid.type' = 'injected'"));
        assert!(!statement.as_str().contains("projection.accountid.values"));
    }

    #[test]
    fn what_cannot_be_quoted_is_refused() {
        let refused = |change: fn(&mut ExternalTable)| {
            let mut table = table();
            change(&mut table);
            table.statement().unwrap_err().to_string()
        };
        assert!(refused(|t| t.name = "a`b".to_owned()).starts_with("the table \"a`b\" cannot be declared"));
        assert!(refused(|t| t.location = "s3://lake/it's".to_owned()).contains("apostrophe"));
        assert!(refused(|t| t.location = "/tmp".to_owned()).contains("s3://"));
        assert!(refused(|t| t.regions = vec!["a,b".to_owned()]).contains("comma"));
        assert!(refused(|t| t.regions.clear()).starts_with("no region is given"));
        assert!(refused(|t| t.first_day = "2024-01-01".to_owned()).contains("eight digits"));
        assert!(refused(|t| t.columns.push(("eventDay".to_owned(), ColumnType::Varchar))).contains("partition key"));
        let bad = ColumnType::Row(vec![("a:b>".to_owned(), ColumnType::Varchar)]);
        let mut table = table();
        table.columns.push(("x".to_owned(), bad));
        assert!(table.statement().unwrap_err().to_string().contains("the field \"a:b>\""));
    }
}
