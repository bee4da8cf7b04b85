//! A closed batch as objects, one by one.

use std::collections::{BTreeMap, btree_map};
use std::vec;

use lake::key::{AccountId, ClassPrefix, EventDay, ObjectName, Partition, SourceName};
use lake::parquet_object::{Content, SealedObject, Sealer};
use lake::partition::partition;
use lake::quarantine::{QuarantineKey, QuarantineLine, seal_lines};

#[cfg(test)]
use super::failpoint;
use super::{BatchError, Destination, InputId, Open, OpenTable, Parcel, Settings};
use crate::source::MappedSource;

/// The objects of a batch that was [closed](Batch::seal). Each is sealed when it is asked for, so that nobody has to hold
/// all of them. There are no more after an error; the inputs of those that were not given out must then be reported failed.
#[derive(Debug)]
pub struct Sealing<'s> {
    settings: &'s Settings,
    name: ObjectName,
    open: vec::IntoIter<Open<'s>>,
    /// The source whose tables are being sealed, and how many of them have been begun.
    source: Option<(Open<'s>, usize)>,
    table: Option<SealingTable>,
    refused: btree_map::IntoIter<QuarantineKey, (Vec<QuarantineLine>, Vec<InputId>)>,
    is_broken: bool,
}

impl<'s> Sealing<'s> {
    pub(super) fn new(
        settings: &'s Settings,
        name: ObjectName,
        open: Vec<Open<'s>>,
        refused: BTreeMap<QuarantineKey, (Vec<QuarantineLine>, Vec<InputId>)>,
    ) -> Self {
        let (open, refused) = (open.into_iter(), refused.into_iter());
        Self { settings, name, open, source: None, table: None, refused, is_broken: false }
    }
}

impl Iterator for Sealing<'_> {
    type Item = Result<Parcel, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_broken {
            return None;
        }
        // Also where a panic keeps the end of this from being reached.
        self.is_broken = true;
        let parcel = self.parcel();
        self.is_broken = parcel.is_err();
        parcel.transpose()
    }
}

impl Sealing<'_> {
    fn parcel(&mut self) -> Result<Option<Parcel>, BatchError> {
        loop {
            if let Some(parcel) = self.table.as_mut().and_then(|table| table.parcel(self.settings, &self.name)) {
                return parcel.map(Some);
            }
            self.table = self.next_table()?;
            if self.table.is_none() {
                break;
            }
        }
        let Some((key, (lines, inputs))) = self.refused.next() else {
            #[cfg(test)]
            failpoint::reach(failpoint::Place::Sealed, &[]);
            return Ok(None);
        };
        Ok(Some(Parcel {
            destination: Destination::Quarantine,
            key: key.object(&self.name),
            records: lines.len() as u64,
            bytes: seal_lines(&lines)?,
            inputs,
        }))
    }

    /// The next table that has rows.
    fn next_table(&mut self) -> Result<Option<SealingTable>, BatchError> {
        loop {
            let Some((open, begun)) = &mut self.source else {
                let Some(open) = self.open.next() else { return Ok(None) };
                self.source = Some((open, 0));
                continue;
            };
            let source = open.source;
            if let Some((table, facts)) = open.tables.iter_mut().zip(source.mapping().tables()).nth(*begun) {
                *begun += 1;
                if table.builder.rows() > 0 {
                    return table.seal(self.settings, source, facts).map(Some);
                }
            } else if let Some((open, _)) = self.source.take() {
                source.keep_empty_tables(open.tables.into_iter().map(|table| table.builder).collect());
            }
        }
    }
}

/// The objects of a table.
#[derive(Debug)]
struct SealingTable {
    sealer: Sealer,
    class: &'static str,
    source: SourceName,
    class_prefix: Option<ClassPrefix>,
    /// The rows of each partition.
    rows: vec::IntoIter<(u32, Vec<u32>)>,
    partitions: Vec<(EventDay, AccountId)>,
    inputs: Vec<Vec<InputId>>,
}

impl SealingTable {
    fn parcel(&mut self, settings: &Settings, name: &ObjectName) -> Option<Result<Parcel, BatchError>> {
        let (id, rows) = self.rows.next()?;
        let (day, account) = self.partitions[id as usize].clone();
        let object = self.sealer.seal(rows);
        Some(object.map_err(|source| BatchError::Seal { class: self.class.to_owned(), source }).map(|object| {
            let SealedObject { bytes, rows, .. } = object;
            let partition = Partition {
                source: self.source.clone(),
                class: self.class_prefix.clone(),
                region: settings.region.clone(),
                account,
                day,
            };
            Parcel {
                destination: Destination::Lake,
                key: partition.object(name.clone()).to_string(),
                bytes,
                records: rows as u64,
                inputs: std::mem::take(&mut self.inputs[id as usize]),
            }
        }))
    }
}

impl OpenTable {
    fn seal(
        &mut self,
        settings: &Settings,
        source: &MappedSource,
        table: &mapping::Table,
    ) -> Result<SealingTable, BatchError> {
        let class = table.class();
        let class_name = || class.name.to_owned();
        let key_error = |source| BatchError::Key { class: class_name(), source };
        let custom_source: SourceName = table.source.parse().map_err(key_error)?;
        let class_prefix = table.class_prefix.as_deref().map(str::parse).transpose().map_err(key_error)?;
        let batch = self.builder.finish().map_err(|source| BatchError::Columns { class: class_name(), source })?;
        let ids = std::mem::take(&mut self.rows);
        let rows =
            partition(&batch, &ids).map_err(|source| BatchError::Rows { class: class_name(), source })?.into_iter();
        let mut partitions: Vec<_> = std::mem::take(&mut self.partition_of).into_iter().collect();
        partitions.sort_by_key(|(_, id)| *id);
        let content = Content {
            ocsf_version: source.mapping().schema().version().as_str(),
            class_name: class.name,
            class_uid: class.uid,
            source: &custom_source,
            mapping: &format!("{} {}", source.mapping().source_name(), source.mapping().version()),
        };
        let sealer = Sealer::new(&batch, &content, &settings.seal)
            .map_err(|source| BatchError::Seal { class: class_name(), source })?;
        Ok(SealingTable {
            sealer,
            class: class.name,
            source: custom_source,
            class_prefix,
            rows,
            partitions: partitions.into_iter().map(|(partition, _)| partition).collect(),
            inputs: std::mem::take(&mut self.inputs),
        })
    }
}
