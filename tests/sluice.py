"""The `sluice` command, as cargo builds it for tests."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

from project import ROOT


@cache
def binary() -> Path:
    cargo = os.environ.get("CARGO", "cargo")
    subprocess.run([cargo, "build", "--quiet", "--package", "sluice"], cwd=ROOT, check=True)
    metadata = subprocess.run(
        [cargo, "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / "debug" / "sluice"


def sluice(*arguments: str | Path, code: int | None = 0, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Runs the command in a folder, and holds it to its exit code, unless that is the caller's."""
    done = subprocess.run([binary(), *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert code is None or done.returncode == code, f"{done.args}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
