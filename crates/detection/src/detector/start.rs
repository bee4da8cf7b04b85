//! Which queries are due, which of them share a statement, and their start.

use query::{QueryError, Statement};
use uuid::Uuid;

use super::{Answers, Collected, DetectError, Detector, Due, Started, position, with_id};
use crate::rule::Rule;
use crate::shape::Shape;
use crate::shared::{self, Part, Question, Shared};
use crate::state::{self, Kept, QueryOwner, RuleState, Run, StateError, bytes_of, query_key, rule_key};
use crate::statement;
use crate::window::{self, Look};

/// A query that a rule has to start.
#[derive(Debug)]
pub(super) struct Pending<'d> {
    rule: &'d Rule,
    kept: Kept<RuleState>,
    look: Look,
    /// How many queries of the same window have failed.
    attempt: u32,
    /// The physical tables that it reads.
    tables: Vec<String>,
}

impl Pending<'_> {
    fn run(&self, token: String, part: Option<Part>, now: i64) -> Run {
        Run {
            look: self.look,
            attempt: self.attempt,
            token,
            rule_version: self.rule.version(),
            started: now,
            query_id: None,
            publishing_until: None,
            part,
        }
    }
}

/// Queries that are started by one statement.
struct Group<'d> {
    /// The statement that the members share; `None` for one member with a statement of its own.
    statement: Option<Statement>,
    members: Vec<Member<'d>>,
}

/// A pending query, and where its rows are in the answer of a shared statement.
type Member<'d> = (Pending<'d>, Option<Part>);

impl Detector {
    /// What a rule has to query, if it is due. Notes how far the rule is behind; for a rule that waits until events have
    /// settled, `ingest_delay` does not count.
    pub(super) async fn decide_if_due<'d>(
        &'d self,
        rule: &'d Rule,
        now: i64,
        due: &mut Due,
        answers: &mut Answers,
    ) -> Option<Pending<'d>> {
        let shape = Shape::of(rule);
        let delay = if shape.waits(rule) { rule.ingest_delay } else { 0 };
        match self.decide(rule, shape, now, due, answers).await {
            Ok((watermark, pending)) => {
                due.lag.push((rule.id, watermark.map(|watermark| now - delay - watermark)));
                pending
            }
            Err(error) => {
                due.faults.push((rule.id, error));
                None
            }
        }
    }

    /// A rule's watermark, and what it has to query, if it is due.
    async fn decide<'d>(
        &'d self,
        rule: &'d Rule,
        shape: Shape,
        now: i64,
        due: &mut Due,
        answers: &mut Answers,
    ) -> Result<(Option<i64>, Option<Pending<'d>>), DetectError> {
        let key = rule_key(rule.id);
        let mut kept: Kept<RuleState> = state::load(&*self.store, &key).await?;
        if let Some(run) = kept.value.running.clone().filter(|run| run.query_id.is_some()) {
            let collected = self.collect_run(rule, &kept, &run, now, answers).await?;
            let ended = collected.may_continue().is_some()
                || matches!(collected, Collected::Failed { .. } | Collected::Outdated);
            due.collected.push(collected);
            if !ended {
                return Ok((kept.value.watermark, None));
            }
            kept = state::load(&*self.store, &key).await?;
            if kept.value.running.as_ref().is_some_and(|run| run.query_id.is_some()) {
                return Ok((kept.value.watermark, None));
            }
        }
        let watermark = kept.value.watermark;
        let (look, attempt) = match &kept.value.running {
            // Decided by an earlier call, which may not have started it.
            Some(run) => (run.look, run.attempt),
            None => {
                if kept.value.not_before.is_some_and(|time| now < time) {
                    return Ok((watermark, None));
                }
                let position = position(&kept.value, kept.value.narrowed);
                let Some(look) = window::next(rule, shape, position, now) else { return Ok((watermark, None)) };
                (look, kept.value.failures)
            }
        };
        // A rule that never published has to come back to this time if its query fails.
        kept.value.watermark.get_or_insert_with(|| window::beginning(rule, shape, look));
        let mut pending = Pending { rule, kept, look, attempt, tables: Vec::new() };
        match self.tables_of(rule, &pending.kept.value.tables) {
            Ok(tables) => pending.tables = tables,
            Err(missing) => {
                let error = QueryError::Failed(missing.to_string());
                let run = pending.run(String::new(), None, now);
                due.collected.push(self.fail(rule, &pending.kept, &run, error, now).await?);
                return Ok((watermark, None));
            }
        }
        Ok((watermark, Some(pending)))
    }

    /// Pending queries by the statement that they get: those that rules share, and one for each other rule.
    fn grouped<'d>(&'d self, pending: Vec<Pending<'d>>, now: i64) -> Vec<Group<'d>> {
        let shares = |pending: &Pending<'_>| {
            pending.attempt == 0 && pending.kept.value.alone_until.is_none_or(|until| until <= now)
        };
        let question = |pending: &Pending<'d>| Question {
            rule: pending.rule,
            look: pending.look,
            parameters: self.parameters_of(pending.rule),
        };
        let questions: Vec<Question<'d>> = pending.iter().filter(|pending| shares(pending)).map(question).collect();
        let mut alone = pending;
        let mut groups = Vec::new();
        for Shared { statement, questions } in shared::statements(&questions, &self.catalog, self.settings.max_rows) {
            let mut members = Vec::new();
            for (question, part) in questions {
                let at = alone.iter().position(|pending| pending.rule.id == question.rule.id);
                members.extend(at.map(|at| (alone.swap_remove(at), Some(part))));
            }
            groups.push(Group { statement: Some(statement), members });
        }
        groups.extend(alone.into_iter().map(|pending| Group { statement: None, members: vec![(pending, None)] }));
        groups
    }

    /// Starts pending queries. Returns the rules whose shared statement the engine refused; they are not started.
    pub(super) async fn start_pending(
        &self,
        pending: Vec<Pending<'_>>,
        now: i64,
        due: &mut Due,
        has_time: &(dyn Fn() -> bool + Sync),
    ) -> Vec<Uuid> {
        let mut separated = Vec::new();
        for Group { statement, members } in self.grouped(pending, now) {
            if !has_time() {
                due.deferred += members.len() as u64;
                continue;
            }
            match statement {
                Some(statement) => separated.extend(self.start_shared(statement, members, now, due).await),
                None => {
                    for (pending, _) in members {
                        self.start_alone(pending, now, due).await;
                    }
                }
            }
        }
        separated
    }

    /// Starts a statement that rules share. Returns the rules if the engine refuses it.
    async fn start_shared(&self, statement: Statement, members: Vec<Member<'_>>, now: i64, due: &mut Due) -> Vec<Uuid> {
        let Some(window) = members.first().map(|(pending, _)| pending.look.window) else { return Vec::new() };
        let token = statement::token(members.iter().map(|(pending, _)| pending.rule), window, 0, &statement.sql);
        let statement = Statement { token: Some(token.clone()), ..statement };
        let mut noted = Vec::new();
        for (pending, part) in members {
            let (rule, run) = (pending.rule.id, pending.run(token.clone(), part, now));
            match self.note_decision(pending, &run).await {
                Ok(pending) => noted.push((pending, run)),
                Err(error) => due.faults.push((rule, error)),
            }
        }
        let mut ids = noted.iter().map(|(pending, _)| pending.rule.id.to_string());
        let Some(rule) = ids.next() else { return Vec::new() };
        let query_id = match self.queries.start(&statement).await {
            Ok(query_id) => query_id,
            Err(error @ QueryError::Unavailable(_)) => {
                due.faults.extend(noted.iter().map(|(pending, _)| (pending.rule.id, error.clone().into())));
                return Vec::new();
            }
            Err(error) => {
                let mut refused = Vec::new();
                for (pending, run) in &noted {
                    let rule = pending.rule.id;
                    match self.separate(pending.rule, &pending.kept, run, Some(error.clone()), now).await {
                        Ok(separated) => {
                            refused.push(rule);
                            due.collected.push(separated);
                        }
                        Err(error) => due.faults.push((rule, error)),
                    }
                }
                return refused;
            }
        };
        let owner = QueryOwner { rule, others: ids.collect(), token };
        let mut rules = Vec::new();
        if let Err(error) = self.store.put(&query_key(&query_id), bytes_of(&owner)).await {
            let fault = |error| StateError::from(error).into();
            due.faults.extend(noted.first().map(|(pending, _)| (pending.rule.id, fault(error))));
            return Vec::new();
        }
        for (pending, run) in noted {
            match self.note_query(&pending, &run, &query_id).await {
                Ok(true) => rules.push(pending.rule.id),
                Ok(false) => {}
                Err(error) => due.faults.push((pending.rule.id, error)),
            }
        }
        if !rules.is_empty() {
            due.started.push(Started { rules, query_id, window });
        }
        Vec::new()
    }

    async fn start_alone(&self, pending: Pending<'_>, now: i64, due: &mut Due) {
        let (rule, window) = (pending.rule.id, pending.look.window);
        match self.start_own(pending, now, due).await {
            Ok(Some(query_id)) => due.started.push(Started { rules: vec![rule], query_id, window }),
            Ok(None) => {}
            Err(error) => due.faults.push((rule, error)),
        }
    }

    /// Starts a rule's own statement, and returns the query's id unless another call has started it.
    async fn start_own(&self, pending: Pending<'_>, now: i64, due: &mut Due) -> Result<Option<String>, DetectError> {
        let rule = pending.rule;
        let statement = self.prepare(rule, pending.look)?.statement;
        let token = statement::token([rule], pending.look.window, pending.attempt, &statement.sql);
        let statement = Statement { token: Some(token.clone()), ..statement };
        let run = pending.run(token.clone(), None, now);
        let pending = self.note_decision(pending, &run).await?;
        let query_id = match self.queries.start(&statement).await {
            Ok(query_id) => query_id,
            Err(error @ QueryError::Unavailable(_)) => return Err(error.into()),
            Err(error) => {
                // The engine refuses the statement, and would refuse it again.
                due.collected.push(self.fail(rule, &pending.kept, &run, error, now).await?);
                return Ok(None);
            }
        };
        let owner = QueryOwner { rule: rule.id.to_string(), others: Vec::new(), token };
        self.store.put(&query_key(&query_id), bytes_of(&owner)).await?;
        Ok(self.note_query(&pending, &run, &query_id).await?.then_some(query_id))
    }

    /// Notes that a query is about to be started.
    async fn note_decision<'d>(&self, pending: Pending<'d>, run: &Run) -> Result<Pending<'d>, DetectError> {
        let Pending { rule, kept, tables, .. } = &pending;
        if kept.value.running.as_ref().is_some_and(|running| running.token == run.token) {
            return Ok(pending);
        }
        let next = RuleState { running: Some(run.clone()), tables: tables.clone(), ..kept.value.clone() };
        let kept = kept.replace(&*self.store, &rule_key(rule.id), next).await?;
        Ok(Pending { kept, ..pending })
    }

    /// Notes the id of a started query. `false` if another call has started the same query, or collected it already.
    async fn note_query(&self, pending: &Pending<'_>, run: &Run, query_id: &str) -> Result<bool, DetectError> {
        let Pending { rule, kept, .. } = pending;
        let next = RuleState { running: Some(with_id(run, query_id)), ..kept.value.clone() };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if error.is_conflict() => Ok(false),
            other => {
                other?;
                Ok(true)
            }
        }
    }
}
