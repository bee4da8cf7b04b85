"""Rows become bundles that the validator of OASIS accepts, in both versions of STIX.

The rows are those of `../shared/vectors`, where that folder is there, and a few of our own always.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import ROOT
from sluice import sluice
from stix2validator import ValidationOptions, validate_string

VECTORS = ROOT.parent / "shared/vectors/stix-results-vectors.json"
DIALECTS = ("guardduty", "vpcflow", "ocsf")

OWN = {
    "vpcflow": [
        {"srcaddr": "10.0.0.5", "dstaddr": "198.51.100.7", "srcport": 40000, "dstport": 443, "protocol": 6,
         "start": 1704067200, "end": 1704067260, "packets": 3, "bytes": 1200, "action": "ACCEPT",
         "account_id": "012345678901", "region": "eu-central-1"},
        {"srcaddr": "2001:db8::5", "dstaddr": "no address", "srcport": 70000, "protocol": "17", "start": "soon"},
        {},
    ],
    "ocsf": [
        {"time": 1704067200123, "class_uid": 1007, "count": 2, "message": "it's \u00e9",
         "process": {"name": "p.exe", "pid": 7, "cmd_line": "p -x", "user": {"name": "eve", "uid": "S-1-5-21"},
                     "parent_process": {"pid": 1, "file": {"name": "q.exe", "path": "C:\\Windows\\q.exe"}},
                     "file": {"name": "p.exe", "path": "/opt/p.exe",
                              "hashes": [{"algorithm_id": 3, "value": "a" * 64}]}}},
        {"time": 1704067200123, "src_endpoint": {"ip": "10.0.0.5", "mac": "00:11:22:33:44:55", "port": 1},
         "dst_endpoint": {"hostname": "example.org", "port": 53}, "connection_info": {"protocol_name": "udp"}},
    ],
}


def cases() -> list[tuple[str, str, list[dict]]]:
    """Names, dialects and rows."""
    found = [(f"own-{dialect}", dialect, rows) for dialect, rows in OWN.items()]
    if VECTORS.exists():
        for entry in json.loads(VECTORS.read_text())["entries"]:
            dialect = entry.get("service") or entry.get("map")
            rows = [row for row in [entry.get("athena_row")] if row] + (entry.get("rows") or [])
            found.append((entry["id"], dialect if dialect in DIALECTS else "ocsf", rows))
    return found


@pytest.fixture(scope="module", params=cases(), ids=lambda case: case[0])
def case(request) -> tuple[str, str, list[dict]]:
    return request.param


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_every_row_becomes_a_bundle_that_the_validator_accepts(case, version, tmp_path):
    name, dialect, rows = case
    file = tmp_path / "rows.ndjson"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = sluice("stix", "bundle", "--dialect", dialect, "--stix-version", version, file, code=None)
    # 1: something of a row could not be carried over, which is told.
    assert done.returncode in (0, 1) and (done.returncode == 1) == ("note:" in done.stderr), done.stderr
    bundle = json.loads(done.stdout)
    observed = [thing for thing in bundle["objects"] if thing["type"] == "observed-data"]
    assert len(observed) == len(rows)
    # What the validator recommends beside the specification says nothing of correctness.
    result = validate_string(done.stdout, ValidationOptions(version=version, disabled="all"))
    assert result.is_valid, [str(error) for error in result.errors]


@pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors is not here")
def test_the_vectors_are_there():
    assert len(cases()) == 60 + len(OWN)


def test_the_validator_refuses_what_is_no_bundle():
    bundle = {"type": "bundle", "id": "bundle--44af6c39-c09b-49c5-9de2-394224b04982", "objects": [
        {"type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"}]}
    result = validate_string(json.dumps(bundle), ValidationOptions(version="2.1", disabled="all"))
    assert not result.is_valid
