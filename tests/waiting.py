"""Waiting for what a deployed system does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str, within: float = 60, every: float = 0.25) -> T:
    """The first true answer of `ask`; fails with `what` was awaited, and the last answer, after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}; last answer: {answer!r}")
        time.sleep(every)
