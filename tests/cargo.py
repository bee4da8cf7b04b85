"""Programs of this workspace, as its tests build them."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

from project import ROOT


@cache
def built(binary: str, test: str) -> Path:
    """A program; `test` is the name of an integration test of its package.

    It is built as `cargo test --workspace` has built it already: by itself it would have other features of DataFusion's and
    the AWS SDK's crates, and those would be compiled a second time.
    """
    _cargo("test", "--quiet", "--workspace", "--test", test, "--no-run")
    metadata = json.loads(_cargo("metadata", "--no-deps", "--format-version", "1"))
    return Path(metadata["target_directory"]) / "debug" / binary


def _cargo(*arguments: str) -> bytes:
    cargo = os.environ.get("CARGO", "cargo")
    return subprocess.run([cargo, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
