//! The tables of a database in Athena's catalog (usually Glue).

use aws_sdk_athena::types::TableMetadata;
use sql::table::Table;
use sql::types::ColumnType;

use super::{Athena, errors};
use crate::QueryError;

/// Athena's default catalog, which is AWS Glue.
const CATALOG: &str = "AwsDataCatalog";

impl Athena {
    /// All tables of a database.
    ///
    /// # Errors
    /// The database does not exist, or a request failed.
    pub async fn tables_of(&self, database: &str) -> Result<Vec<Table>, QueryError> {
        let mut tables = Vec::new();
        let mut next = None;
        loop {
            let request = self.client.list_table_metadata().catalog_name(self.catalog()).database_name(database);
            let sent = request.set_next_token(next).send().await;
            let page = sent.map_err(|error| errors::of_request("ListTableMetadata", &error))?;
            tables.extend(page.table_metadata_list().iter().map(|metadata| table_of(database, metadata)));
            next = page.next_token;
            if next.is_none() {
                return Ok(tables);
            }
        }
    }

    /// One table of a database.
    ///
    /// # Errors
    /// The table does not exist, or the request failed.
    pub async fn table(&self, database: &str, name: &str) -> Result<Table, QueryError> {
        let request = self.client.get_table_metadata().catalog_name(self.catalog()).database_name(database);
        let sent = request.table_name(name).send().await;
        let answer = sent.map_err(|error| errors::of_request("GetTableMetadata", &error))?;
        let metadata = answer.table_metadata.ok_or_else(|| errors::incomplete("GetTableMetadata", "table"))?;
        Ok(table_of(database, &metadata))
    }

    fn catalog(&self) -> &str {
        self.settings.catalog.as_deref().unwrap_or(CATALOG)
    }
}

fn table_of(database: &str, metadata: &TableMetadata) -> Table {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for column in metadata.columns().iter().chain(metadata.partition_keys()) {
        // Views and tables of other engines may have types that Sluice does not know. Their other columns stay usable.
        match column.r#type().unwrap_or("string").parse() {
            Ok(column_type) => columns.push((column.name().to_owned(), column_type)),
            Err(error) => {
                tracing::warn!(table = metadata.name(), column = column.name(), %error, "column skipped");
            }
        }
    }
    Table::of_columns(database, metadata.name(), columns)
}
