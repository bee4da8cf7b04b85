//! Handles requests by operation. Checks and messages are like Athena's.

use local_lambda::http::{Request, Response};

use serde_json::{Value, json};
use sql::table::Table;
use sql::text::MAX_STATEMENT_BYTES;

use crate::queries::State;
use crate::{Fault, FaultKind, LocalAthena, answers};

/// An error of Athena: its name and message.
type Refusal = (&'static str, String);

pub(crate) fn answer(athena: &LocalAthena, request: &Request) -> Option<Response> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    if let Some(order) = request.target.strip_prefix("/_local/") {
        return Some(control(athena, order, body));
    }
    let operation =
        request.header("x-amz-target").and_then(|target| target.strip_prefix("AmazonAthena.")).unwrap_or("");
    let fault = next_fault(athena, operation);
    match fault {
        Some(FaultKind::Throttled) => return Some(refuse(("TooManyRequestsException", "Rate exceeded".to_owned()))),
        Some(FaultKind::Denied) => {
            return Some(refuse(("AccessDeniedException", format!("not authorized to perform: athena:{operation}"))));
        }
        Some(FaultKind::Internal) => {
            let body = json!({"__type": "InternalServerException", "Message": "for a test"}).to_string();
            return Some(Response::new(500, body));
        }
        Some(FaultKind::Unanswered) | None => {}
    }
    let answer = match perform(athena, operation, &body) {
        Ok(answer) => Response::new(200, answer.to_string()),
        Err(refusal) => refuse(refusal),
    };
    fault.is_none().then(|| answer.header("content-type", "application/x-amz-json-1.1"))
}

fn refuse((name, message): Refusal) -> Response {
    Response::new(400, json!({"__type": name, "Message": message}).to_string())
}

fn next_fault(athena: &LocalAthena, operation: &str) -> Option<FaultKind> {
    let mut queries = athena.queries();
    let meant = |fault: &&mut Fault| fault.times > 0 && fault.operation.as_deref().is_none_or(|name| name == operation);
    let fault = queries.faults.iter_mut().find(meant)?;
    fault.times -= 1;
    Some(fault.kind)
}

/// For tests in other languages: `POST /_local/faults`, `POST /_local/hold` with a boolean, `GET /_local/events`,
/// `GET /_local/queries`.
fn control(athena: &LocalAthena, order: &str, body: Value) -> Response {
    match order {
        "faults" => match serde_json::from_value(body) {
            Ok(fault) => athena.fail(fault),
            Err(error) => return Response::new(400, error.to_string()),
        },
        "hold" => athena.hold(body == json!(true)),
        "events" => return Response::new(200, Value::from(athena.queries().events.clone()).to_string()),
        "queries" => {
            let queries = athena.started().into_iter();
            let queries: Vec<Value> = queries
                .map(|one| json!({"id": one.id, "sql": one.sql, "token": one.token, "state": one.state}))
                .collect();
            return Response::new(200, Value::from(queries).to_string());
        }
        _ => return Response::new(404, "no such order"),
    }
    Response::new(200, "{}")
}

fn perform(athena: &LocalAthena, operation: &str, body: &Value) -> Result<Value, Refusal> {
    match operation {
        "StartQueryExecution" => start(athena, body),
        "GetQueryExecution" => execution(athena, body),
        "GetQueryResults" => results(athena, body),
        "StopQueryExecution" => {
            let id = known(athena, body)?;
            athena.change(&id, State::Cancelled("Query cancelled by user".to_owned()), 0);
            Ok(json!({}))
        }
        "ListWorkGroups" => {
            let groups: Vec<Value> = workgroups(athena).map(|name| json!({"Name": name, "State": "ENABLED"})).collect();
            Ok(json!({ "WorkGroups": groups }))
        }
        "GetWorkGroup" => {
            let name = workgroup(athena, body)?;
            let mut configuration = json!({"EnforceWorkGroupConfiguration": true});
            if let Some(cutoff) = athena.cutoff(&name) {
                configuration["BytesScannedCutoffPerQuery"] = json!(cutoff);
            }
            Ok(json!({"WorkGroup": {"Name": name, "State": "ENABLED", "Configuration": configuration}}))
        }
        "ListDatabases" => {
            let mut names: Vec<String> = tables(athena)?.into_iter().map(|table| table.database).collect();
            names.dedup();
            Ok(json!({"DatabaseList": names.iter().map(|name| json!({"Name": name})).collect::<Vec<_>>()}))
        }
        "ListTableMetadata" => list_tables(athena, body),
        "GetTableMetadata" => {
            let name = text(body, "TableName")?;
            let table = tables(athena)?.into_iter().find(|table| table.name == name);
            let table = table.ok_or(("MetadataException", format!("Entity Not Found: {name}")))?;
            Ok(json!({"TableMetadata": metadata(&table)}))
        }
        _ => Err(("UnknownOperationException", format!("{operation} is not known here"))),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    ("InvalidRequestException", message.into())
}

fn text(body: &Value, name: &str) -> Result<String, Refusal> {
    body[name].as_str().map(str::to_owned).ok_or_else(|| invalid(format!("{name} must not be null")))
}

fn workgroups(athena: &LocalAthena) -> impl Iterator<Item = &str> {
    ["primary"].into_iter().chain(athena.shared.settings.workgroups.iter().map(|(name, _)| name.as_str()))
}

fn workgroup(athena: &LocalAthena, body: &Value) -> Result<String, Refusal> {
    let name = body["WorkGroup"].as_str().unwrap_or("primary");
    match workgroups(athena).any(|known| known == name) {
        true => Ok(name.to_owned()),
        false => Err(invalid(format!("WorkGroup {name} is not found."))),
    }
}

fn start(athena: &LocalAthena, body: &Value) -> Result<Value, Refusal> {
    let sql = text(body, "QueryString")?;
    if sql.is_empty() || sql.len() > MAX_STATEMENT_BYTES {
        return Err(invalid(format!("QueryString must have length between 1 and {MAX_STATEMENT_BYTES}")));
    }
    let token = text(body, "ClientRequestToken")?;
    if !(32..=128).contains(&token.len()) {
        return Err(invalid("ClientRequestToken must have length between 32 and 128"));
    }
    let workgroup = workgroup(athena, body)?;
    let mut request = body.clone();
    if let Some(members) = request.as_object_mut() {
        members.remove("ClientRequestToken");
    }
    let earlier = {
        let queries = athena.queries();
        let id = queries.by_token.get(&token);
        id.map(|id| (id.clone(), queries.by_id.get(id).is_some_and(|query| query.request == request)))
    };
    let id = match earlier {
        Some((id, true)) => id,
        Some((_, false)) => return Err(invalid("Idempotent parameters do not match")),
        None => athena.begin(request, token, workgroup),
    };
    Ok(json!({ "QueryExecutionId": id }))
}

fn known(athena: &LocalAthena, body: &Value) -> Result<String, Refusal> {
    let id = text(body, "QueryExecutionId")?;
    match athena.queries().by_id.contains_key(&id) {
        true => Ok(id),
        false => Err(invalid(format!("QueryExecution {id} was not found"))),
    }
}

fn execution(athena: &LocalAthena, body: &Value) -> Result<Value, Refusal> {
    let id = known(athena, body)?;
    let queries = athena.queries();
    let Some(query) = queries.by_id.get(&id) else { return Err(invalid("it is gone")) };
    let mut status = json!({"State": query.state.name(), "SubmissionDateTime": query.submitted});
    if let Some(completed) = query.completed {
        status["CompletionDateTime"] = json!(completed);
    }
    match &query.state {
        State::Failed(reason) => {
            status["StateChangeReason"] = json!(reason);
            status["AthenaError"] =
                json!({"ErrorCategory": 2, "ErrorType": 1006, "Retryable": false, "ErrorMessage": reason});
        }
        State::Cancelled(reason) => status["StateChangeReason"] = json!(reason),
        _ => {}
    }
    let millis = query.completed.map_or(0.0, |completed| (completed - query.submitted) * 1000.0) as u64;
    Ok(json!({"QueryExecution": {
        "QueryExecutionId": id,
        "Query": query.request["QueryString"],
        "StatementType": "DML",
        "WorkGroup": query.workgroup,
        "QueryExecutionContext": query.request["QueryExecutionContext"],
        "ResultConfiguration": {"OutputLocation": format!("s3://results/{id}.csv")},
        "Status": status,
        "Statistics": {
            "DataScannedInBytes": query.scanned, "EngineExecutionTimeInMillis": millis, "TotalExecutionTimeInMillis": millis,
        },
    }}))
}

fn results(athena: &LocalAthena, body: &Value) -> Result<Value, Refusal> {
    let id = known(athena, body)?;
    let length = body["MaxResults"].as_u64().unwrap_or(1000);
    if !(1..=1000).contains(&length) {
        return Err(invalid("MaxResults is more than maximum allowed length 1000."));
    }
    let start = match body["NextToken"].as_str() {
        None => 0,
        Some(token) => token.parse().map_err(|_| invalid("NextToken is malformed"))?,
    };
    let queries = athena.queries();
    let Some(query) = queries.by_id.get(&id) else { return Err(invalid("it is gone")) };
    match &query.state {
        State::Succeeded(answer) => {
            let (set, next) = answers::page(answer, start, length as usize);
            let mut page = json!({"UpdateCount": 0, "ResultSet": set});
            if let Some(next) = next {
                page["NextToken"] = json!(next.to_string());
            }
            Ok(page)
        }
        State::Queued | State::Running => {
            Err(invalid(format!("Query has not yet finished. Current state: {}", query.state.name())))
        }
        ended => Err(invalid(format!("Query did not finish successfully. Final query state: {}", ended.name()))),
    }
}

fn tables(athena: &LocalAthena) -> Result<Vec<Table>, Refusal> {
    let tables = async { athena.shared.engine.engine().await?.tables().await };
    athena.shared.runtime.block_on(tables).map_err(|error| ("MetadataException", error.to_string()))
}

fn list_tables(athena: &LocalAthena, body: &Value) -> Result<Value, Refusal> {
    const PER_PAGE: usize = 50;
    let database = text(body, "DatabaseName")?;
    let tables: Vec<Table> = tables(athena)?.into_iter().filter(|table| table.database == database).collect();
    let start: usize = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
    let page: Vec<Value> = tables.iter().skip(start).take(PER_PAGE).map(metadata).collect();
    let mut answer = json!({ "TableMetadataList": page });
    if start + PER_PAGE < tables.len() {
        answer["NextToken"] = json!((start + PER_PAGE).to_string());
    }
    Ok(answer)
}

fn metadata(table: &Table) -> Value {
    let is_key = |name: &str| sql::table::PARTITION_KEYS.contains(&name);
    let columns = |keys: bool| -> Vec<Value> {
        let columns = table.columns.iter().filter(|(name, _)| is_key(name) == keys);
        columns.map(|(name, kind)| json!({"Name": name, "Type": kind.glue().to_string()})).collect()
    };
    json!({
        "Name": table.name, "TableType": "EXTERNAL_TABLE", "Columns": columns(false), "PartitionKeys": columns(true),
        "Parameters": {"EXTERNAL": "TRUE"},
    })
}
