"""What `sluice` writes to a lake in a folder, read by others: Arrow's C++ reader and DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from lake import (
    LakeObject,
    Refused,
    addresses,
    command_lines,
    lake_objects,
    nested_columns,
    quarantined,
    rows,
    schemas_by_source,
)
from logs import FIREWALL, REFUSED, SYSMON, addresses_sent, command_lines_sent
from sluice import sluice

LOGS = {"windows-sysmon": SYSMON, "aws-network-firewall": FIREWALL}


def ingest(folder: Path, source: str, lines: list[bytes]) -> tuple[list[LakeObject], list[Refused]]:
    """Objects of the lake and lines of the quarantine that `sluice ingest` makes of a log."""
    log = folder / f"{source}.ndjson"
    log.write_bytes(b"\n".join(lines) + b"\n")
    lake = folder / "lake"
    sluice("ingest", "--mapping", source, "--lake", lake, log)
    quarantine = [line for path in sorted(lake.glob("quarantine/**/*.zst")) for line in quarantined(path.read_bytes())]
    return lake_objects(lake), quarantine


@pytest.fixture(scope="module", params=LOGS)
def ingested(request, tmp_path_factory) -> tuple[list[bytes], list[LakeObject]]:
    objects, quarantine = ingest(tmp_path_factory.mktemp(request.param), request.param, LOGS[request.param])
    assert quarantine == []
    return LOGS[request.param], objects


def test_every_object_obeys_security_lake(ingested):
    _, objects = ingested
    for item in objects:
        item.assert_obeys_security_lake()


def test_every_record_is_written_once(ingested):
    lines, objects = ingested
    assert sum(item.table.num_rows for item in objects) == len(lines)


def test_one_source_has_one_schema(ingested):
    _, objects = ingested
    for source, schemas in schemas_by_source(objects).items():
        assert len(schemas) == 1, source


def test_structs_lists_and_maps_are_read_alike_by_both_readers(ingested):
    _, objects = ingested
    for item in objects:
        columns = nested_columns(item.table)
        assert columns, item.key
        answer = duckdb.sql(
            f"SELECT {', '.join(map(_quoted, columns))} FROM read_parquet('{item.path}')"
        ).to_arrow_table()
        for column in columns:
            assert _plain(answer[column].to_pylist()) == _plain(item.table[column].to_pylist()), (item.key, column)


def test_duckdb_reads_a_source_as_one_table_with_its_partitions(ingested):
    lines, objects = ingested
    counted = 0
    for source in {item.place["source"] for item in objects}:
        of_source = [item for item in objects if item.place["source"] == source]
        lake = of_source[0].path.parents[4]
        answer = duckdb.sql(
            "SELECT count(*), count(DISTINCT class_uid),"
            " bool_and(strftime(make_timestamp(time * 1000), '%Y%m%d') = eventDay::VARCHAR)"
            f" FROM read_parquet('{lake}/{source}/**/*.parquet', hive_partitioning = true)"
        )
        [(records, classes, in_their_day)] = answer.fetchall()
        assert (classes, in_their_day) == (1, True)
        counted += records
    assert counted == len(lines)


def test_values_of_the_log_are_values_of_the_lake(ingested):
    lines, objects = ingested
    read = rows(objects)
    assert command_lines_sent(lines) <= command_lines(read)
    assert addresses_sent(lines) <= addresses(read)


def test_the_same_log_again_gives_the_same_objects(tmp_path):
    first, _ = ingest(tmp_path, "windows-sysmon", SYSMON)
    before = {item.key: item.path.read_bytes() for item in first}

    again, _ = ingest(tmp_path, "windows-sysmon", SYSMON)

    assert before
    assert {item.key: item.path.read_bytes() for item in again} == before


def test_what_cannot_be_mapped_is_in_quarantine_as_it_came(tmp_path):
    objects, quarantine = ingest(tmp_path, "windows-sysmon", SYSMON + list(REFUSED))
    assert sum(item.table.num_rows for item in objects) == len(SYSMON)
    assert dict(quarantine) == REFUSED


def test_inspect_accepts_every_object(ingested):
    _, objects = ingested
    sluice("inspect", *[item.path for item in objects])


def test_inspect_refuses_what_is_not_an_object_of_the_lake(ingested, tmp_path):
    _, objects = ingested
    other = tmp_path / "other.parquet"
    duckdb.sql(
        f"COPY (SELECT * FROM read_parquet('{objects[0].path}') ORDER BY time DESC) TO '{other}' (COMPRESSION snappy)"
    )
    sluice("inspect", other, code=1)


def test_the_demo_of_the_readme_leaves_a_lake(tmp_path):
    sluice("demo", folder=tmp_path)

    objects = lake_objects(tmp_path / "sluice-demo/lake")
    assert objects
    for item in objects:
        item.assert_obeys_security_lake()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value):
    """Values as both readers give them: a map as pairs, times without their zone's class."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "timestamp"):
        return value.timestamp()
    return value
