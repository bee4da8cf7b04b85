"""Detections in the deployed template: raw logs of three sources in, one message for each finding out.

AWS is MiniStack (see `emulator.py`), except for Athena (see `athena.py`). The function, its rules and its schedule are those
of the template. MiniStack accepts no events of AWS's own services. So these tests deliver the state changes of queries to the
function, if the deployed event rule matches them.

Everything that AWS delivers at least once is delivered twice.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
import yaml
from athena import Athena
from bucket import Destinations, Outcome
from deployment import Stack, deploy
from logs import FIREWALL, SYSMON, file_of, kinesis_event, object_created
from project import ROOT
from waiting import eventually

LAKE = "aws-security-data-lake-us-east-1-detections"
DATABASE = "sluice"
STACK = "sluice-detections"
KINESIS, DETECT = "TransformKinesisFunction", "DetectFunction"
MINUTE, HOUR = 60_000, 3_600_000

# One shipped rule of each source. The second one is a STIX pattern.
SYSMON_RULE = "windows-sysmon/encoded-powershell.yaml"
FIREWALL_RULE = "aws-network-firewall/smb-leaves.yaml"
CLOUDTRAIL_RULE = "aws-cloudtrail/root-console-login.yaml"
RULES = {name: (ROOT / "detections" / name).read_text() for name in (SYSMON_RULE, FIREWALL_RULE, CLOUDTRAIL_RULE)}
TITLES = {name: yaml.safe_load(text)["title"] for name, text in RULES.items()}
INGEST_DELAY = 10 * MINUTE


class Deployment:
    """The deployed stack, its queries and its messages."""

    def __init__(self, stack: Stack, athena: Athena):
        self.stack = stack
        self.athena = athena
        self._client = stack.emulator.client
        self._delivered = 0
        self._messages: list[dict] = []
        self._queue = self._subscribe(stack.outputs["FindingsTopic"])

    def _subscribe(self, topic: str) -> str:
        """Creates a queue that subscribes to a topic."""
        sqs = self._client("sqs")
        queue = sqs.create_queue(QueueName="findings")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
        self._client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return queue

    def schedule(self) -> dict:
        scheduler = self._client("scheduler")
        [schedule] = scheduler.list_schedules()["Schedules"]
        return scheduler.get_schedule(Name=schedule["Name"])

    def set_schedule(self, state: str) -> None:
        schedule = self.schedule()
        members = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "Description")
        self._client("scheduler").update_schedule(**{member: schedule[member] for member in members}, State=state)

    def fire(self) -> dict:
        """Delivers the event of the schedule."""
        return self._deliver(json.loads(self.schedule()["Target"]["Input"]))

    def _deliver(self, event: dict) -> dict:
        """Delivers an event until the function succeeds, like Lambda's retries of asynchronous invocations. It may fail while
        the schedule's own invocation holds the lease."""

        def attempt() -> list[dict]:
            try:
                return [self.stack.invoke(DETECT, event)]
            except AssertionError as error:
                print(error)
                return []

        [answer] = eventually(attempt, "the function succeeds", within=30)
        return answer

    def eventually_starts_a_query_for(self, rules: int) -> None:
        """Waits until the schedule has started queries of this many rules."""
        before = len(self.athena.queries())
        eventually(lambda: len(self.athena.queries()) >= before + rules, f"{rules} queries are started", within=120)

    def deliver_ends_twice(self) -> None:
        """Delivers the ends of queries, including those of queries that these deliveries start."""
        while (events := self.athena.events())[self._delivered :]:
            for event in events[self._delivered :]:
                if self._rule_takes(event):
                    self._deliver(event)
                    self._deliver(event)
            self._delivered = len(events)

    def _rule_takes(self, event: dict) -> bool:
        """Whether the deployed event rule matches an event."""
        events = self._client("events")
        for rule in events.list_rules()["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if any(target["Arn"].endswith(":" + self.stack.outputs[DETECT]) for target in targets):
                answer = events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))
                return answer["Result"]
        raise AssertionError("no event rule has the function as its target")

    def messages(self) -> list[dict]:
        """All messages published so far."""
        sqs = self._client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._messages.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._messages

    def findings(self, rule: str) -> list[dict]:
        """The findings of a rule."""
        identifier = yaml.safe_load(RULES[rule])["id"]
        return [
            json.loads(message["Message"])
            for message in self.messages()
            if attribute(message, "kind") == "finding" and attribute(message, "rule_id") == identifier
        ]

    def state(self, rule: str) -> dict:
        return json.loads(self._client("s3").get_object(**self._place(rule))["Body"].read())

    def set_state(self, rule: str, state: dict) -> None:
        self._client("s3").put_object(**self._place(rule), Body=json.dumps(state).encode())

    def _place(self, rule: str) -> dict:
        identifier = yaml.safe_load(RULES[rule])["id"]
        bucket = self.stack.outputs["StateLocation"].removeprefix("s3://")
        return {"Bucket": bucket, "Key": f"rules/{identifier}.json"}

    def send(self, records: list[bytes]) -> None:
        """Puts records into the stream, then delivers the same batch to the function again."""
        kinesis, stream = self._client("kinesis"), self.stack.outputs["StreamName"]
        entries = [{"Data": record, "PartitionKey": "host"} for record in records]
        answer = kinesis.put_records(StreamName=stream, Records=entries)
        assert answer["FailedRecordCount"] == 0
        shard = answer["Records"][0]["ShardId"]
        numbers = [record["SequenceNumber"] for record in answer["Records"]]
        arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
        again = kinesis_event(records, shard, numbers, arn, arrived=time.time())
        assert self.stack.invoke(KINESIS, again) == {"batchItemFailures": []}

    def put(self, key: str, content: bytes) -> None:
        """Puts a file into the staging bucket, then sends its notification again."""
        bucket = self.stack.outputs["StagingBucket"]
        version = self._client("s3").put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
        announced = object_created(bucket, key)
        announced["Records"][0]["s3"]["object"]["versionId"] = version
        self._client("sqs").send_message(
            QueueUrl=self.stack.outputs["FilesQueueUrl"], MessageBody=json.dumps(announced)
        )


def attribute(message: dict, name: str) -> str:
    return message["MessageAttributes"][name]["Value"]


@pytest.fixture(scope="module")
def deployment(emulator, built):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=LAKE)
    s3.create_bucket(Bucket="detection-rules")
    for name, text in RULES.items():
        assert text.count("\nschedule: rate(5 minutes)\n") == 1
        every_minute = text.replace("\nschedule: rate(5 minutes)\n", "\nschedule: rate(1 minute)\n")
        s3.put_object(Bucket="detection-rules", Key=f"rules/{name}", Body=every_minute.encode())
    with Athena(emulator, LAKE, DATABASE, f"{STACK}-detections") as athena:
        stack = deploy(
            emulator,
            STACK,
            LakeBucket=LAKE,
            Detections="on",
            DetectionsDatabase=DATABASE,
            DetectionsSchedule="rate(1 minute)",
            RulesLocation="s3://detection-rules/rules/",
        )
        assert stack.outputs["WorkgroupName"] == f"{STACK}-detections"
        deployment = Deployment(stack, athena)
        # Athena has an endpoint of its own.
        functions = emulator.client("lambda")
        environment = functions.get_function_configuration(FunctionName=stack.outputs[DETECT])["Environment"]
        functions.update_function_configuration(
            FunctionName=stack.outputs[DETECT],
            Environment={"Variables": environment["Variables"] | {"AWS_ENDPOINT_URL_ATHENA": athena.endpoint}},
        )
        yield deployment


@pytest.fixture
def destinations(deployment, tmp_path) -> Destinations:
    return Destinations(deployment.stack.emulator, LAKE, deployment.stack.quarantine_bucket, tmp_path)


def test_sources_that_have_logged_nothing_yet_fail_no_rule(deployment):
    assert deployment.fire()["failures"] == 0
    deployment.deliver_ends_twice()

    assert len(deployment.athena.queries()) >= len(RULES)
    assert {query["state"] for query in deployment.athena.queries()} == {"SUCCEEDED"}
    assert deployment.messages() == []


def test_logs_become_exactly_one_message_each_though_all_is_delivered_twice(deployment, destinations):
    moment = now() - 5 * MINUTE
    deployment.send([event_of(SYSMON_RULE, moment), *SYSMON])
    deployment.put("aws-network-firewall/a.ndjson.gz", file_of([event_of(FIREWALL_RULE, moment), *FIREWALL]))
    trail = json.loads((ROOT / "examples/aws-cloudtrail.json").read_bytes())
    trail["Records"].append(json.loads(event_of(CLOUDTRAIL_RULE, moment)))
    deployment.put("aws-cloudtrail/a.json", json.dumps(trail).encode())
    sent = 1 + len(SYSMON) + 1 + len(FIREWALL) + len(trail["Records"])
    destinations.eventually_hold(sent)

    deployment.eventually_starts_a_query_for(len(RULES))
    deployment.fire()
    deployment.deliver_ends_twice()

    for rule in RULES:
        [finding] = deployment.findings(rule)
        assert finding["class_uid"] == 2004
        assert finding["finding_info"]["title"] == TITLES[rule]
        assert str(moment) in json.dumps(finding), finding
    assert len(deployment.messages()) == len(RULES)
    published = [finding for rule in RULES for finding in deployment.findings(rule)]
    assert findings_in(destinations.eventually_hold(sent + len(published))) == identifiers(published)


def test_a_record_that_comes_late_within_the_ingest_delay_is_found(deployment, destinations):
    watermark = deployment.state(SYSMON_RULE)["watermark"]
    moment = (watermark - INGEST_DELAY // 2) // 1000 * 1000
    before = len(deployment.findings(SYSMON_RULE))
    assert before == 1

    deployment.send([event_of(SYSMON_RULE, moment)])
    destinations.eventually_hold(1)
    deployment.eventually_starts_a_query_for(len(RULES))
    deployment.fire()
    deployment.deliver_ends_twice()

    findings = deployment.findings(SYSMON_RULE)
    assert len(findings) == before + 1
    assert str(moment) in json.dumps(findings[-1]), findings[-1]
    assert len(deployment.messages()) == len(RULES) + 1
    assert findings_in(destinations.eventually_hold(1 + 1)) == identifiers(findings[-1:])


def test_a_schedule_that_was_stopped_catches_up_without_a_gap(deployment, destinations):
    deployment.set_schedule("DISABLED")
    deployment.deliver_ends_twice()
    before = len(deployment.findings(SYSMON_RULE))
    # As if the schedule had stopped then.
    stopped = now() // MINUTE * MINUTE - 60 * HOUR
    deployment.set_state(SYSMON_RULE, {"watermark": stopped})
    # Windows are a day long. Their bounds are among the moments.
    moments = [stopped, stopped + 24 * HOUR, stopped + 48 * HOUR, stopped + 48 * HOUR - 1000]
    moments += range(stopped + HOUR + 7000, stopped + 59 * HOUR, 2 * HOUR)
    deployment.send([event_of(SYSMON_RULE, moment) for moment in moments])
    destinations.eventually_hold(len(moments))
    queries = len(deployment.athena.queries())

    deployment.set_schedule("ENABLED")
    deployment.eventually_starts_a_query_for(1)
    deployment.fire()
    deployment.deliver_ends_twice()

    findings = deployment.findings(SYSMON_RULE)[before:]
    found = [json.dumps(finding) for finding in findings]
    assert len(found) == len(moments)
    assert [moment for moment in moments if not any(str(moment) in finding for finding in found)] == []
    assert deployment.state(SYSMON_RULE)["watermark"] >= stopped + 60 * HOUR
    windows = [query["sql"] for query in deployment.athena.queries()[queries:] if "cmd_line" in query["sql"]]
    assert len(windows) >= 3, "no window is longer than a day"
    assert findings_in(destinations.eventually_hold(2 * len(moments))) == identifiers(findings)


def test_nothing_went_wrong_meanwhile(deployment):
    assert {attribute(message, "kind") for message in deployment.messages()} == {"finding"}
    assert {query["state"] for query in deployment.athena.queries()} == {"SUCCEEDED"}
    sqs = deployment.stack.emulator.client("sqs")
    queue = deployment.stack.outputs["FailedRunsQueueUrl"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def findings_in(outcome: Outcome) -> list[str]:
    """The identifiers of the findings in the lake, with repetitions."""
    tables = [item.table for item in outcome.written if item.key.startswith("ext/sluice-findings-2004/")]
    return sorted(row["finding_info"]["uid"] for table in tables for row in table.to_pylist())


def identifiers(findings: list[dict]) -> list[str]:
    return sorted(finding["finding_info"]["uid"] for finding in findings)


def now() -> int:
    """Milliseconds since 1970, in whole seconds like CloudTrail's times."""
    return int(time.time()) * 1000


def event_of(rule: str, moment: int) -> bytes:
    """The base event of the rule's first test, with this time. The rule finds it."""
    text = yaml.safe_load(RULES[rule])
    event = text["base_events"][text["tests"][0]["base"]]
    utc = datetime.fromtimestamp(moment / 1000, UTC)
    if rule == SYSMON_RULE:
        event |= {"UtcTime": f"{utc:%Y-%m-%d %H:%M:%S}.000", "source": "windows-sysmon"}
    elif rule == FIREWALL_RULE:
        stamp = f"{utc:%Y-%m-%dT%H:%M:%S}.000000+0000"
        event["event_timestamp"] = str(moment // 1000)
        event["event"] |= {"timestamp": stamp, "netflow": event["event"]["netflow"] | {"start": stamp, "end": stamp}}
    else:
        event["eventTime"] = f"{utc:%Y-%m-%dT%H:%M:%S}Z"
    return json.dumps(event).encode()
