//! The diagnostics of rules: their numbers, titles and explanations. The crate [`diagnostics`] renders them.
//!
//! Numbers are stable: a number keeps its meaning for ever, and the number of a removed diagnostic is never reused. `E…` refuses
//! the rule, `W…` does not. [`DIAGNOSTICS`] lists them all.

pub use diagnostics::{DiagnosticReport, Severity, SourceText, sort};

/// One fault of a rule.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E201 NotYaml Error "the file is not YAML"
        "A rule file is one YAML document, a mapping of the keys of docs/detections.md.";
    E202 WrongType Error "a value has the wrong type"
        "Write the type that the message names. Put a text that looks like a number, a date or a boolean in quotes.";
    E203 UnknownKey Error "unknown key"
        "Unknown keys are errors, because a misspelt key would silently do nothing. The help line names valid keys.";
    E204 MissingKey Error "a required key is missing"
        "Add the key.";
    E205 DuplicateKey Error "duplicate key"
        "Remove one of them.";
    E206 UnknownChoice Error "a value that is not one of the allowed ones"
        "Write one of the values that the help line names.";
    E207 BadForm Error "a value does not have the required form"
        "The help line shows an example.";
    E208 Empty Error "an empty value"
        "Enter a value, or remove the key.";
    E209 NoLogic Error "a rule without `stix` and `sql`, or with both"
        "A rule has exactly one of the two keys.";
    E210 DuplicateId Error "two rules have the same id"
        "Watermarks and published findings are stored under the id. Give the newer rule a new UUID.";
    E211 BadTag Error "a tag that starts with `attack.` but is unknown in ATT&CK"
        "Tactics are written `attack.credential-access`, techniques `attack.t1003.001`, groups `attack.g0016`, software \
         `attack.s0002`.";
    E212 BadSchedule Error "a schedule that EventBridge does not accept"
        "Write `rate(5 minutes)` or `cron(0 8 ? * MON-FRI *)`; times are UTC.";
    E213 LookbackTooShort Error "`lookback` is shorter than the schedule interval plus `ingest_delay`"
        "No window that is queried after a late event's arrival would contain the event. Make `lookback` longer.";
    E214 ThresholdWithoutGroup Error "a `threshold` without `group_by`"
        "A threshold counts the rows of a group. Add `group_by` with the columns that make a group.";
    E215 UnknownTable Error "unknown logical table"
        "Logical tables are the sources (`{{aws-cloudtrail}}`), the classes (`{{class:process_activity}}`) and the tables of the \
         catalog file.";
    E216 NoWindow Error "a table without `{{window}}`"
        "Every table needs its `{{window}}` in the WHERE of the SELECT that reads it, or `{{window:alias}}` if the SELECT reads \
         several tables. It sets exact time bounds and selects the partitions.";
    E217 UndeclaredParameter Error "undeclared parameter"
        "Declare it under `parameters`, with `type` and `default`.";
    E218 BadTemplate Error "an unknown template, or one in the wrong place"
        "The templates are `{{table}}`, `{{class:name}}`, `{{window}}`, `{{window:alias}}` and `{{param:name}}`.";
    E219 TemplateInQuotes Error "a template in quotes"
        "Values are quoted already: write {{param:name}}, not '{{param:name}}'. Write a LIKE pattern as concat('%', {{param:name}}, \
         '%').";
    E220 BadParameter Error "the default does not have the parameter's type"
        "Write a value of that type, or change the type.";
    E221 BadPattern Error "invalid STIX pattern"
        "Write the pattern in the grammar of STIX 2.1.";
    E222 NotTranslatable Error "a STIX pattern that has no exact translation to SQL"
        "The message names the part. A pattern is never silently weakened.";
    E223 NotAQuery Error "SQL that is not exactly one query"
        "Write one SELECT, or WITH … SELECT, without a semicolon.";
    E224 TablesMisplaced Error "`tables` with `sql`, or no `tables` with `stix`"
        "A STIX pattern needs `tables`. SQL names its tables itself.";
    E225 BadTest Error "an incomplete or contradictory test"
        "A test needs events of at least one source, and `expect`.";
    E226 DedupeOutsideGroup Error "`dedupe` names a column that a group does not have"
        "With `group_by`, the rows have the columns of `group_by`, `event_count`, `distinct_count`, `start_time` and `end_time`.";
    E227 ReadByName Error "SQL that reads a table by its own name"
        "It would be read without time bounds, and the rule would depend on the names in one lake. Write a logical table, such as \
         `{{aws-cloudtrail}}`. A catalog file can give any table a logical name.";
    E228 BadStatement Error "SQL that an engine refuses"
        "Lint plans the statement over the columns of its tables: syntax, columns, fields, types, functions and their arguments. \
         The message is the engine's. Without `--lake`, `--engine` or `--catalog`, the tables are those of the shipped mappings.";
    E229 NotAColumn Error "`group_by`, `threshold` or `dedupe` names a column that the rule's rows do not have"
        "Without the column, different findings would silently become one. Add the column to the SELECT, with AS if its name \
         differs. docs/detections.md lists the columns of STIX rules.";
    E230 NoTime Error "rows without the time of the event"
        "A finding without a time gets the time of the window, which differs from run to run. Select `time`, or `start_time` and \
         `end_time` for aggregated rows, in milliseconds since 1970 or as a timestamp. `group_by` needs `time`.";
    E231 LimitedRows Error "a LIMIT, OFFSET or FETCH FIRST that drops events"
        "Which rows it drops depends on chance, so findings would be lost at random. Runs are bounded without it. A subquery may \
         have a LIMIT with an ORDER BY, or in EXISTS.";
    E232 ListOutsideIn Error "a list parameter outside IN, or another parameter after IN"
        "Write a list after IN or NOT IN, without parentheses: `x IN {{param:names}}`. Its type is `text_list` or `integer_list`. \
         Elsewhere, use parameters of other types.";
    E233 TablesDisagree Error "tables that cannot be read as one, or that have no known time column"
        "All tables of a logical table need a known time column. Columns with the same name need compatible types. The catalog \
         file defines which tables belong to a logical table.";

    W201 RevokedTechnique Warning "an ATT&CK id that is revoked or deprecated"
        "Findings still have the id, but tools with the current version of ATT&CK do not know it.";
    W202 MissingMetadata Warning "a rule without a key that the reader of a finding needs"
        "Add the key that the message names.";
    W203 UnusedParameter Warning "unused parameter"
        "Remove it.";
    W204 NoTests Warning "a rule without tests"
        "Add events that the rule must find, and near misses that it must not.";
    W205 NoTechnique Warning "a rule without an ATT&CK tag"
        "Add `attack.t…` to `tags`, so that findings can be grouped by technique.";
    W206 OneSidedTests Warning "only tests with findings, or only tests without"
        "Add a near miss: an event that differs from a hit in one point. Or add a hit.";
    W207 SequenceLongerThanOverlap Warning "a sequence may be longer than the overlap of windows"
        "Two events that are further apart than `lookback` minus one interval can fall into different windows and be missed. Make \
         `lookback` longer.";
    W208 NoResponse Warning "a rule of level high or critical without `response`"
        "Add `response`: what the reader of a finding should do first.";
    W209 DoubtfulPattern Warning "a STIX pattern that may not mean what its author intended"
        "The message names the part in question.";
    W210 OwnFindings Warning "a pattern over findings that may match its own findings"
        "The rule's findings go into the table that it reads, so the next run would find them. Write the rule in SQL: SQL rules do \
         not see the findings of rules over findings.";
    W211 NotInEmbedded Warning "SQL that the embedded engine does not support"
        "Athena may run it, but `hunt`, `backtest` and `detect test` on a lake folder cannot. To test the rule, write the SQL in \
         another way.";
    W212 UnknownColumns Warning "a statement that is not checked, because the columns of its tables are unknown"
        "Add `columns` to the catalog file, or name an engine: `--lake FOLDER`, or `--engine athena --database NAME`.";
    W213 ColumnTwice Warning "two columns of a SELECT have the same name"
        "A finding keeps only one of the two values. Rename one column with AS.";
    W214 DiffersOnAthena Warning "SQL that Athena may refuse or interpret differently"
        "It runs on the embedded engine. The help line shows the form of Athena's documentation. docs/conformance.md lists the \
         differences.";
}
