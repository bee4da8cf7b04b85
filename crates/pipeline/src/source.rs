//! A log source: how its bytes are cut into events, and the mapping that makes them OCSF.

use std::sync::{Arc, Mutex, PoisonError};

use bumpalo::Bump;
use mapping::config::{DecodeSpec, Format, TextFieldNames};
use mapping::diagnostic::{Diagnostic, SourceText};
use mapping::{Mapping, Part, StepsBuffer, Unwrapped};
use ocsf::TableBuilder;
use sources::{
    Columns, Decode, Delimited, Document, DocumentBuffer, FieldNames, Framing, LinePrefix, SplitColumns, TextFields,
};

include!(concat!(env!("OUT_DIR"), "/shipped_mappings.rs"));

/// The text of a shipped mapping config.
pub fn shipped_mapping(name: &str) -> Option<&'static str> {
    SHIPPED_MAPPINGS.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

/// A mapping config that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The config has errors.
    #[error("the mapping config of `{name}` has errors: {summary}")]
    Mapping {
        /// The source.
        name: String,
        /// The first errors with their places, in one line.
        summary: String,
        /// What is wrong, and where in the text.
        diagnostics: Vec<Diagnostic>,
    },
    /// A pattern of `split_columns` is not usable.
    #[error("the split_columns of `{name}`: {reason}")]
    SplitColumns {
        /// The source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The list of field names is not usable.
    #[error("the text_fields of `{name}`: {reason}")]
    FieldNames {
        /// The source.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// The memory that reading events takes, kept between them.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    /// Of documents.
    pub documents: DocumentBuffer,
    steps: StepsBuffer,
}

/// A log source, ready to transform events.
#[derive(Debug)]
pub struct MappedSource {
    name: String,
    mapping: Arc<Mapping>,
    decode: Decode,
    /// Empty tables of batches that are done, one for each table of the mapping: their memory is that of the next batch.
    spare_tables: Mutex<Vec<Vec<TableBuilder>>>,
}

impl MappedSource {
    /// The source that a mapping config describes; `name` is what the configuration of sources calls it, and `load` gives
    /// the text of a config that this one extends, unless that is a shipped one.
    ///
    /// # Errors
    /// [`SourceError`] with the diagnostics of a config that is refused.
    pub fn new(name: &str, mapping_text: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, SourceError> {
        Self::with_preprocessor(name, mapping_text, load, None)
    }

    /// [`MappedSource::new`] with the `preprocessor_module` of a sources file, which says how the events of a config without
    /// `decode` are cut into fields.
    ///
    /// # Errors
    /// As [`MappedSource::new`].
    pub fn with_preprocessor(
        name: &str,
        mapping_text: &str,
        load: &dyn Fn(&str) -> Option<String>,
        preprocessor: Option<&str>,
    ) -> Result<Self, SourceError> {
        let base = |name: &str| load(name).or_else(|| shipped_mapping(name).map(str::to_owned));
        let mapping = Mapping::with_preprocessor(mapping_text, &base, preprocessor)
            .map_err(|diagnostics| refused(name, mapping_text, diagnostics))?;
        let spec = mapping.decode();
        let decode = Decode {
            framing: framing(spec),
            split_columns: split_columns(name, spec)?,
            line_prefix: spec.line_prefix.as_ref().and_then(|pattern| LinePrefix::new(pattern)),
            text_fields: text_fields(name, spec)?,
            ..Decode::default()
        };
        Ok(Self { name: name.to_owned(), mapping: Arc::new(mapping), decode, spare_tables: Mutex::default() })
    }

    /// What the configuration of sources calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its mapping.
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// How its bytes become the documents that the mapping reads.
    pub fn decode(&self) -> &Decode {
        &self.decode
    }

    /// Whether it takes JSON in whatever way it comes, so that an event of it need not be cut out of its input anew.
    pub(crate) fn takes_any_json(&self) -> bool {
        matches!(self.decode.framing, Framing::Auto | Framing::Ndjson)
    }

    /// Whether it reads what is no JSON, or has something before it.
    pub(crate) fn takes_other_formats(&self) -> bool {
        !self.takes_any_json() || self.decode.line_prefix.is_some()
    }

    /// Gives `take` the events that a raw event holds, ready to be mapped: out of their envelopes, with the names that
    /// the mapping reads, rendered messages split. See [`Mapping::unwrap`].
    pub fn events<'a>(
        &'a self,
        document: Document<'a>,
        buffer: &mut ReadBuffer,
        bump: &'a Bump,
        take: &mut dyn FnMut(Unwrapped<'a>, Option<Part<'_, 'a>>),
    ) {
        let ReadBuffer { documents, steps } = buffer;
        self.mapping.unwrap(document, &self.decode, bump, documents, steps, &mut |unwrapped, part| {
            let ready = match unwrapped {
                Unwrapped::Event(mut document) => {
                    self.decode.split_message(&mut document);
                    Unwrapped::Event(document)
                }
                other => other,
            };
            take(ready, part);
        });
    }

    /// An empty table for each table of its mapping.
    pub(crate) fn empty_tables(&self) -> Vec<TableBuilder> {
        let spare = self.spare_tables.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| {
            self.mapping.tables().iter().map(|table| TableBuilder::new(table.shape.clone())).collect()
        })
    }

    /// Takes back [`MappedSource::empty_tables`], which are empty again.
    pub(crate) fn keep_empty_tables(&self, tables: Vec<TableBuilder>) {
        self.spare_tables.lock().unwrap_or_else(PoisonError::into_inner).push(tables);
    }
}

fn refused(name: &str, text: &str, diagnostics: Vec<Diagnostic>) -> SourceError {
    /// A log line is no place for all of them; `sluice lint` is.
    const SHOWN: usize = 3;
    let text = SourceText::new(name, text);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).map(|diagnostic| {
        let place = diagnostic.report(&text);
        format!("line {}, column {}: {}", place.line, place.column, place.message)
    });
    let summary = errors.take(SHOWN).collect::<Vec<_>>().join("; ");
    SourceError::Mapping { name: name.to_owned(), summary, diagnostics }
}

fn framing(spec: &DecodeSpec) -> Framing {
    match spec.format.value {
        Format::Auto => Framing::Auto,
        Format::Ndjson => Framing::Ndjson,
        Format::Json => Framing::Json,
        Format::JsonArray => Framing::JsonArray { at: spec.at.as_ref().map(|at| at.value.clone()).unwrap_or_default() },
        Format::Delimited => Framing::Delimited(delimited(spec)),
    }
}

/// The columns of delimited text that hold several fields.
fn split_columns(name: &str, spec: &DecodeSpec) -> Result<SplitColumns, SourceError> {
    let columns = spec.split_columns.iter().map(|(column, pattern)| (column.value.clone(), pattern.value.clone()));
    SplitColumns::new(columns)
        .map_err(|error| SourceError::SplitColumns { name: name.to_owned(), reason: error.to_string() })
}

/// The rendered message of the config's `decode`.
fn text_fields(name: &str, spec: &DecodeSpec) -> Result<Option<TextFields>, SourceError> {
    let fault = |reason: String| SourceError::FieldNames { name: name.to_owned(), reason };
    let shipped = |list: &str| FieldNames::shipped(list).ok_or_else(|| fault(format!("no shipped list `{list}`")));
    let Some(spec) = &spec.text_fields else { return Ok(None) };
    let names = match &spec.names {
        TextFieldNames::Shipped(list) => shipped(&list.value)?,
        TextFieldNames::Inline(lists) => {
            let lists = lists
                .iter()
                .map(|(id, names)| (id.value.clone(), names.iter().map(|name| name.value.clone()).collect::<Vec<_>>()));
            FieldNames::new(lists).map_err(|error| fault(error.to_string()))?
        }
    };
    Ok(Some(TextFields { at: spec.at.value.clone(), event_id: spec.event_id.value.clone(), names }))
}

fn delimited(spec: &DecodeSpec) -> Delimited {
    let columns: Vec<String> = spec.columns.iter().map(|column| column.value.clone()).collect();
    Delimited {
        columns: if columns.is_empty() { Columns::Header } else { Columns::Named(columns) },
        separator: spec.separator.as_ref().and_then(|text| text.bytes().next()).unwrap_or(b' '),
        quote: spec.quote.as_ref().and_then(|quote| u8::try_from(quote.value).ok()),
    }
}
