"""The template deployed with SAM, the functions built with SAM, and logs through both ways in.

AWS is MiniStack (see `emulator.py`); the binaries, the template, its roles and policies are the ones that go to AWS.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest
from bucket import Destinations, Outcome, refused
from deployment import Stack, deploy
from lake import addresses, command_lines, nested_columns, rows, schemas_by_source
from logs import (
    FIREWALL,
    REFUSED,
    SYSMON,
    addresses_sent,
    aggregated,
    command_lines_sent,
    file_of,
    kinesis_event,
    object_created,
    sequence_number,
    sqs_event,
)
from project import ROOT
from sluice import sluice
from waiting import eventually

LAKE = "aws-security-data-lake-us-east-1-tests"
KINESIS, S3 = "TransformKinesisFunction", "TransformS3Function"


@pytest.fixture(scope="module")
def stack(emulator, built) -> Stack:
    emulator.client("s3").create_bucket(Bucket=LAKE)
    stack = deploy(emulator, "sluice", LakeBucket=LAKE)
    # What failed is to be tried again within the time of a test.
    emulator.client("sqs").set_queue_attributes(
        QueueUrl=stack.outputs["FilesQueueUrl"], Attributes={"VisibilityTimeout": "3"}
    )
    return stack


@pytest.fixture
def destinations(stack, tmp_path) -> Destinations:
    return Destinations(stack.emulator, LAKE, stack.quarantine_bucket, tmp_path)


@pytest.fixture
def s3(emulator):
    return emulator.client("s3")


def test_records_of_the_stream_end_in_the_lake_or_in_quarantine(stack, destinations):
    records = SYSMON + list(REFUSED)
    put_records(stack, records)

    outcome = destinations.eventually_hold(len(records))

    assert dict(outcome.quarantined) == REFUSED
    assert_is_a_lake(outcome)
    assert command_lines_sent(SYSMON) <= command_lines(rows(outcome.written))


def test_files_of_the_bucket_end_in_the_lake(stack, destinations, s3):
    key = "aws-network-firewall/2025/03/03/a b+c=é.ndjson.gz"
    s3.put_object(Bucket=stack.outputs["StagingBucket"], Key=key, Body=file_of(FIREWALL))

    outcome = destinations.eventually_hold(len(FIREWALL))

    assert outcome.quarantined == []
    assert_is_a_lake(outcome)
    assert addresses_sent(FIREWALL) <= addresses(rows(outcome.written))


def test_a_batch_delivered_twice_leaves_the_lake_as_it_was(stack, destinations):
    event = kinesis_event(SYSMON + list(REFUSED), shard="shardId-000000000007")
    assert stack.invoke(KINESIS, event) == {"batchItemFailures": []}
    once = destinations.contents()

    assert stack.invoke(KINESIS, event) == {"batchItemFailures": []}

    assert once
    assert destinations.contents() == once


def test_a_file_announced_twice_leaves_the_lake_as_it_was(stack, destinations, s3):
    bucket, key = stack.outputs["StagingBucket"], "aws-network-firewall/twice.ndjson.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL[:20]))
    destinations.eventually_hold(20)
    once = destinations.contents()
    version = s3.head_object(Bucket=bucket, Key=key)["VersionId"]

    announced = object_created(bucket, key)
    announced["Records"][0]["s3"]["object"]["versionId"] = version
    assert stack.invoke(S3, sqs_event([announced, announced])) == {"batchItemFailures": []}

    assert destinations.contents() == once


def test_records_packed_by_the_producer_library_arrive_one_by_one(stack, destinations):
    event = kinesis_event([SYSMON[0], aggregated(SYSMON[1:31]), SYSMON[31]], shard="shardId-000000000008")

    assert stack.invoke(KINESIS, event) == {"batchItemFailures": []}

    assert destinations.outcome().rows == 32


def test_a_lake_that_refuses_leaves_the_batch_in_the_stream(stack, destinations, s3):
    event = kinesis_event(SYSMON, shard="shardId-000000000009")
    with refused(s3, LAKE, "s3:PutObject"):
        answer = stack.invoke(KINESIS, event)
    assert answer == {"batchItemFailures": [{"itemIdentifier": sequence_number(0)}]}

    assert stack.invoke(KINESIS, event) == {"batchItemFailures": []}
    assert destinations.outcome().rows == len(SYSMON)


def test_a_lake_that_refuses_leaves_the_message_in_the_queue(stack, destinations, s3):
    bucket, key = stack.outputs["StagingBucket"], "aws-network-firewall/refused.ndjson.gz"
    began = now()
    with refused(s3, LAKE, "s3:PutObject"):
        s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL))
        eventually(lambda: invocations(stack, "transform-s3", began), "the file was tried")
        assert destinations.contents() == {}

    outcome = destinations.eventually_hold(len(FIREWALL))
    assert outcome.quarantined == []


def test_a_file_that_cannot_be_read_ends_in_the_dead_letter_queue_and_holds_nobody_up(stack, destinations, s3):
    bucket, key = stack.outputs["StagingBucket"], "aws-network-firewall/locked.ndjson.gz"
    with refused(s3, bucket, "s3:GetObject*", key):
        s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL))
        s3.put_object(Bucket=bucket, Key="aws-network-firewall/neighbour.ndjson.gz", Body=file_of(FIREWALL))

        destinations.eventually_hold(len(FIREWALL))
        [letter] = eventually(lambda: messages(stack, "FilesDeadLetterQueueUrl"), "a dead letter")

    assert json.loads(letter)["Records"][0]["s3"]["object"]["key"] == key
    destinations.eventually_hold(len(FIREWALL))
    # What an operator does once the cause is mended: the message goes back to where it came from.
    announce(stack, json.loads(letter))
    destinations.eventually_hold(2 * len(FIREWALL))


def test_only_the_message_that_failed_is_tried_again(stack, destinations, s3):
    bucket, locked = stack.outputs["StagingBucket"], "aws-network-firewall/locked-too.ndjson.gz"
    with unannounced(s3, bucket):
        for key in ("aws-network-firewall/good.ndjson.gz", locked):
            s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL[:10]))
    good, bad = (object_created(bucket, key) for key in ("aws-network-firewall/good.ndjson.gz", locked))
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket}

    with refused(s3, bucket, "s3:GetObject*", locked):
        answer = stack.invoke(S3, sqs_event([good, bad, test_event]))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert destinations.outcome().rows == 10


def test_a_file_that_is_gone_or_that_nobody_knows_is_on_record(stack, destinations, s3):
    bucket = stack.outputs["StagingBucket"]

    announce(stack, object_created(bucket, "aws-network-firewall/gone.ndjson.gz"))
    s3.put_object(Bucket=bucket, Key="unknown/source.log", Body=b"what is this?")

    outcome = destinations.eventually_hold(2)
    assert sorted(line.reason for line in outcome.quarantined) == ["gone", "no_source"]


def test_one_message_may_announce_many_files(stack, destinations, s3):
    bucket = stack.outputs["StagingBucket"]
    keys = [f"aws-network-firewall/many-{part}.ndjson.gz" for part in range(3)]
    with unannounced(s3, bucket):
        for part, key in enumerate(keys):
            s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL[part * 10 : part * 10 + 10]))

    announce(stack, object_created(bucket, *keys))

    destinations.eventually_hold(30)


def test_a_notification_that_came_through_sns_is_read(stack, destinations, s3):
    bucket, key = stack.outputs["StagingBucket"], "aws-network-firewall/sns.ndjson.gz"
    with unannounced(s3, bucket):
        s3.put_object(Bucket=bucket, Key=key, Body=file_of(FIREWALL[:10]))

    announce(
        stack,
        {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:files",
            "Subject": "Amazon S3 Notification",
            "Message": json.dumps(object_created(bucket, key)),
            "Timestamp": "2025-03-03T08:00:00.000Z",
        },
    )

    destinations.eventually_hold(10)


def test_a_bucket_that_exists_is_read_through_eventbridge_with_ones_own_configuration(emulator, built, tmp_path, s3):
    s3.create_bucket(Bucket="logs-that-exist")
    s3.put_bucket_notification_configuration(
        Bucket="logs-that-exist", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.create_bucket(Bucket="settings")
    sources = {
        "sources": [
            {
                "name": "aws-network-firewall",
                "input_paths": {
                    "s3": {
                        "enabled": True,
                        "source_buckets": [{"bucket_name": "logs-that-exist", "prefix": "raw/firewall/*"}],
                    }
                },
            }
        ]
    }
    s3.put_object(Bucket="settings", Key="sources_config.json", Body=json.dumps(sources))
    mapping = json.loads((ROOT / "mapping-configs/aws-network-firewall.json").read_text())
    mapping["custom_source_events"]["destination"]["sources"]["network_activity"] = "acme-firewall"
    s3.put_object(Bucket="settings", Key="mappings/aws-network-firewall.json", Body=json.dumps(mapping))
    stack = deploy(
        emulator,
        "sluice-existing",
        LakeBucket=LAKE,
        LakeAccount="external_acme",
        Inputs="s3",
        StagingBucketName="logs-that-exist",
        StagingPrefix="raw/",
        SourcesConfiguration="s3://settings/sources_config.json",
        MappingsLocation="s3://settings/mappings/",
    )
    destinations = Destinations(emulator, LAKE, stack.quarantine_bucket, tmp_path)

    s3.put_object(Bucket="logs-that-exist", Key="other/ignored.ndjson.gz", Body=file_of(FIREWALL))
    s3.put_object(Bucket="logs-that-exist", Key="raw/firewall/a.ndjson.gz", Body=file_of(FIREWALL))

    outcome = destinations.eventually_hold(len(FIREWALL))
    assert {item.place["account"] for item in outcome.written} == {"external_acme"}
    assert "acme-firewall" in {item.place["source"] for item in outcome.written}


def test_logs_are_json_and_their_metrics_count_every_record(stack):
    began = now()
    records = SYSMON + list(REFUSED)
    stack.invoke(KINESIS, kinesis_event(records, shard="shardId-000000000010"))

    eventually(lambda: invocations(stack, "transform-kinesis", began), "the function's log")
    lines = [json.loads(line) for line in log_lines(stack, "transform-kinesis", began)]

    assert {line["service"] for line in lines} == {"transform-kinesis"}
    [totals] = [line for line in lines if "RecordsIn" in line]
    assert totals["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Sluice"
    assert totals["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert (totals["RecordsIn"], totals["RecordsWritten"], totals["RecordsQuarantined"]) == (
        len(records),
        len(SYSMON),
        len(REFUSED),
    )


def test_what_lambda_puts_aside_is_reported_and_nothing_else_is(stack, s3):
    # MiniStack does not give a batch up; this is the key that Lambda would write it to.
    assert unfinished(stack, "FailedBatchesQueueUrl") == 0
    key = "aws/lambda/c39a8129-3075-4c54-9d6d-3f524b224c13/shardId-000000000000/2025/03/03/batch"

    s3.put_object(Bucket=stack.quarantine_bucket, Key=key, Body=b"{}")

    [message] = eventually(lambda: messages(stack, "FailedBatchesQueueUrl"), "a message")
    assert json.loads(message)["detail"]["object"]["key"] == key


def test_nothing_is_left_waiting(stack):
    """S3 tells the queue of itself with a test event; like every other message it is taken and not tried for ever."""
    eventually(lambda: unfinished(stack, "FilesQueueUrl") == 0, "the queue is empty")


def assert_is_a_lake(outcome: Outcome) -> None:
    """Every object obeys Security Lake, is accepted by `sluice inspect`, and one source has one schema."""
    assert outcome.written
    for item in outcome.written:
        item.assert_obeys_security_lake()
        assert nested_columns(item.table), item.key
    sluice("inspect", *[item.path for item in outcome.written])
    for source, schemas in schemas_by_source(outcome.written).items():
        assert len(schemas) == 1, source


def put_records(stack: Stack, records: list[bytes]) -> None:
    answer = stack.emulator.client("kinesis").put_records(
        StreamName=stack.outputs["StreamName"],
        Records=[{"Data": record, "PartitionKey": str(index)} for index, record in enumerate(records)],
    )
    assert answer["FailedRecordCount"] == 0


def announce(stack: Stack, notification: dict) -> None:
    stack.emulator.client("sqs").send_message(
        QueueUrl=stack.outputs["FilesQueueUrl"], MessageBody=json.dumps(notification)
    )


@contextmanager
def unannounced(s3, bucket: str):
    """Files put meanwhile are not announced by the bucket."""
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    del configuration["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def messages(stack: Stack, output: str) -> list[str]:
    answer = stack.emulator.client("sqs").receive_message(QueueUrl=stack.outputs[output], MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def unfinished(stack: Stack, output: str) -> int:
    """Messages that wait, and messages that are being worked on."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = stack.emulator.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[output], AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def log_messages(stack: Stack, function: str, since: int) -> list[str]:
    pages = (
        stack.emulator.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=f"/aws/lambda/sluice-{function}", startTime=since)
    )
    return [event["message"] for page in pages for event in page["events"]]


def log_lines(stack: Stack, function: str, since: int) -> list[str]:
    """What the function itself wrote: not the lines of the platform around each invocation."""
    platform = ("START RequestId:", "END RequestId:", "REPORT RequestId:")
    return [line for line in log_messages(stack, function, since) if not line.startswith(platform)]


def invocations(stack: Stack, function: str, since: int) -> int:
    return sum(line.startswith("REPORT RequestId:") for line in log_messages(stack, function, since))


def now() -> int:
    return int(time.time() * 1000)
