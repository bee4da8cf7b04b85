//! Events of one source, and the steps up to columns, one at a time.

use arrow_array::RecordBatch;
use bumpalo::Bump;
use lake::parquet_object::{Content, SealSettings, seal};
use mapping::MappingBuffer;
use ocsf::TableBuilder;
use pipeline::{MappedSource, shipped_mapping};
use sources::{Document, DocumentBuffer};

/// Why something could not be measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Generated events of one source.
#[derive(Debug)]
pub struct Workload {
    source: MappedSource,
    lines: Vec<String>,
}

impl Workload {
    /// `events` Sysmon events as the Kinesis agent for Windows sends them, in the shares of a fleet.
    ///
    /// # Errors
    /// The shipped mapping config has errors.
    pub fn sysmon(events: usize) -> Result<Self, Failure> {
        Self::new("windows-sysmon", samples::sysmon_mix(1).take(events))
    }

    /// `events` lines of AWS Network Firewall.
    ///
    /// # Errors
    /// The shipped mapping config has errors.
    pub fn network_firewall(events: usize) -> Result<Self, Failure> {
        Self::new("aws-network-firewall", samples::network_firewall(1).take(events))
    }

    /// Events of a source whose mapping config is shipped.
    ///
    /// # Errors
    /// There is no such config, or it has errors.
    pub fn new(source: &str, lines: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let text = shipped_mapping(source).ok_or("no such mapping config")?;
        Ok(Self { source: MappedSource::new(source, text, &|_| None)?, lines: lines.collect() })
    }

    /// The events, one line of JSON each.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The source.
    pub fn source(&self) -> &MappedSource {
        &self.source
    }

    /// Bytes of all events, without line feeds.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.len() as u64).sum()
    }

    /// What `serde_json` takes to read the events and keep nothing: how fast the machine is at this moment.
    ///
    /// # Errors
    /// A line is not JSON.
    pub fn yardstick(&self) -> Result<(), Failure> {
        for line in &self.lines {
            serde_json::from_str::<serde::de::IgnoredAny>(line)?;
        }
        Ok(())
    }

    /// JSON to documents. The number of their nodes.
    ///
    /// # Errors
    /// A line is not JSON.
    pub fn parse(&self) -> Result<usize, Failure> {
        let mut nodes = 0;
        self.each(false, |document, _| {
            nodes += document.len();
            Ok(())
        })?;
        Ok(nodes)
    }

    /// JSON to documents, rendered messages split into fields. The number of their nodes.
    ///
    /// # Errors
    /// A line is not JSON.
    pub fn split(&self) -> Result<usize, Failure> {
        let mut nodes = 0;
        self.each(true, |document, _| {
            nodes += document.len();
            Ok(())
        })?;
        Ok(nodes)
    }

    /// JSON to checked records. Bytes of their texts.
    ///
    /// # Errors
    /// A line is not JSON, or the mapping refuses it.
    pub fn map(&self) -> Result<usize, Failure> {
        let (mut bytes, mut buffer) = (0, MappingBuffer::default());
        self.each(true, |document, bump| {
            let mapped = self.source.mapping().apply_in(&mut buffer, document, bump)?;
            bytes += mapped.record.text_bytes_bound();
            buffer.recycle(mapped);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// JSON to columns: the rows of each table of the mapping.
    ///
    /// # Errors
    /// A line is not JSON, or the mapping refuses it.
    pub fn columns(&self) -> Result<Vec<RecordBatch>, Failure> {
        let mapping = self.source.mapping();
        let mut tables: Vec<_> = mapping.tables().iter().map(|table| TableBuilder::new(table.shape.clone())).collect();
        let mut buffer = MappingBuffer::default();
        self.each(true, |document, bump| {
            let mapped = mapping.apply_in(&mut buffer, document, bump)?;
            if let Some(table) = tables.get_mut(mapped.table) {
                table.append(&mapped.record);
            }
            buffer.recycle(mapped);
            Ok(())
        })?;
        tables.iter_mut().map(|table| Ok(table.finish()?)).collect()
    }

    /// The rows of each table, sorted and sealed into Parquet. Bytes of the objects.
    ///
    /// # Errors
    /// The rows cannot be sealed.
    pub fn seal(&self, tables: &[RecordBatch]) -> Result<usize, Failure> {
        let mapping = self.source.mapping();
        let mut bytes = 0;
        for (table, rows) in mapping.tables().iter().zip(tables).filter(|(_, rows)| rows.num_rows() > 0) {
            let content = Content {
                ocsf_version: mapping.schema().version().as_str(),
                class_name: table.class().name,
                class_uid: table.class().uid,
                source: &table.source.parse()?,
                mapping: mapping.version(),
            };
            bytes += seal(rows, &content, &SealSettings::default())?.bytes.len();
        }
        Ok(bytes)
    }

    fn each(
        &self,
        split: bool,
        mut step: impl for<'a> FnMut(&Document<'a>, &'a Bump) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
        let text_fields = self.source.decode().text_fields.as_ref().filter(|_| split);
        for line in &self.lines {
            bump.reset();
            let mut document = buffer.parse(line.as_bytes(), &bump)?;
            if let Some(text_fields) = text_fields {
                text_fields.apply(&mut document);
            }
            step(&document, &bump)?;
            buffer.recycle(document);
        }
        Ok(())
    }
}
