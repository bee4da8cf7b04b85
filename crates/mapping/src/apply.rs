//! Applies a compiled mapping: one raw event in, one checked OCSF record out, or the reason for refusing it.

use std::cell::RefCell;

use bumpalo::Bump;
use ocsf::schema::Schema;
use ocsf::{Breach, Cell, Record, Scope};
use sources::{Decode, Document, DocumentBuffer};

use crate::compile::{self, Plan};
use crate::config::{Config, DecodeSpec, UnmappedMode};
use crate::diagnostic::{Code, Diagnostic};
use crate::eval::{Evaluation, MappingBuffer, Problem, Written};
use crate::lint::check_with;
use crate::plan::{EventPlan, Table};
use crate::steps::{Part, Run, StepsBuffer, Unwrapped};
use crate::unmapped::raw_path;
use crate::values::{AbsentTexts, Values};

/// Key of `unmapped` for names of a rendered message that also occur in continuation lines of a value; see
/// [`Document::repeated_names`]. An event without such lines has no such key.
pub const REPEATED_FIELDS: &str = "sluice.repeated_fields";

/// A mapping config, ready to be applied. Made by [`Mapping::from_text`]; shared by all threads.
#[derive(Debug)]
pub struct Mapping {
    source_name: String,
    version: String,
    schema: &'static Schema,
    decode: DecodeSpec,
    absent: AbsentTexts,
    automatic_unmapped: bool,
    plan: Plan,
}

/// An event that is valid OCSF, ready for the lake.
#[derive(Debug)]
#[non_exhaustive]
pub struct Mapped<'a> {
    /// The completed record.
    pub record: Record<'a>,
    /// Index of its table in [`Mapping::tables`].
    pub table: usize,
    /// The key of `ocsf_mapping` that made it.
    pub event: &'a str,
    /// `time` in milliseconds since the epoch.
    pub time: i64,
    /// The account that the record itself names.
    pub account: Option<&'a str>,
    /// Values that could not be written where the mapping assigns them; they are in `unmapped`.
    pub problems: Vec<Problem>,
    /// Every value written, in order; empty unless [`Mapping::explain`] made it.
    pub written: Vec<Written>,
    /// Flattened raw paths of the fields that decided something: the event mapping, a condition, the time, the account.
    /// They are also in `unmapped`, unless an attribute uses them. Empty unless made by [`Mapping::explain`].
    pub looked_at: Vec<String>,
}

/// Why a raw event is not mapped; it belongs in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The config has no mapping for such an event.
    #[error("no event mapping for {0}")]
    NoMapping(String),
    /// The event has no readable time.
    #[error("no readable time: {0}")]
    NoTime(String),
    /// The mapped event would not be valid OCSF.
    #[error("{0}")]
    Invalid(Breach),
}

impl Refusal {
    /// The reason code of quarantine: `no_mapping`, `no_time`, `invalid`.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoMapping(_) => "no_mapping",
            Refusal::NoTime(_) => "no_time",
            Refusal::Invalid(_) => "invalid",
        }
    }
}

impl MappingBuffer {
    /// Returns the memory of a mapped event for the next one.
    pub fn recycle(&mut self, mapped: Mapped<'_>) {
        self.record.recycle(mapped.record);
    }
}

impl Mapping {
    /// Parses, lints and compiles a config. `load` returns the text of a config that this one extends.
    ///
    /// # Errors
    /// All diagnostics, if one of them is an error. [`lint`](crate::lint) returns the warnings of a valid config.
    pub fn from_text(text: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Diagnostic>> {
        Self::with_preprocessor(text, load, None)
    }

    /// [`Mapping::from_text`] for a source whose sources file names a `preprocessor_module` of the AWS transformation
    /// library. For a config without `decode`, Sluice emulates that preprocessor if it knows it.
    ///
    /// # Errors
    /// As [`Mapping::from_text`].
    pub fn with_preprocessor(
        text: &str,
        load: &dyn Fn(&str) -> Option<String>,
        preprocessor: Option<&str>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let hasher = RefCell::new(blake3::Hasher::new());
        hasher.borrow_mut().update(text.as_bytes());
        let load = |name: &str| {
            let base = load(name)?;
            hasher.borrow_mut().update(base.as_bytes());
            Some(base)
        };
        let checked = check_with(text, &load, preprocessor);
        let Some(config) = checked.accepted() else { return Err(checked.diagnostics) };
        let schema = Schema::get(config.ocsf_version.value);
        let version = hasher.borrow().finalize().to_hex()[..16].to_owned();
        Self::compile(config, schema, version)
            .map_err(|fault| vec![Diagnostic::new(Code::WrongType, fault.span, fault.message)])
    }

    fn compile(config: &Config, schema: &'static Schema, version: String) -> Result<Self, compile::Fault> {
        Ok(Self {
            source_name: config.source_name.value.clone(),
            version,
            schema,
            decode: config.decode.clone(),
            absent: AbsentTexts::new(config.absent.iter().map(|text| text.value.clone()).collect()),
            automatic_unmapped: config.unmapped.value == UnmappedMode::Auto,
            plan: compile::compile(config, schema)?,
        })
    }

    /// `source_name` of the config.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The first 16 hexadecimal digits of the BLAKE3 hash of the config's text and of those that it extends.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The OCSF version that its events state.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// How bytes become raw events.
    pub fn decode(&self) -> &DecodeSpec {
        &self.decode
    }

    /// The (custom source, class) pairs that it writes.
    pub fn tables(&self) -> &[Table] {
        &self.plan.tables
    }

    /// Whether the mapping reads anything below a member of the raw event.
    pub fn reads_below(&self, member: &str) -> bool {
        self.plan.paths.reads_below(member)
    }

    /// Applies the `steps` of `decode` to a raw event. Calls `take` with each event in it, as the mapping expects it,
    /// or with another outcome. If the raw event contains several events, `take` also gets the [`Part`] of each.
    ///
    /// `decode` parses texts within the event.
    pub fn unwrap<'a>(
        &'a self,
        document: Document<'a>,
        decode: &'a Decode,
        bump: &'a Bump,
        documents: &mut DocumentBuffer,
        memory: &mut StepsBuffer,
        take: &mut dyn FnMut(Unwrapped<'a>, Option<Part<'_, 'a>>),
    ) {
        let plan = &self.plan.steps;
        if !plan.may_apply(&document) {
            return take(Unwrapped::Event(document), None);
        }
        Run { plan, absent: &self.absent, decode, bump, documents, memory, take }.from(0, document, None);
    }

    /// Maps one raw event.
    ///
    /// # Errors
    /// [`Refusal`], if the event belongs in quarantine.
    pub fn apply<'a>(&'a self, document: &Document<'a>, bump: &'a Bump) -> Result<Mapped<'a>, Refusal> {
        self.apply_in(&mut MappingBuffer::default(), document, bump)
    }

    /// [`Mapping::apply`] with the memory of `buffer`. Return it with [`MappingBuffer::recycle`].
    ///
    /// # Errors
    /// [`Refusal`], if the event belongs in quarantine.
    pub fn apply_in<'a>(
        &'a self,
        buffer: &mut MappingBuffer,
        document: &Document<'a>,
        bump: &'a Bump,
    ) -> Result<Mapped<'a>, Refusal> {
        self.evaluate(buffer, document, bump, false)
    }

    /// Maps one raw event and records the source of each value.
    ///
    /// # Errors
    /// [`Refusal`], if the event belongs in quarantine.
    pub fn explain<'a>(&'a self, document: &Document<'a>, bump: &'a Bump) -> Result<Mapped<'a>, Refusal> {
        self.evaluate(&mut MappingBuffer::default(), document, bump, true)
    }

    fn evaluate<'a>(
        &'a self,
        buffer: &mut MappingBuffer,
        document: &Document<'a>,
        bump: &'a Bump,
        explain: bool,
    ) -> Result<Mapped<'a>, Refusal> {
        let mut mapped = self.attempt(buffer, document, bump, explain, false);
        if let Err(Refusal::Invalid(_)) = mapped {
            // Map again and record what is written where. Only invalid records pay for this.
            mapped = self.attempt(buffer, document, bump, explain, true);
        }
        mapped
    }

    /// Maps one raw event. With `repair`, removes optional parts that break the schema.
    fn attempt<'a>(
        &'a self,
        buffer: &mut MappingBuffer,
        document: &Document<'a>,
        bump: &'a Bump,
        explain: bool,
        repair: bool,
    ) -> Result<Mapped<'a>, Refusal> {
        let plan = &self.plan;
        let MappingBuffer { record: memory, slots, reads, consumed } = buffer;
        plan.paths.fill(document, slots);
        let mut values = Values::new(document, bump, &self.absent, slots, reads);
        values.looked_at = explain.then(Vec::new);
        let event = self.select(&mut values)?;
        let shape = &*plan.tables[event.table].shape;
        let record = memory.record(shape, event.profiles);
        let mut evaluation = Evaluation::new(values, consumed, shape, record);
        evaluation.automatic_unmapped = self.automatic_unmapped;
        evaluation.written = explain.then(Vec::new);
        if repair {
            evaluation.keep_ledger();
        }
        evaluation.run(&event.steps, Scope::EVENT);
        for (key, value) in &event.unmapped {
            evaluation.keep(key, value);
        }
        let time = self.time(&mut evaluation, event)?;
        let account = plan.account.as_ref().and_then(|account| evaluation.values.peek_text(account));
        if repair {
            evaluation.leave_out().map_err(Refusal::Invalid)?;
        }
        if self.automatic_unmapped {
            evaluation.collect_unmapped();
        }
        evaluation.join_unmapped();
        // After the raw fields: of equal keys the last wins, and the log may have a field of this name.
        let repeated = document.repeated_names();
        if !repeated.is_empty() {
            evaluation.record.add_unmapped(REPEATED_FIELDS, bump.alloc_str(&repeated.join(",")));
        }
        let looked_at = evaluation.values.looked_at.take().unwrap_or_default();
        let looked_at = looked_at.into_iter().map(|node| raw_path(document, node)).collect();
        let Evaluation { mut record, problems, written, .. } = evaluation;
        shape.complete(&mut record);
        if let Err(breach) = shape.check(&record) {
            memory.recycle(record);
            return Err(Refusal::Invalid(breach));
        }
        let written = written.unwrap_or_default();
        Ok(Mapped { record, table: event.table, event: &event.key, time, account, problems, written, looked_at })
    }

    /// Selects the event mapping of a raw event.
    fn select<'a>(&'a self, values: &mut Values<'_, 'a>) -> Result<&'a EventPlan, Refusal> {
        let plan = &self.plan;
        let by_rule = plan.rules.iter().find(|(condition, _)| values.holds(condition)).map(|(_, event)| *event);
        let key = match by_rule {
            Some(_) => None,
            None => plan.matched_field.as_ref().and_then(|field| values.peek_text(field)),
        };
        let by_key = key.and_then(|key| plan.event_of_key.get(key).copied());
        let event = by_rule.or(by_key).or(plan.other);
        event.map(|event| &plan.events[event]).ok_or_else(|| {
            Refusal::NoMapping(match key {
                Some(key) => format!("event `{key}`"),
                None => "an event that has no matched_field".to_owned(),
            })
        })
    }

    /// The time of the event: its `time` attribute, otherwise `timestamp` of the config.
    fn time<'a>(&'a self, evaluation: &mut Evaluation<'_, 'a>, event: &EventPlan) -> Result<i64, Refusal> {
        if let Cell::Integer(time) = evaluation.record.get(Scope::EVENT, event.time) {
            return Ok(time);
        }
        let fallback = self.plan.time.as_ref().and_then(|time| evaluation.peek_time(time));
        let time = fallback.ok_or_else(|| {
            let tried = evaluation.problems.iter().find(|problem| problem.attribute == "time");
            Refusal::NoTime(match tried {
                Some(problem) => format!("`{}`", problem.value),
                None => "the field is not there".to_owned(),
            })
        })?;
        evaluation.record.set(Scope::EVENT, event.time, Cell::Integer(time));
        Ok(time)
    }
}
