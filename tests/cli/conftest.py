"""Run the command line inside the test's process, and see what a user would see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edge_med.cli import main


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def edge_med(capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Call `edge-med` with arguments; also what native code prints is caught."""

    def run(*arguments: object) -> Run:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Run(int(ended.value.code or 0), out, err)

    return run
