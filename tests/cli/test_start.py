"""The command line is there at once, and knows its commands without importing them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import click
import pytest

from edge_med.cli import COMMANDS, root

HELP = [sys.executable, "-m", "edge_med", "--help"]


def processor_seconds(command: list[str]) -> float:
    """The median of several runs; of the processor, since others may be at work beside the test."""
    spent = []
    for _ in range(7):
        before = os.times()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        spent.append(sum(after[2:4]) - sum(before[2:4]))
    return statistics.median(spent)


@pytest.mark.skipif(sys.platform == "win32", reason="times of children aren't told there")
def test_help_takes_150_ms_at_most() -> None:
    assert processor_seconds(HELP) - processor_seconds([sys.executable, "-c", ""]) <= 0.15


def test_help_imports_no_command() -> None:
    code = (
        "import sys\nfrom edge_med.cli import root\nroot.main(['--help'], standalone_mode=False)\n"
        "print('IMPORTED', *[name for name in sys.modules if name.startswith('edge_med.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stdout.partition("IMPORTED")[2].split()
    assert imported
    assert [name for name in imported if name.rpartition(".")[2] in COMMANDS] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_what_help_says_of_a_command_is_what_it_says_of_itself(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
