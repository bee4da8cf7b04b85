"""The logs that the tests send: those of `examples/`, and records that no mapping can take."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

from project import ROOT

SYSMON = (ROOT / "examples/windows-sysmon.ndjson").read_bytes().splitlines()
FIREWALL = (ROOT / "examples/aws-network-firewall.ndjson").read_bytes().splitlines()

# Records that cannot be mapped, and the reason that quarantine gives.
REFUSED = {
    b'{"EventId": 1, "Description":': "undecodable",
    b'{"EventId": 1, "source": "windows-sysmon", "note": "\xff\xfe"}': "undecodable",
    b'{"EventId": 4711, "TimeCreated": "2025-03-03T08:00:00Z", "source": "windows-sysmon"}': "no_mapping",
    b'{"EventId": 4, "source": "windows-sysmon"}': "no_time",
}


def command_lines_sent(lines: list[bytes]) -> set[str]:
    """Of the processes whose start Sysmon tells of, which it renders to text, field by field."""
    return {
        field.removeprefix("CommandLine: ")
        for event in map(json.loads, lines)
        if event.get("EventId") == 1
        for field in event["Description"].splitlines()
        if field.startswith("CommandLine: ")
    }


def addresses_sent(lines: list[bytes]) -> set[str]:
    """Of the hosts whose connections the firewall tells of."""
    events = [json.loads(line).get("event", {}) for line in lines]
    return {event["src_ip"] for event in events if "src_ip" in event}


def file_of(lines: list[bytes]) -> bytes:
    """The lines as a log shipper leaves them in a bucket."""
    return gzip.compress(b"\n".join(lines) + b"\n", mtime=0)


def kinesis_event(
    records: list[bytes],
    shard: str = "shardId-000000000000",
    numbers: list[str] | None = None,
    stream: str = "arn:aws:kinesis:us-east-1:000000000000:stream/logs",
    arrived: float = 1740988850.0,
) -> dict:
    """What Lambda hands to a function for a batch of records of one shard, `numbers` being their sequence numbers.

    An event that is days later than its arrival goes to quarantine, so events of today need an arrival of today.
    """
    numbers = numbers or [sequence_number(index) for index in range(len(records))]
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "host",
                    "sequenceNumber": number,
                    "data": base64.b64encode(record).decode(),
                    "approximateArrivalTimestamp": arrived + index,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/sluice",
                "awsRegion": "us-east-1",
                "eventSourceARN": stream,
            }
            for index, (record, number) in enumerate(zip(records, numbers, strict=True))
        ]
    }


def sequence_number(index: int) -> str:
    """56 digits, as Kinesis has them: more than an integer of any kind holds."""
    return f"{49590338271490256608559692538361571095921575989136588898 + index}"


def sqs_event(bodies: list[dict | str]) -> dict:
    """What Lambda hands to a function for a batch of messages; the message at index n has the id `message-n`."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {
        "Records": [
            {
                "messageId": f"message-{index}",
                "receiptHandle": f"handle-{index}",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1740988850000",
                    "SenderId": "000000000000",
                    "ApproximateFirstReceiveTimestamp": "1740988850001",
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:files",
                "awsRegion": "us-east-1",
            }
            for index, body in enumerate(texts)
        ]
    }


def object_created(bucket: str, *keys: str) -> dict:
    """A notification of S3 for objects; `keys` are URL-encoded, as S3 writes them."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2025-03-03T08:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:EXAMPLE"},
                "requestParameters": {"sourceIPAddress": "192.0.2.1"},
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "EXAMPLE"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "files",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "EXAMPLE"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {"key": key, "size": 1, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0A1B"},
                },
            }
            for key in keys
        ]
    }


def aggregated(records: list[bytes]) -> bytes:
    """One record that holds many, as the Kinesis Producer Library packs them (its message AggregatedRecord)."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _varint(len(content)) + content

    message = field(1, b"host")
    for record in records:
        # partition_key_index = 0, then the data
        message += field(3, b"\x08\x00" + field(3, record))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
