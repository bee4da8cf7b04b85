"""Athena, which MiniStack does not have: `testing/local-athena`, which answers queries over what is in the lake's bucket."""

from __future__ import annotations

import json
import subprocess
import urllib.request

from cargo import built
from emulator import Emulator
from waiting import eventually

ENDS = ("SUCCEEDED", "FAILED", "CANCELLED")


class Athena:
    """A running Athena; use as a context."""

    def __init__(self, emulator: Emulator, lake: str, database: str, workgroup: str):
        self._command = [
            built("local-athena", test="api"),
            "--lake", f"s3://{lake}",
            "--database", database,
            "--workgroup", workgroup,
        ]  # fmt: skip
        self._environment = emulator.environment

    def __enter__(self) -> Athena:
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.endpoint = self._process.stdout.readline().strip()
        assert self.endpoint.startswith("http://"), f"local-athena ended with {self._process.wait()}"
        return self

    def __exit__(self, *_) -> None:
        # It ends with its input.
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def queries(self) -> list[dict]:
        """Those that were started so far, in order: `id`, `sql`, `state`."""
        return self._ask("queries")

    def events(self) -> list[dict]:
        """What EventBridge would have been told of their states, in order, once all have ended."""
        eventually(lambda: all(query["state"] in ENDS for query in self.queries()), "all queries have ended")
        return self._ask("events")

    def _ask(self, what: str) -> list[dict]:
        with urllib.request.urlopen(f"{self.endpoint}/_local/{what}", timeout=60) as answer:
            return json.load(answer)
