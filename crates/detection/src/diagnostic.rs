//! What is wrong with a rule, told to the person who can change it. How it looks is [`diagnostics`]' part.
//!
//! Numbers are stable: a number once given keeps its meaning, and a fault that is no longer reported leaves its number
//! unused. `E…` refuses the rule, `W…` does not. [`DIAGNOSTICS`] lists them all.

pub use diagnostics::{DiagnosticReport, Severity, SourceText, sort};

/// One fault of a rule.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E201 NotYaml Error "the file is not YAML"
        "A rule file is one YAML document, a mapping of the keys of docs/detections.md.";
    E202 WrongType Error "a value has another type than its key needs"
        "Write the value in the form that the message names. A text that looks like a number, a date or a boolean stands in \
         quotes.";
    E203 UnknownKey Error "a key that does not exist there"
        "Keys are never ignored, since a misspelt one would silently do nothing. The help line lists those that exist.";
    E204 MissingKey Error "a key that must be there is not"
        "Add the key.";
    E205 DuplicateKey Error "a key stands twice"
        "Remove one of them.";
    E206 UnknownChoice Error "a value that is none of the possible ones"
        "Write one of the values that the message lists.";
    E207 BadForm Error "a text that does not have the form that its key needs"
        "The message shows the form.";
    E208 Empty Error "nothing where something must be"
        "Give a value, or remove the key.";
    E209 NoLogic Error "a rule without `stix` and `sql`, or with both"
        "A rule looks for one thing, said in one of the two languages.";
    E210 DuplicateId Error "two rules have the same id"
        "An id names one rule for ever: watermarks and published findings are kept under it. Give the newer rule another.";
    E211 BadTag Error "a tag that starts with `attack.` and names nothing in ATT&CK"
        "Tactics are written `attack.credential-access`, techniques `attack.t1003.001`, groups `attack.g0016`, software \
         `attack.s0002`.";
    E212 BadSchedule Error "a schedule that EventBridge does not take"
        "Write `rate(5 minutes)` or `cron(0 8 ? * MON-FRI *)`; times are UTC.";
    E213 LookbackTooShort Error "`lookback` is shorter than an interval of the schedule and `ingest_delay` together"
        "An event that arrives late would be in no window that is queried after its arrival. Make `lookback` longer.";
    E214 ThresholdWithoutGroup Error "a `threshold` without `group_by`"
        "A threshold counts the rows of a group. Name the columns whose values make one.";
    E215 UnknownTable Error "a logical table that does not exist"
        "Logical tables are the sources (`{{aws-cloudtrail}}`), the classes (`{{class:process_activity}}`) and what the \
         catalog file names.";
    E216 NoWindow Error "a table without `{{window}}`"
        "Every table must be read for the window only: write `{{window}}` into the WHERE of the SELECT that reads it, or \
         `{{window:alias}}` where there are several tables. It bounds the time exactly and names the partitions.";
    E217 UndeclaredParameter Error "a parameter that the rule does not declare"
        "Declare it under `parameters`, with a type and a default.";
    E218 BadTemplate Error "a `{{…}}` that cannot be read, or means nothing where it stands"
        "There are `{{table}}`, `{{class:name}}`, `{{window}}`, `{{window:alias}}` and `{{param:name}}`.";
    E219 TemplateInQuotes Error "a `{{…}}` within quotes"
        "Values come with their quotes: write {{param:name}}, not '{{param:name}}'. A pattern is put together with \
         concat('%', {{param:name}}, '%').";
    E220 BadParameter Error "a default that is not of the parameter's type"
        "Give a value of the type, or change the type.";
    E221 BadPattern Error "a STIX pattern that cannot be read"
        "Patterns are those of STIX 2.1.";
    E222 NotTranslatable Error "a STIX pattern that cannot be carried out exactly"
        "The message says what is in the way; a pattern is never weakened in silence.";
    E223 NotAQuery Error "SQL that is not one query"
        "A rule has one SELECT, or WITH … SELECT, without a semicolon.";
    E224 TablesMisplaced Error "`tables` where it does not belong, or not where it does"
        "A STIX pattern needs `tables`; SQL names its tables itself.";
    E225 BadTest Error "a test that says too little or contradicts itself"
        "A test has events of at least one source, and `expect`.";
    E226 DedupeOutsideGroup Error "`dedupe` names a column that a group does not have"
        "With `group_by`, findings have the columns of `group_by`, and `event_count`, `start_time` and `end_time`.";
    E227 ReadByName Error "SQL that reads a table by its own name"
        "It would be read without bounds of time, and the rule would mean something else, or nothing, in another lake. Write \
         the logical table, as `{{aws-cloudtrail}}`; a catalog file can give one to any table.";
    E228 BadStatement Error "SQL that an engine refuses"
        "The statement is planned over the columns of its tables before it runs: syntax, columns, fields, types, functions and \
         their arguments. The message is the engine's. Without `--lake`, `--engine` or `--catalog` the tables are those of the \
         shipped mappings.";
    E229 NotAColumn Error "`group_by`, `threshold` or `dedupe` names a column that the rule's rows do not have"
        "Values of a column that is not there are all alike: different findings would silently become one. Give the column in \
         the SELECT, with AS where its name differs. Rows of STIX rules have the columns listed in docs/detections.md.";
    E230 NoTime Error "rows that do not say when the event was"
        "A finding without a time is dated by the window, and so differs from run to run. Select `time`, or `start_time` and \
         `end_time` of rows that are aggregated, in milliseconds since 1970 or as a timestamp. `group_by` needs `time`.";
    E231 LimitedRows Error "a LIMIT, OFFSET or FETCH FIRST that leaves events out"
        "Which rows are left depends on the window and on chance, so a finding would be published or lost at random. Runs are \
         bounded without it. Within a subquery a LIMIT is accepted beside an ORDER BY, and in EXISTS.";
    E232 ListOutsideIn Error "a list parameter outside IN, or another parameter after IN"
        "A list stands to the right of IN or NOT IN, without parentheses of its own: `x IN {{param:names}}`. Declare the \
         parameter as `text_list` or `integer_list` for that, and as `text` or `integer` elsewhere.";
    E233 TablesDisagree Error "tables that cannot be read together, or not for a window"
        "The tables behind a logical one must have a column of time that is known, and the same types where they share a \
         column. The catalog file says which tables these are.";

    W201 RevokedTechnique Warning "an ATT&CK id that is revoked or deprecated"
        "It still works in findings, but tools that know today's ATT&CK will not find it.";
    W202 MissingMetadata Warning "a rule without something that whoever gets its finding will look for"
        "Add the key.";
    W203 UnusedParameter Warning "a parameter that nothing uses"
        "Remove it.";
    W204 NoTests Warning "a rule without tests"
        "Without them nobody knows that it finds anything. Add events that it must find, and near misses.";
    W205 NoTechnique Warning "a rule without an ATT&CK tag"
        "Add `attack.t…` to `tags`, so that findings can be sorted by technique.";
    W206 OneSidedTests Warning "tests that show only what is found, or only what is not"
        "Add a near miss: an event that differs in what matters. Or add a hit.";
    W207 SequenceLongerThanOverlap Warning "a sequence may be longer than windows overlap"
        "Two events further apart than `lookback` less one interval can fall into different windows and be missed. Make \
         `lookback` longer.";
    W208 NoResponse Warning "a rule of level high or critical without `response`"
        "Say what whoever gets the finding should do first.";
    W209 DoubtfulPattern Warning "a STIX pattern that may not say what is meant"
        "The message says what the parser wonders about.";
    W210 OwnFindings Warning "a pattern over findings that may match those of its own rule"
        "Its findings are rows of the table that it looks in, and would be found again by the next run. Write the rule in \
         SQL: statements of SQL rules leave out the findings of rules over findings.";
    W211 NotInEmbedded Warning "SQL that the embedded engine does not have"
        "Athena may run it, but `hunt`, `backtest` and `detect test` on a lake folder cannot. Write it in another way if the \
         rule is to have tests.";
    W212 UnknownColumns Warning "a statement that is not checked, since the columns of its tables are not known"
        "Give `columns` in the catalog file, or let an engine say: `--lake FOLDER`, or `--engine athena --database NAME`.";
    W213 ColumnTwice Warning "two columns of a SELECT have the same name"
        "A finding keeps one of the two values. Give one of them another name with AS.";
    W214 DiffersOnAthena Warning "SQL that Athena may refuse or understand in another way"
        "It runs on the embedded engine. Athena's documentation shows another form, which the help line names; docs/conformance.md \
         lists the differences.";
}
