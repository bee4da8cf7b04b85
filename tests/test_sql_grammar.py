"""Every statement that Sluice generates is in Trino's grammar.

The golden statements of `crates/translation/tests/connector_page` are read always. `SLUICE_SQL_DUMP` names a file with more, one
JSON text a line, which the Rust tests write if the same variable is set for them:

    SLUICE_SQL_DUMP=/tmp/sql.ndjson cargo test -p translation
    SLUICE_SQL_DUMP=/tmp/sql.ndjson pytest tests/test_sql_grammar.py
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from antlr4 import CommonTokenStream, InputStream
from antlr4.atn.PredictionMode import PredictionMode
from antlr4.error.ErrorListener import ErrorListener
from trino_query_parser import parser as generated

GOLDEN = Path(__file__).parent.parent / "crates/translation/tests/connector_page"

# The parser takes up to a second for a statement. Statements of one shape take one place here, and of more shapes than
# these every so many-th is read.
MOST_SHAPES = int(os.environ.get("SLUICE_SQL_SHAPES", "150"))


class Faults(ErrorListener):
    """Syntax errors with their places."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def syntaxError(self, recognizer, offendingSymbol, line, column, msg, e):  # noqa: N802, N803 (antlr's names)
        self.found.append(f"{line}:{column} {msg}")


def faults_of(statement: str) -> list[str]:
    # The grammar has its keywords in upper case only, and texts and names may hold anything.
    # The first way of prediction is the faster one; what it refuses is for the exact one to decide.
    for mode in (PredictionMode.SLL, PredictionMode.LL):
        faults = Faults()
        lexer = generated.SqlBaseLexer(InputStream(statement.upper()))
        parser = generated.SqlBaseParser(CommonTokenStream(lexer))
        parser._interp.predictionMode = mode
        for part in (lexer, parser):
            part.removeErrorListeners()
            part.addErrorListener(faults)
        parser.singleStatement()
        if not faults.found:
            return []
    return faults.found


def shape(statement: str) -> str:
    """The statement without its constants and names: statements of one shape parse alike."""
    emptied = re.sub(r"'(?:[^']|'')*'", "''", statement)
    emptied = re.sub(r'"(?:[^"]|"")*"', '"n"', emptied)
    emptied = re.sub(r"\b\d+(?:\.\d+)?(?:E-?\d+)?\b", "0", emptied)
    return re.sub(r'(?:(, )?"n"){3,}', '"n"', emptied)


def golden_statements() -> list[tuple[str, str]]:
    statements = []
    for path in sorted(GOLDEN.glob("*.txt")):
        body = path.read_text(encoding="utf-8").split("\n\n", 1)[1]
        if body.startswith(("SELECT", "WITH")):
            # Warnings follow after an empty line.
            statements.append((path.stem, body.split("\n\n", 1)[0].strip()))
    return statements


def dumped_statements() -> list[str]:
    path = os.environ.get("SLUICE_SQL_DUMP")
    if path is None or not Path(path).exists():
        return []
    by_shape: dict[str, str] = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            statement = json.loads(line)
            by_shape.setdefault(shape(statement), statement)
    statements = list(by_shape.values())
    return statements[:: max(1, -(-len(statements) // MOST_SHAPES))]


@pytest.mark.parametrize("statement", [pytest.param(sql, id=name) for name, sql in golden_statements()])
def test_golden_statements_are_in_trinos_grammar(statement: str) -> None:
    assert faults_of(statement) == []


def test_there_are_golden_statements() -> None:
    assert len(golden_statements()) >= 10


def test_dumped_statements_are_in_trinos_grammar() -> None:
    statements = dumped_statements()
    if not statements:
        pytest.skip("SLUICE_SQL_DUMP names no file with statements")
    faults = [(faults, statement) for statement in statements if (faults := faults_of(statement))]
    print(f"{len(statements)} shapes")
    assert faults == []


def test_the_grammar_refuses_what_is_no_sql() -> None:
    assert faults_of("SELECT FROM WHERE")
    assert faults_of("SELECT 'it's'")
    assert faults_of("SELECT x FROM t WHERE CAST(a AS varchar) REGEXP_LIKE 'b'")
