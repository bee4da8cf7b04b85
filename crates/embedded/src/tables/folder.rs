//! A lake folder as tables: `ext/<source>/[<CLASS>/]region=…/accountId=…/eventDay=…/*.parquet`.
//!
//! Which tables and partitions there are is read from the directories at every statement, so that a lake that is being
//! written is seen as it is. Directories of partitions that a statement excludes are not opened.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, Result as DataFusionResult, ScalarValue, project_schema};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::cache::cache_manager::{CacheManager, CacheManagerConfig, FileMetadataCache};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::local::LocalFileSystem;
use parking_lot::Mutex;
use query::QueryError;
use sql::table::{Layout, PARTITION_KEYS as KEYS, name_of_source};
use sql::types::ColumnType;
use store::folder_entries;

use super::null_rows::NullRows;
use super::{Relation, RelationColumn, STORE_URL};
use crate::types::Type;

/// A lake on disk.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    database: String,
    store: Arc<LocalFileSystem>,
    /// The columns that files have.
    schemas: Mutex<HashMap<PathBuf, (SystemTime, SchemaRef)>>,
    /// The footers and page indexes of files, which the windows of a rule read again and again.
    footers: Arc<FileMetadataCache>,
}

impl Folder {
    pub(crate) fn new(root: &Path, database: &str) -> Result<Self, QueryError> {
        let root = root.canonicalize().map_err(|error| unreadable(root, &error))?;
        let footers = CacheManager::try_new(&CacheManagerConfig::default())
            .map_err(|error| QueryError::Unavailable(error.to_string()))?
            .get_file_metadata_cache();
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| QueryError::Unavailable(format!("{}: {error}", root.display())))?;
        Ok(Self {
            root,
            database: database.to_lowercase(),
            store: Arc::new(store),
            schemas: Mutex::new(HashMap::new()),
            footers,
        })
    }

    pub(crate) fn store(&self) -> Arc<LocalFileSystem> {
        Arc::clone(&self.store)
    }

    pub(crate) fn footers(&self) -> Arc<FileMetadataCache> {
        Arc::clone(&self.footers)
    }

    /// The tables that there are now. A source without an object has no columns and is left out.
    pub(crate) fn relations(&self) -> Result<Vec<Relation>, QueryError> {
        let mut relations = Vec::new();
        for (source, path) in directories(&self.root.join("ext"))? {
            let mut regions = Vec::new();
            for (name, below) in directories(&path)? {
                match key_value(&name, KEYS[0]) {
                    Some(region) => regions.push((region.to_owned(), below)),
                    None if is_hidden(&name) => {}
                    None => {
                        let regions = directories(&below)?
                            .into_iter()
                            .filter_map(|(name, path)| Some((key_value(&name, KEYS[0])?.to_owned(), path)))
                            .collect();
                        relations.extend(self.relation(&format!("{source}_{name}"), regions)?);
                    }
                }
            }
            relations.extend(self.relation(&source, regions)?);
        }
        Ok(relations)
    }

    fn relation(&self, name: &str, regions: Vec<(String, PathBuf)>) -> Result<Option<Relation>, QueryError> {
        let mut partitions = Vec::new();
        for (region, path) in regions {
            for (account, path) in keyed(&path, KEYS[1])? {
                for (day, path) in keyed(&path, KEYS[2])? {
                    partitions.push(Partition { values: [region.clone(), account.clone(), day], path });
                }
            }
        }
        let Some(file_schema) = self.schema(&partitions)? else { return Ok(None) };
        let mut columns = Vec::new();
        for field in file_schema.fields() {
            let column_type = column_type(field.data_type()).ok_or_else(|| QueryError::Unsupported {
                construct: format!("column of the Parquet type {} (`{}` of `{name}`)", field.data_type(), field.name()),
                remedy: "leave the column out of the mapping".to_owned(),
            })?;
            columns.push(RelationColumn { name: field.name().clone(), column_type });
        }
        // A partition key hides a column of its name in the file, as in Hive.
        columns.retain(|column| !KEYS.iter().any(|key| column.name.eq_ignore_ascii_case(key)));
        let schema = super::schema_of(&columns);
        let keys: Vec<_> = KEYS.iter().map(|key| Arc::new(Field::new(*key, DataType::Utf8, false))).collect();
        columns.extend(KEYS.map(|key| RelationColumn { name: key.to_owned(), column_type: Type::Varchar }));
        let provider = LakeTable {
            root: self.root.clone(),
            schema: TableSchema::builder(schema).with_table_partition_cols(keys).build(),
            partitions: Arc::new(partitions),
        };
        Ok(Some(Relation {
            database: self.database.clone(),
            name: name_of_source(name, None),
            columns,
            layout: Layout::EventDay,
            dialect: "ocsf".to_owned(),
            provider: Arc::new(provider),
        }))
    }

    /// The columns of a source: those of its newest file, and those that only its oldest day has.
    ///
    /// A source's mapping may gain columns. Files from before it lack them, and are read as if they were null.
    fn schema(&self, partitions: &[Partition]) -> Result<Option<SchemaRef>, QueryError> {
        let mut days: Vec<&Partition> = partitions.iter().collect();
        days.sort_by(|a, b| a.values[2].cmp(&b.values[2]));
        let newest = days.iter().rev().find_map(|partition| self.newest(partition).transpose()).transpose()?;
        let Some(newest) = newest else { return Ok(None) };
        let oldest = days.iter().find_map(|partition| self.newest(partition).transpose()).transpose()?;
        let mut fields = newest.fields().to_vec();
        for field in oldest.iter().flat_map(|schema| schema.fields()) {
            if !fields.iter().any(|known| known.name().eq_ignore_ascii_case(field.name())) {
                fields.push(Arc::clone(field));
            }
        }
        Ok(Some(Arc::new(Schema::new(fields))))
    }

    /// The columns of the file of a partition that was written last.
    fn newest(&self, partition: &Partition) -> Result<Option<SchemaRef>, QueryError> {
        let mut newest: Option<(SystemTime, PathBuf)> = None;
        for file in objects(&partition.path)? {
            let modified = fs::metadata(&file).and_then(|metadata| metadata.modified());
            let modified = modified.map_err(|error| unreadable(&file, &error))?;
            if newest.as_ref().is_none_or(|(time, path)| (*time, path) < (modified, &file)) {
                newest = Some((modified, file));
            }
        }
        let Some((modified, file)) = newest else { return Ok(None) };
        if let Some((_, schema)) = self.schemas.lock().get(&file).filter(|(time, _)| *time == modified) {
            return Ok(Some(Arc::clone(schema)));
        }
        let open = fs::File::open(&file).map_err(|error| unreadable(&file, &error))?;
        let metadata = ArrowReaderMetadata::load(&open, ArrowReaderOptions::new())
            .map_err(|error| QueryError::Failed(format!("{} is not a Parquet object: {error}", file.display())))?;
        let schema = Arc::clone(metadata.schema());
        self.schemas.lock().insert(file, (modified, Arc::clone(&schema)));
        Ok(Some(schema))
    }
}

/// The type of a column in the lake, as Glue describes it; `None` if it has none for it.
fn column_type(data_type: &DataType) -> Option<Type> {
    Type::of_column(&ColumnType::of_arrow(data_type)?)
}

fn unreadable(path: &Path, error: &std::io::Error) -> QueryError {
    QueryError::Unavailable(format!("{}: {error}", path.display()))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// The value in a directory's name `key=value`. The case of the key differs between writers.
fn key_value<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = name.split_once('=')?;
    found.eq_ignore_ascii_case(key).then_some(value)
}

/// The directories of a directory, by name. A directory that is not there has none. The rule for symbolic links is the
/// lake's, so that queries see what every other command sees.
fn directories(path: &Path) -> Result<Vec<(String, PathBuf)>, QueryError> {
    let mut found = Vec::new();
    for entry in folder_entries(path).map_err(|error| unreadable(path, &error))? {
        if entry.is_folder().map_err(|error| QueryError::Unavailable(error.to_string()))? {
            found.push((entry.name, entry.path));
        }
    }
    Ok(found)
}

fn keyed(path: &Path, key: &str) -> Result<Vec<(String, PathBuf)>, QueryError> {
    let found = directories(path)?;
    Ok(found.into_iter().filter_map(|(name, path)| Some((key_value(&name, key)?.to_owned(), path))).collect())
}

/// The Parquet objects of a partition, in the order of their names. What Hive hides is hidden.
fn objects(path: &Path) -> Result<Vec<PathBuf>, QueryError> {
    let mut found = Vec::new();
    for entry in folder_entries(path).map_err(|error| unreadable(path, &error))? {
        if is_hidden(&entry.name) || !entry.name.ends_with(".parquet") {
            continue;
        }
        if !entry.is_folder().map_err(|error| QueryError::Unavailable(error.to_string()))? {
            found.push(entry.path);
        }
    }
    Ok(found)
}

#[derive(Debug)]
struct Partition {
    values: [String; 3],
    path: PathBuf,
}

/// One source of the lake for DataFusion.
#[derive(Debug)]
struct LakeTable {
    root: PathBuf,
    schema: TableSchema,
    partitions: Arc<Vec<Partition>>,
}

impl LakeTable {
    /// The partitions that `filters`, which name nothing but partition keys, leave.
    fn prune(&self, filters: Vec<Expr>, state: &dyn Session) -> DataFusionResult<Vec<usize>> {
        let all = || (0..self.partitions.len()).collect();
        let Some(filter) = conjunction(filters) else { return Ok(all()) };
        let columns = (0..KEYS.len())
            .map(|key| {
                let values = self.partitions.iter().map(|partition| partition.values[key].as_str());
                Arc::new(StringArray::from_iter_values(values)) as ArrayRef
            })
            .collect();
        let schema = Arc::new(Schema::new(self.schema.table_partition_cols().clone()));
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
        let keep = filter.evaluate(&rows)?.into_array(rows.num_rows())?;
        let keep = keep.as_boolean();
        Ok((0..keep.len()).filter(|&at| keep.is_valid(at) && keep.value(at)).collect())
    }

    fn files(&self, partitions: &[usize]) -> Result<Vec<PartitionedFile>, QueryError> {
        let mut files = Vec::new();
        for &at in partitions {
            let partition = &self.partitions[at];
            let values: Vec<ScalarValue> =
                partition.values.iter().map(|value| ScalarValue::Utf8(Some(value.clone()))).collect();
            for path in objects(&partition.path)? {
                let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
                let modified = metadata.modified().map_err(|error| unreadable(&path, &error))?;
                let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
                let location = relative.and_then(|relative| object_store::path::Path::parse(relative).ok());
                let location = location.ok_or_else(|| {
                    QueryError::Unavailable(format!("{}: the name is not that of an object", path.display()))
                })?;
                let meta = ObjectMeta {
                    location,
                    last_modified: modified.into(),
                    size: metadata.len(),
                    e_tag: None,
                    version: None,
                };
                files.push(PartitionedFile::new_from_meta(meta).with_partition_values(values.clone()));
            }
        }
        Ok(files)
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let pruning: Vec<Expr> =
            filters.iter().filter(|filter| expr_applicable_for_cols(&KEYS, filter)).cloned().collect();
        let files =
            self.files(&self.prune(pruning, state)?).map_err(|error| DataFusionError::External(Box::new(error)))?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema(), projection)?)));
        }
        let global = state.config_options().execution.parquet.clone();
        let options = TableParquetOptions { global, ..TableParquetOptions::default() };
        let url = ObjectStoreUrl::parse(STORE_URL)?;
        let runtime = state.runtime_env();
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let readers = CachedParquetFileReaderFactory::new(runtime.object_store(&url)?, footers);
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(NullRows)))
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match expr_applicable_for_cols(&KEYS, filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Inexact,
            })
            .collect())
    }
}
