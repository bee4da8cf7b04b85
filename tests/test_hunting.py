"""`sluice hunt --by entity` against a computation of its own, and the page of `--report` against an HTML parser.

Events are generated, and those of `../shared/data/cloudtrail`, where that folder is there.
"""

from __future__ import annotations

import collections
import gzip
import json
import random
import re
from pathlib import Path

import html5lib
import pytest
from project import ROOT
from sluice import sluice

SHARED = ROOT.parent / "shared/data/cloudtrail"
RULES = ROOT / "examples/by-entity"


def text(event: dict, name: str) -> str:
    return event.get(name) or ""


# What each rule of `examples/by-entity` looks for, over raw events.
MEANT = {
    "User agent of an attack tool": lambda e: re.search(
        "blackbox|blackarch|kali|parrot|pentoo|powershell", text(e, "userAgent")
    ),
    "Root signs in to the console": lambda e: e["eventName"] == "ConsoleLogin"
    and "Root" in (e["userIdentity"].get("type") or ""),
    "Console sign-in fails": lambda e: e["eventSource"] == "signin.amazonaws.com"
    and e["eventName"] == "ConsoleLogin"
    and "fail" in json.dumps(e.get("responseElements")).lower(),
    "Secret is read": lambda e: e["eventName"] == "GetSecretValue",
    "AssumeRole is denied": lambda e: e["eventSource"] == "sts.amazonaws.com"
    and e["eventName"].startswith("AssumeRole")
    and "Denied" in text(e, "errorCode"),
    "Trail is deleted, stopped or changed": lambda e: re.search("DeleteTrail|StopLogging|UpdateTrail", e["eventName"]),
    "GuardDuty is turned off or cut off": lambda e: re.search(
        "DeleteDetector|DeleteMembers|DeletePublishingDestination|DisassociateMembers|DisassociateFromMasterAccount"
        "|RemoveTargets|StopMonitoringMembers",
        e["eventName"],
    ),
}


def generated() -> list[dict]:
    """Events of few entities, many in one second, so that blocks end within seconds."""
    chance = random.Random(12)
    names = ["DescribeInstances", "GetSecretValue", "StopLogging", "AssumeRole", "ConsoleLogin", "RemoveTargets", "ListUsers"]
    sources = {"ConsoleLogin": "signin.amazonaws.com", "AssumeRole": "sts.amazonaws.com", "ListUsers": "iam.amazonaws.com"}
    callers = [
        {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/backup", "userName": "backup", "accountId": "111122223333"},
        {"type": "Root", "arn": "arn:aws:iam::111122223333:root", "accountId": "111122223333"},
        {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
        {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "444455556666"},
        {"type": "Unknown", "principalId": "anonymous"},
    ]
    events = []
    for number in range(700):
        name = chance.choices(names, [30, 2, 1, 3, 2, 1, 10])[0]
        caller = chance.choice(callers)
        second = number // 40
        event = {
            "eventVersion": "1.09",
            "userIdentity": caller,
            "eventTime": f"2025-03-03T08:{second:02}:{chance.randrange(2):02}Z",
            "eventSource": sources.get(name, "ec2.amazonaws.com"),
            "eventName": name,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "ec2.amazonaws.com" if "invokedBy" in caller else f"198.51.100.{chance.randrange(3)}",
            "userAgent": chance.choice(["aws-cli/2.1 kali", "Boto3/1.2", "PowerShell", "powershell"]),
            "requestParameters": None,
            "responseElements": {"ConsoleLogin": chance.choice(["Failure", "Success"])} if name == "ConsoleLogin" else None,
            "eventID": f"{chance.getrandbits(128):032x}",
            "eventType": "AwsApiCall",
            "recipientAccountId": "111122223333",
        }
        if chance.random() < 0.4:
            event["errorCode"] = chance.choice(["AccessDenied", "Client.UnauthorizedOperation"])
        events.append(event)
    return events


def shared() -> list[dict]:
    if not SHARED.exists():
        pytest.skip("../shared/data/cloudtrail is not here")
    return [event for path in sorted(SHARED.glob("*.json.gz")) for event in json.loads(gzip.open(path).read())["Records"]]


@pytest.fixture(scope="module", params=[generated, shared], ids=["generated", "shared"])
def events_and_lake(request, tmp_path_factory) -> tuple[list[dict], Path]:
    events = request.param()
    folder = tmp_path_factory.mktemp("hunting")
    log = folder / "events.json"
    log.write_text(json.dumps({"Records": events}))
    sluice("ingest", "--mapping", "aws-cloudtrail", "--lake", folder / "lake", log)
    return events, folder / "lake"


def entity(event: dict) -> str:
    return event["userIdentity"].get("arn") or f"source_ip:{event['sourceIPAddress']}"


def expected(events: list[dict], block) -> dict:
    """Events and hits of each block; `block` cuts the ordered events of an entity."""
    of_entity = collections.defaultdict(list)
    for event in sorted(events, key=lambda event: (event["eventTime"], event["eventID"])):
        of_entity[entity(event)].append(event)
    blocks = {}
    for name, of_one in of_entity.items():
        for number, members in enumerate(block(of_one)):
            hits = {title: sum(1 for event in members if meant(event)) for title, meant in MEANT.items()}
            hits = {title: count for title, count in hits.items() if count}
            blocks[name, number] = (len(members), members[0]["eventTime"], members[-1]["eventTime"], hits)
    return blocks


def of_rows(size: int):
    return lambda events: [events[start : start + size] for start in range(0, len(events), size)]


def of_hours(events: list[dict]) -> list[list[dict]]:
    by_hour = collections.defaultdict(list)
    for event in events:
        by_hour[event["eventTime"][:13]].append(event)
    return [by_hour[hour] for hour in sorted(by_hour)]


def found(lake: Path, *size: str) -> dict:
    arguments = ["--by", "entity", "--lake", lake, "--since", "2000-01-01", "--rules", RULES, "--format", "json", *size]
    document = json.loads(sluice("hunt", *arguments, code=1).stdout)
    assert [note for note in document["notes"] if note["kind"] != "whole-time"] == []
    return {
        (block["entity"], block["block"]): (
            block["events"],
            second(block["start_time"]),
            second(block["end_time"]),
            {hit["title"]: hit["hits"] for hit in block["rules"]},
        )
        for block in document["blocks"]
    }


def second(milliseconds: int) -> str:
    import datetime

    time = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("size", [60, 7])
def test_blocks_of_rows_and_their_hits_are_those_of_a_plain_computation(events_and_lake, size):
    events, lake = events_and_lake
    answer = found(lake, "--block-rows", str(size))
    assert answer == expected(events, of_rows(size))
    assert any(hits for *_, hits in answer.values())


def test_blocks_of_time_and_their_hits_are_those_of_a_plain_computation(events_and_lake):
    events, lake = events_and_lake
    assert found(lake, "--block-time", "1h") == expected(events, of_hours)


def test_a_report_is_valid_html_without_anything_from_outside(events_and_lake, tmp_path):
    _, lake = events_and_lake
    page = tmp_path / "report.html"
    done = sluice("hunt", "--lake", lake, "--since", "2000-01-01", "--rules", RULES, "--format", "json",
                  "--report", page, code=1)
    findings = json.loads(done.stdout)
    text = page.read_text()
    # Strict: any fault of HTML is an error.
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert document.get("lang") == "en"
    for element in document.iter():
        assert element.tag not in ("script", "img", "link", "iframe", "object", "form"), element.tag
        for name, value in element.attrib.items():
            assert not str(name).startswith("on"), (element.tag, name)
            assert name not in ("href", "src") or value.startswith("#"), value
    figures = [" ".join("".join(item.itertext()).split()) for item in document.find(".//ul[@class='figures']")]
    assert figures[0].split()[0].replace(",", "") == str(len(findings))
    assert figures[1].split()[0].replace(",", "") == str(sum(finding["count"] for finding in findings))


def test_a_report_of_hostile_values_is_valid_html(tmp_path):
    hostile = [
        "</script><script>alert(1)</script>", "\" onmouseover=\"x", "' style='", "</td></table><h1>", "&lt;&#0;",
        "\u202egpj.exe", "\x00\x07\x1b[2J", "\ufffe\U0001ffff\ufdd0", "x" * 70_000, "]]>-->", "{{ 7 * 7 }}",
    ]
    caller = generated()[0]["userIdentity"]
    events = []
    for number, value in enumerate(hostile):
        event = dict(generated()[0], eventID=f"{number:036}", eventName="GetSecretValue", userAgent=value)
        event["userIdentity"] = {"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{value}", "accountId": "1", "userName": value}
        event["requestParameters"] = {value: value}
        events.append(json.dumps(event))
    # A lone surrogate, which is no character.
    events.append(json.dumps(dict(generated()[0], eventName="GetSecretValue", eventID="lone")).replace("Boto3", "\\ud800"))
    log = tmp_path / "events.ndjson"
    log.write_text("\n".join(events) + "\n")
    sluice("ingest", "--mapping", "aws-cloudtrail", "--lake", tmp_path / "lake", log, code=None)
    page = tmp_path / "report.html"
    sluice("hunt", "--lake", tmp_path / "lake", "--since", "2000-01-01", "--rules", RULES, "--report", page, code=1)
    text = page.read_text()
    document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    assert [element.tag for element in document.iter() if element.tag in ("script", "img")] == []
    assert "\u202e" not in text and "\\u{202e}gpj.exe" in text
    assert "&#60;script&#62;" in text or "&lt;script&gt;" in text
    assert len(document.findall(".//h1")) == 1
