"""What Sluice wrote, read by others: Arrow's C++ reader and DuckDB, neither of which Sluice is built with."""

from __future__ import annotations

import base64
import datetime
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MEGABYTE = 1_000_000

KEY = re.compile(
    r"ext/(?P<source>[A-Za-z0-9_:.-]{1,20})/(?:(?P<class>[A-Z0-9_]+)/)?region=(?P<region>[a-z0-9-]+)"
    r"/accountId=(?P<account>[0-9]{12}|external(?:_[\w.-]+)?)/eventDay=(?P<day>[0-9]{8})/(?P<name>[^/]+)\.zstd\.parquet"
)


@dataclass(frozen=True)
class LakeObject:
    """One object of the lake: its key, and a copy of its bytes on this machine."""

    key: str
    path: Path

    @cached_property
    def place(self) -> dict[str, str]:
        """The parts of its key."""
        match = KEY.fullmatch(self.key)
        assert match, f"not a key of Security Lake: {self.key}"
        return match.groupdict()

    @cached_property
    def table(self) -> pa.Table:
        return pq.ParquetFile(self.path).read()

    def assert_obeys_security_lake(self) -> None:
        """The rules of "Collecting data from custom sources" that a reader can see (`sluice inspect` sees pages)."""
        file = pq.ParquetFile(self.path)
        assert file.metadata.num_rows > 0, self.key
        for group in range(file.metadata.num_row_groups):
            columns = [file.metadata.row_group(group).column(i) for i in range(file.metadata.num_columns)]
            assert {column.compression for column in columns} == {"ZSTD"}, self.key
            assert sum(column.total_compressed_size for column in columns) <= 256 * MEGABYTE, self.key

        assert len(set(self.table["class_uid"].to_pylist())) == 1, f"{self.key} holds more than one class"
        times = self.table["time"].to_pylist()
        assert times == sorted(times), f"{self.key} is not ordered by time"
        assert {event_day(time) for time in times} == {self.place["day"]}, self.key


def lake_objects(folder: Path) -> list[LakeObject]:
    """The objects of a lake in a folder."""
    return [LakeObject(str(path.relative_to(folder)), path) for path in sorted(folder.glob("ext/**/*.parquet"))]


class Refused(NamedTuple):
    """A line of the quarantine."""

    raw: bytes
    reason: str


def quarantined(body: bytes) -> list[Refused]:
    """The lines of an object of the quarantine."""
    text = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
    lines = [json.loads(line) for line in text.splitlines()]
    return [
        Refused(line["raw"].encode() if "raw" in line else base64.b64decode(line["raw_base64"]), line["reason"])
        for line in lines
    ]


def event_day(milliseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y%m%d")


def rows(objects: list[LakeObject]) -> list[dict]:
    return [row for item in objects for row in item.table.to_pylist()]


def command_lines(rows: list[dict]) -> set[str]:
    """Of processes that started."""
    return {row["process"]["cmd_line"] for row in rows if row["class_uid"] == 1007}


def addresses(rows: list[dict]) -> set[str]:
    """Of the hosts that opened connections."""
    return {row["src_endpoint"]["ip"] for row in rows if row["class_uid"] == 4001}


def schemas_by_source(objects: list[LakeObject]) -> dict[str, set[pa.Schema]]:
    """The different schemas of each source; one each is what a table needs."""
    schemas: dict[str, set[pa.Schema]] = {}
    for item in objects:
        table = item.place["source"] + "/" + (item.place["class"] or "")
        schemas.setdefault(table, set()).add(item.table.schema.remove_metadata())
    return schemas


def nested_columns(table: pa.Table) -> list[str]:
    """Columns that hold structs, lists or maps, and have a value in some row."""
    return [
        field.name
        for field in table.schema
        if pa.types.is_nested(field.type) and pc.any(pc.is_valid(table[field.name])).as_py()
    ]
