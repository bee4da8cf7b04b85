"""Buckets of the stand-in for AWS, as a test looks at them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError
from emulator import Emulator
from lake import LakeObject, Refused, quarantined
from waiting import eventually


@dataclass(frozen=True)
class Outcome:
    """What became of some input."""

    written: list[LakeObject]
    quarantined: list[Refused]

    @property
    def rows(self) -> int:
        return sum(item.table.num_rows for item in self.written)


class Destinations:
    """The lake and the quarantine of a stack. What was there when this was made is not looked at."""

    def __init__(self, emulator: Emulator, lake: str, quarantine: str, folder: Path):
        self._s3 = emulator.client("s3")
        self._lake = lake
        self._quarantine = quarantine
        self._folder = folder
        self._before = self._versions()

    def eventually_hold(self, records: int, within: float = 90) -> Outcome:
        """What arrived, once as many records arrived as were sent."""

        def complete() -> Outcome | None:
            outcome = self.outcome()
            return outcome if outcome.rows + len(outcome.quarantined) >= records else None

        outcome = eventually(complete, f"{records} records in the lake or in quarantine", within)
        assert outcome.rows + len(outcome.quarantined) == records
        return outcome

    def outcome(self) -> Outcome:
        new = self._versions().keys() - self._before.keys()
        quarantine = [line for bucket, key in sorted(new) if bucket != self._lake for line in self._lines(bucket, key)]
        return Outcome([self._object(key) for bucket, key in sorted(new) if bucket == self._lake], quarantine)

    def contents(self) -> dict[tuple[str, str], str]:
        """What is there now, by bucket and key: a digest of the bytes."""
        return {place: digest for place, digest in self._versions().items() if place not in self._before}

    def _versions(self) -> dict[tuple[str, str], str]:
        found = {}
        for name, start in ((self._lake, ""), (self._quarantine, "quarantine/")):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=start):
                found |= {(name, item["Key"]): item["ETag"] for item in page.get("Contents", [])}
        return found

    def _object(self, key: str) -> LakeObject:
        path = self._folder / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(self._lake, key, str(path))
        return LakeObject(key, path)

    def _lines(self, bucket: str, key: str) -> list[Refused]:
        body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return quarantined(body)


@contextmanager
def refused(s3, bucket: str, action: str, key: str = "*"):
    """While this lasts, the bucket refuses everybody an action on objects."""
    try:
        policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = None
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    document["Statement"].append(
        {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}/{key}"}
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    try:
        yield
    finally:
        if policy:
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)
        else:
            s3.delete_bucket_policy(Bucket=bucket)
