//! A shipped config applied to lines of a log, the way the pipeline does it: decode, map, complete, columns, and back.

use std::path::Path;
use std::sync::Arc;

use bumpalo::Bump;
use mapping::config::{TextFieldNames, TextFieldsSpec};
use mapping::diagnostic::SourceText;
use mapping::{Mapped, Mapping, Problem, StepsBuffer, Unwrapped};
use ocsf::validate::{Severity, validate_event};
use ocsf::{TableBuilder, rows_to_json};
use serde_json::Value;
use sources::{Decode, Document, DocumentBuffer, FieldNames, TextFields};

/// A compiled config and how its source is decoded.
pub(crate) struct Harness {
    mapping: Mapping,
    decode: Decode,
}

/// What became of a line.
pub(crate) enum Fate {
    Mapped(Box<MappedLine>),
    /// It belongs in quarantine, for this reason.
    Refused(String),
}

/// A line that was mapped.
pub(crate) struct MappedLine {
    /// The custom source its record goes to.
    pub(crate) destination: String,
    /// The OCSF event, read back out of the columns.
    pub(crate) event: Value,
    /// Values that did not become what the config wants.
    pub(crate) problems: Vec<Problem>,
    /// What makes the event invalid OCSF.
    pub(crate) errors: Vec<String>,
    /// Where the event is not as OCSF advises.
    pub(crate) warnings: Vec<String>,
}

impl Harness {
    /// The config of that name in `mapping-configs/`.
    pub(crate) fn shipped(name: &str) -> Harness {
        let text = shipped_text(name).unwrap();
        let mapping = Mapping::from_text(&text, &shipped_text)
            .unwrap_or_else(|faults| panic!("{name}: {}", faults[0].render(&SourceText::new(name, &text), false)));
        let text_fields = mapping.decode().text_fields.as_ref().map(text_fields);
        Harness { mapping, decode: Decode { text_fields, ..Decode::default() } }
    }

    /// Maps one line and checks the event against the schema.
    pub(crate) fn map(&self, line: &str) -> Fate {
        self.with_mapped(line, |mapped| {
            let table = &self.mapping.tables()[mapped.table];
            let mut builder = TableBuilder::new(Arc::clone(&table.shape));
            builder.append(&mapped.record);
            let batch = builder.finish().unwrap();
            let event = rows_to_json(self.mapping.schema(), &batch).unwrap().remove(0);
            let (errors, warnings): (Vec<_>, Vec<_>) = validate_event(self.mapping.schema(), &event)
                .into_iter()
                .partition(|violation| violation.severity() == Severity::Error);
            let texts = |violations: Vec<_>| violations.iter().map(ToString::to_string).collect();
            MappedLine {
                destination: table.source.clone(),
                event,
                problems: mapped.problems,
                errors: texts(errors),
                warnings: texts(warnings),
            }
        })
        .map_or_else(Fate::Refused, |mapped| Fate::Mapped(Box::new(mapped)))
    }

    /// Maps one line, no more: the problems, or why it belongs in quarantine.
    pub(crate) fn problems(&self, line: &str) -> Result<Vec<Problem>, String> {
        self.with_mapped(line, |mapped| mapped.problems)
    }

    fn with_mapped<T>(&self, line: &str, use_it: impl FnOnce(Mapped<'_>) -> T) -> Result<T, String> {
        let bump = Bump::new();
        let document = Document::parse(line.as_bytes(), &bump).map_err(|error| error.to_string())?;
        let mut unwrapped = self.unwrap(document, &bump);
        let Some(Unwrapped::Event(mut document)) = unwrapped.pop().filter(|_| unwrapped.is_empty()) else {
            return Err(format!("not one event: {unwrapped:?}"));
        };
        self.decode.split_message(&mut document);
        self.mapping.apply(&document, &bump).map(use_it).map_err(|refusal| refusal.to_string())
    }

    /// What the decode steps make of a raw event.
    fn unwrap<'a>(&'a self, document: Document<'a>, bump: &'a Bump) -> Vec<Unwrapped<'a>> {
        let mut all = Vec::new();
        let (mut documents, mut memory) = (DocumentBuffer::default(), StepsBuffer::default());
        self.mapping
            .unwrap(document, &self.decode, bump, &mut documents, &mut memory, &mut |unwrapped, _| all.push(unwrapped));
        all
    }
}

/// The text of a shipped config.
pub(crate) fn shipped_text(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mapping-configs").join(format!("{name}.json"));
    std::fs::read_to_string(path).ok()
}

fn text_fields(spec: &TextFieldsSpec) -> TextFields {
    let names = match &spec.names {
        TextFieldNames::Shipped(name) => FieldNames::shipped(name).unwrap(),
        TextFieldNames::Inline(lists) => {
            let lists = lists
                .iter()
                .map(|(id, names)| (id.value.clone(), names.iter().map(|name| name.value.clone()).collect()));
            FieldNames::new(lists).unwrap()
        }
    };
    TextFields { at: spec.at.value.clone(), event_id: spec.event_id.value.clone(), names }
}
