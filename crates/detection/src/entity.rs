//! Entity hunting: groups the events of a source by the entity that caused them, splits them into blocks, and evaluates rules
//! for each block.
//!
//! An [`EntityHunt`] sorts the events of each entity by time, then by `metadata.uid`. It splits them into blocks of a number
//! of events or a length of time. Blocks are numbered from 0 for each entity and do not overlap. Events without an entity are
//! only counted. The result is an [`EntityTable`].
//!
//! A rule is evaluated within each block if its rows can be assigned to events: its SQL is one SELECT whose first table is a
//! logical table. Then thresholds and GROUP BY apply within a block. Any other rule (a STIX pattern, a nested query) is
//! evaluated over the whole time. Each of its rows goes to the block of its entity and first time.

mod finding;
mod key;
mod select;
mod statements;

use std::collections::BTreeMap;
use std::num::{NonZeroI64, NonZeroU32};

use query::{Answer, Engine, QueryError, Statement, Statistics};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};
use sql::text::MAX_STATEMENT_BYTES;
use uuid::Uuid;

use crate::attack::{Attacks, tactic_name};
use crate::catalog::Catalog;
use crate::finding::cell_millis;
use crate::rule::{Level, ParameterValues, Rule};
use crate::statement::{self, StatementError};
use crate::window::Window;
pub use finding::{EntityKind, of_finding};
pub use key::{EntityKey, Step};
use statements::{BlockRule, Statements};

/// The size of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSize {
    /// A number of events of an entity. The last block may have fewer.
    Rows(NonZeroU32),
    /// A length of time in milliseconds. Blocks start at multiples of it since 1970. Empty blocks are not numbered.
    Time(NonZeroI64),
}

/// What to search, and how to group events.
#[derive(Debug)]
pub struct EntityHunt<'h> {
    /// The tables.
    pub catalog: &'h Catalog,
    /// The time range to search.
    pub window: Window,
    /// The size of a block.
    pub size: BlockSize,
    /// How to find the entity of an event; `None` for each source's own key.
    pub key: Option<EntityKey>,
    /// The most rows of a rule that cannot be evaluated by block.
    pub max_rows: u64,
}

/// The blocks of all entities, and the rules that hit them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntityTable {
    /// The blocks, sorted by source, entity and number.
    pub blocks: Vec<Block>,
    /// The number of events without an entity, by source.
    pub without_entity: BTreeMap<String, u64>,
    /// Rules that were not evaluated by block, and rows that belong to no block.
    pub notes: Vec<Note>,
    /// The cost of the queries.
    #[serde(skip)]
    pub statistics: Statistics,
}

/// A block of events of one entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Block {
    /// The logical table of its events.
    pub source: String,
    /// The entity.
    pub entity: String,
    /// Its number among the blocks of the entity, from 0.
    pub block: u64,
    /// Number of events.
    pub events: u64,
    /// The time of its first event, in milliseconds since 1970.
    pub start_time: i64,
    /// The time of its last event.
    pub end_time: i64,
    /// The rules that hit it, sorted by the time of their first hits.
    pub rules: Vec<RuleHit>,
}

/// A rule that hit a block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleHit {
    /// The rule's id.
    #[serde(serialize_with = "as_text")]
    pub rule: Uuid,
    /// The rule's title.
    pub title: String,
    /// The rule's level.
    pub level: Level,
    /// The number of the rule's rows for the block: events, or groups that reached the threshold.
    pub hits: u64,
    /// Its position in the order in which rules first hit the entity, from 1.
    pub order: u64,
    /// The time of the first hit event in this block.
    pub first_time: i64,
    /// The time of the last hit event in this block.
    pub last_time: i64,
    /// ATT&CK tactics.
    pub tactics: Vec<Tactic>,
    /// Ids of ATT&CK techniques.
    pub techniques: Vec<String>,
    /// Whether the rule was evaluated within the block. Otherwise its rows were assigned by entity and time.
    pub by_block: bool,
}

/// An ATT&CK tactic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tactic {
    /// `TA0006`
    pub id: &'static str,
    /// `Credential Access`
    pub name: &'static str,
}

/// A rule that was not evaluated as usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The rule's id.
    #[serde(serialize_with = "as_text")]
    pub rule: Uuid,
    /// The rule's title.
    pub title: String,
    /// What happened.
    pub message: String,
    /// The kind of note.
    pub kind: NoteKind,
}

/// Kinds of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoteKind {
    /// The rule was refused or failed, and has no hits.
    Failed,
    /// The rule reads a source without events here.
    NoEvents,
    /// The rule was evaluated over the whole time and not by block.
    WholeTime,
}

/// Why an entity hunt failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntityError {
    /// A statement cannot be built.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The query for the blocks of a source failed.
    #[error("the blocks of `{entity_source}` cannot be computed: {error}")]
    Query {
        /// The logical table.
        entity_source: String,
        /// The engine's error.
        #[source]
        error: QueryError,
    },
    /// The engine's answer does not have the form of the statement.
    #[error("the engine's answer cannot be read: {0}")]
    Answer(AnswerError),
}

/// How an answer differs from the form of its statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A row has the wrong number of columns.
    #[error("{found} columns where a {row} has {wanted}")]
    Columns {
        /// `block` or `hit`.
        row: &'static str,
        /// The row's number of columns.
        found: usize,
        /// The expected number.
        wanted: usize,
    },
    /// A hit names a rule that was not in the statement.
    #[error("a hit of no rule")]
    NoRule,
    /// A value is not a whole number. The value is JSON.
    #[error("{0} where a whole number is expected")]
    NotANumber(String),
}

/// A source of events and the catalog of its tables alone.
struct Source<'c> {
    name: &'c str,
    catalog: Catalog,
}

/// A source with its blocks.
struct CountedSource<'c> {
    source: Source<'c>,
    key: EntityKey,
    blocks: Blocks,
}

/// Why a query for rules has no answer.
enum RunError {
    /// The engine cannot be used, or a person cancelled the query.
    Engine(QueryError),
    /// One of the rules is refused, or failed.
    Rules(String),
}

impl RunError {
    fn of(error: QueryError) -> Self {
        match error {
            QueryError::Unavailable(_) | QueryError::Cancelled(_) => Self::Engine(error),
            other => Self::Rules(other.to_string()),
        }
    }
}

/// The most rules in one statement.
const MAX_RULES: usize = 12;

impl EntityHunt<'_> {
    /// Runs rules over the blocks of the sources that they read. For each source it takes one statement for the blocks, and
    /// one for each twelve rules. A rule that fails is noted and does not stop the others.
    ///
    /// # Errors
    /// [`EntityError`] if the blocks of a source cannot be queried.
    pub async fn run(&self, rules: &[&Rule], engine: &dyn Engine) -> Result<EntityTable, EntityError> {
        let mut table = EntityTable {
            blocks: Vec::new(),
            without_entity: BTreeMap::new(),
            notes: Vec::new(),
            statistics: Statistics::default(),
        };
        let mut followed: Vec<BlockRule<'_>> = Vec::new();
        let mut others: Vec<(&Rule, &'static str)> = Vec::new();
        for rule in rules {
            match BlockRule::of(rule) {
                Ok(of_blocks) => followed.push(of_blocks),
                Err(why) => others.push((rule, why)),
            }
        }
        let read: Vec<(String, &Rule)> = followed
            .iter()
            .map(|rule| (rule.table().to_owned(), rule.rule))
            .chain(
                others.iter().flat_map(|(rule, _)| rule.sources().into_iter().map(|table| (table.to_owned(), *rule))),
            )
            .collect();
        let mut found: Vec<bool> = vec![false; read.len()];
        let mut counted: Vec<CountedSource<'_>> = Vec::new();
        for source in self.catalog.sources_of_blocks() {
            let source = Source { name: source, catalog: self.catalog.only(source) };
            let reads: Vec<bool> = read.iter().map(|(name, _)| source.has(name)).collect();
            if !reads.contains(&true) {
                continue;
            }
            for (found, reads) in found.iter_mut().zip(&reads) {
                *found |= reads;
            }
            let of_source: Vec<&BlockRule<'_>> = followed.iter().filter(|rule| source.has(rule.table())).collect();
            counted.push(self.run_source(source, &of_source, engine, &mut table).await?);
        }
        for (rule, why) in others {
            self.run_other(rule, why, engine, &mut counted, &mut table).await?;
        }
        for CountedSource { source, blocks, .. } in counted {
            table.blocks.extend(blocks.into_blocks(source.name));
        }
        for ((name, rule), found) in read.iter().zip(found) {
            if !found {
                table.note(rule, format!("there are no events of `{name}`"), NoteKind::NoEvents);
            }
        }
        table.order();
        Ok(table)
    }

    /// The blocks of a source, with the hits of the rules that are evaluated by block.
    async fn run_source<'c>(
        &self,
        source: Source<'c>,
        rules: &[&BlockRule<'_>],
        engine: &dyn Engine,
        table: &mut EntityTable,
    ) -> Result<CountedSource<'c>, EntityError> {
        let key = self.key.clone().unwrap_or_else(|| EntityKey::of_source(source.name));
        let statements = Statements { source: &source, key: &key, size: self.size, window: self.window };
        let failed = |error| EntityError::Query { entity_source: source.name.to_owned(), error };
        let answer = engine.run(&Statement::new(statements.blocks()?)).await.map_err(failed)?;
        table.cost(&answer);
        let mut blocks = Blocks::read(&answer, self.size).map_err(EntityError::Answer)?;
        if blocks.without_entity > 0 {
            table.without_entity.insert(source.name.to_owned(), blocks.without_entity);
        }
        if !blocks.entities.is_empty() {
            let mut batches: Vec<Vec<&BlockRule<'_>>> = rules.chunks(MAX_RULES).map(<[_]>::to_vec).collect();
            while let Some(batch) = batches.pop() {
                let run = self.run_rules(&statements, &batch, engine).await;
                match run {
                    Ok(answer) => {
                        table.cost(&answer);
                        blocks.hit(&answer, &batch).map_err(EntityError::Answer)?;
                    }
                    // Any other statement would fail too.
                    Err(RunError::Engine(error)) => return Err(failed(error)),
                    // One of them is refused or the statement is too long: retry each half alone.
                    Err(RunError::Rules(_)) if batch.len() > 1 => {
                        let (one, other) = batch.split_at(batch.len() / 2);
                        batches.extend([one.to_vec(), other.to_vec()]);
                    }
                    Err(RunError::Rules(why)) => {
                        if let Some(rule) = batch.first() {
                            table.note(rule.rule, why, NoteKind::Failed);
                        }
                    }
                }
            }
        }
        Ok(CountedSource { source, key, blocks })
    }

    /// Runs a rule over the whole time, and adds its rows to the blocks of the sources that it reads.
    async fn run_other(
        &self,
        rule: &Rule,
        why: &str,
        engine: &dyn Engine,
        counted: &mut [CountedSource<'_>],
        table: &mut EntityTable,
    ) -> Result<(), EntityError> {
        let names = rule.sources();
        let mut read: Vec<&mut CountedSource<'_>> = counted
            .iter_mut()
            .filter(|counted| names.iter().any(|name| counted.source.has(name)) && !counted.blocks.entities.is_empty())
            .collect();
        let Some(first) = read.first() else { return Ok(()) };
        let entity_source = first.source.name.to_owned();
        let (answer, is_cut) = match self.run_whole(rule, engine).await {
            Ok(answered) => answered,
            Err(RunError::Engine(error)) => return Err(EntityError::Query { entity_source, error }),
            Err(RunError::Rules(why)) => {
                table.note(rule, why, NoteKind::Failed);
                return Ok(());
            }
        };
        table.cost(&answer);
        let names = || answer.columns.iter().map(|column| column.name.clone());
        let rows = answer.rows.iter().map(|values| names().zip(values.iter().cloned()).collect());
        let lost = rows
            .filter(|row: &Map<String, Json>| {
                !read.iter_mut().any(|counted| counted.blocks.assign(rule, row, &counted.key))
            })
            .count();
        let mut message = format!("evaluated over the whole time, because {why}");
        if lost > 0 {
            message = format!("{message}; {lost} of its rows belong to no block");
        }
        if is_cut {
            message = format!("{message}; rows beyond {} were left out", self.max_rows);
        }
        table.note(rule, message, NoteKind::WholeTime);
        Ok(())
    }

    async fn run_rules(
        &self,
        statements: &Statements<'_, '_>,
        rules: &[&BlockRule<'_>],
        engine: &dyn Engine,
    ) -> Result<Answer, RunError> {
        let sql = statements.hits(rules, self.catalog).map_err(|error| RunError::Rules(error.to_string()))?;
        if rules.len() > 1 && sql.as_str().len() > MAX_STATEMENT_BYTES {
            return Err(RunError::Rules("the statement is too long".to_owned()));
        }
        // The scan limit is the sum of the rules' own limits.
        let budget = rules.iter().map(|rule| rule.rule.max_scanned_bytes).sum::<Option<u64>>();
        let statement = Statement { max_scanned_bytes: budget, ..Statement::new(sql) };
        engine.run(&statement).await.map_err(RunError::of)
    }

    /// The rows of a rule over the whole time, and whether there are more than the limit.
    async fn run_whole(&self, rule: &Rule, engine: &dyn Engine) -> Result<(Answer, bool), RunError> {
        let prepared = statement::build(rule, self.catalog, self.window, &ParameterValues::new(), self.max_rows)
            .map_err(|error| RunError::Rules(error.to_string()))?;
        let answer = engine.run(&prepared.statement).await.map_err(RunError::of)?;
        let is_cut = u64::try_from(answer.rows.len()).unwrap_or(u64::MAX) > self.max_rows;
        let hits = prepared.hits(rule, &answer).map_err(|error| RunError::Rules(error.to_string()))?;
        Ok((hits.into_owned(), is_cut))
    }
}

impl Source<'_> {
    /// Whether a logical table or class contains events of this source.
    fn has(&self, name: &str) -> bool {
        self.catalog.resolve(name).is_ok_and(|resolved| resolved.tables.iter().any(|(table, _)| table.exists))
    }
}

impl EntityTable {
    fn cost(&mut self, answer: &Answer) {
        self.statistics.scanned_bytes += answer.statistics.scanned_bytes;
        self.statistics.duration += answer.statistics.duration;
    }

    fn note(&mut self, rule: &Rule, message: String, kind: NoteKind) {
        let note = Note { rule: rule.id, title: rule.title.clone(), message, kind };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Numbers the rules of each entity in the order of their first hits.
    fn order(&mut self) {
        let mut firsts: BTreeMap<&str, BTreeMap<Uuid, i64>> = BTreeMap::new();
        for block in &self.blocks {
            let of_entity = firsts.entry(&block.entity).or_default();
            for hit in &block.rules {
                let first = of_entity.entry(hit.rule).or_insert(hit.first_time);
                *first = hit.first_time.min(*first);
            }
        }
        let orders: BTreeMap<String, Vec<Uuid>> = firsts
            .into_iter()
            .map(|(entity, firsts)| {
                let mut rules: Vec<(i64, Uuid)> = firsts.into_iter().map(|(rule, first)| (first, rule)).collect();
                rules.sort_unstable();
                (entity.to_owned(), rules.into_iter().map(|(_, rule)| rule).collect())
            })
            .collect();
        for block in &mut self.blocks {
            let order = orders.get(&block.entity).map(Vec::as_slice).unwrap_or_default();
            for hit in &mut block.rules {
                let place = order.iter().position(|rule| *rule == hit.rule);
                hit.order = place.map_or(0, |place| place as u64 + 1);
            }
            block.rules.sort_by_key(|hit| (hit.first_time, hit.order));
        }
        self.blocks.sort_by(|a, b| (&a.source, &a.entity, a.block).cmp(&(&b.source, &b.entity, b.block)));
    }

    /// The blocks with hits. Entities hit by the most rules come first, then those hit earliest.
    pub fn hit_blocks(&self) -> Vec<&Block> {
        let mut of_entity: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for (block, hit) in self.blocks.iter().flat_map(|block| block.rules.iter().map(move |hit| (block, hit))) {
            let (rules, first) = of_entity.entry(&block.entity).or_insert((0, hit.first_time));
            *rules = hit.order.max(*rules);
            *first = hit.first_time.min(*first);
        }
        let mut hit: Vec<&Block> = self.blocks.iter().filter(|block| !block.rules.is_empty()).collect();
        hit.sort_by_key(|block| {
            let (rules, first) = of_entity.get(block.entity.as_str()).copied().unwrap_or_default();
            (u64::MAX - rules, first, &block.entity, &block.source, block.block)
        });
        hit
    }

    /// The number of entities with blocks.
    pub fn entities(&self) -> usize {
        let mut names: Vec<&str> = self.blocks.iter().map(|block| block.entity.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }
}

/// A block while hits are added.
struct Counted {
    /// Its number in statements.
    slot: i64,
    events: u64,
    first: i64,
    last: i64,
    rules: Vec<RuleHit>,
}

struct Blocks {
    size: BlockSize,
    without_entity: u64,
    /// The blocks of each entity in order.
    entities: BTreeMap<String, Vec<Counted>>,
}

impl Blocks {
    fn read(answer: &Answer, size: BlockSize) -> Result<Self, AnswerError> {
        let mut blocks = Self { size, without_entity: 0, entities: BTreeMap::new() };
        for row in &answer.rows {
            let [entity, slot, events, first, last] = row.as_slice() else {
                return Err(AnswerError::Columns { row: "block", found: row.len(), wanted: 5 });
            };
            let events = number(events)?.unsigned_abs();
            let Some(entity) = entity.as_str() else {
                blocks.without_entity += events;
                continue;
            };
            blocks.entities.entry(entity.to_owned()).or_default().push(Counted {
                slot: number(slot)?,
                events,
                first: number(first)?,
                last: number(last)?,
                rules: Vec::new(),
            });
        }
        for blocks in blocks.entities.values_mut() {
            blocks.sort_unstable_by_key(|block| block.slot);
        }
        Ok(blocks)
    }

    /// Adds the hits of an answer to the statement of these rules.
    fn hit(&mut self, answer: &Answer, rules: &[&BlockRule<'_>]) -> Result<(), AnswerError> {
        for row in &answer.rows {
            let [rule, entity, slot, hits, first, last] = row.as_slice() else {
                return Err(AnswerError::Columns { row: "hit", found: row.len(), wanted: 6 });
            };
            let rule = usize::try_from(number(rule)?).ok().and_then(|rule| rules.get(rule));
            let rule = rule.ok_or(AnswerError::NoRule)?;
            let slot = number(slot)?;
            let blocks = entity.as_str().and_then(|entity| self.entities.get_mut(entity));
            // An event may reach the lake between the two queries. Its block is unknown then.
            let block = blocks.and_then(|blocks| blocks.iter_mut().find(|block| block.slot == slot));
            let Some(block) = block else { continue };
            let times = (number(first)?, number(last)?);
            block.rules.push(RuleHit::new(rule.rule, number(hits)?.unsigned_abs(), times, true));
        }
        Ok(())
    }

    /// Adds a row of a rule to the block of its entity and time. Returns false if there is none.
    fn assign(&mut self, rule: &Rule, row: &Map<String, Json>, key: &EntityKey) -> bool {
        let time = |name: &str| row.get(name).and_then(cell_millis);
        let first = time("start_time").or_else(|| time("time"));
        let last = time("end_time").or(first);
        let block = key.of_row(row).zip(first).and_then(|(entity, time)| self.block_of(&entity, time));
        let (Some(block), Some(first), Some(last)) = (block, first, last) else { return false };
        match block.rules.iter_mut().find(|hit| hit.rule == rule.id) {
            Some(hit) => {
                hit.hits += 1;
                hit.first_time = hit.first_time.min(first);
                hit.last_time = hit.last_time.max(last);
            }
            None => block.rules.push(RuleHit::new(rule, 1, (first, last), false)),
        }
        true
    }

    /// The block of an event. For blocks of a number of events, it is the first that ends at or after this time.
    fn block_of(&mut self, entity: &str, time: i64) -> Option<&mut Counted> {
        let blocks = self.entities.get_mut(entity)?;
        let place = match self.size {
            BlockSize::Time(length) => blocks.iter().position(|block| block.slot == time / length.get()),
            BlockSize::Rows(_) => Some(blocks.partition_point(|block| block.last < time)),
        };
        blocks.get_mut(place?)
    }

    fn into_blocks(self, source: &str) -> impl Iterator<Item = Block> {
        self.entities.into_iter().flat_map(move |(entity, blocks)| {
            let numbered = blocks.into_iter().zip(0..);
            numbered
                .map(|(block, number)| Block {
                    source: source.to_owned(),
                    entity: entity.clone(),
                    block: number,
                    events: block.events,
                    start_time: block.first,
                    end_time: block.last,
                    rules: block.rules,
                })
                .collect::<Vec<_>>()
        })
    }
}

impl RuleHit {
    fn new(rule: &Rule, hits: u64, (first_time, last_time): (i64, i64), by_block: bool) -> Self {
        let attacks = Attacks::of_tags(rule.tags.iter().map(|tag| tag.value.as_str()));
        let tactic = |id: &'static str| Tactic { id, name: tactic_name(id).unwrap_or(id) };
        Self {
            rule: rule.id,
            title: rule.title.clone(),
            level: rule.level,
            hits,
            order: 0,
            first_time,
            last_time,
            tactics: attacks.tactic_ids().into_iter().map(tactic).collect(),
            techniques: attacks.techniques,
            by_block,
        }
    }
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn number(value: &Json) -> Result<i64, AnswerError> {
    value.as_i64().ok_or_else(|| AnswerError::NotANumber(value.to_string()))
}
