"""The `sluice` command, as cargo builds it for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cargo import built
from project import ROOT


def sluice(*arguments: str | Path, code: int | None = 0, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Runs the command in a folder, and holds it to its exit code, unless that is the caller's."""
    command = [built("sluice", test="cli"), *arguments]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert code is None or done.returncode == code, f"{done.args}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
