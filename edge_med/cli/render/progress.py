"""A progress bar on stderr, for whatever takes over two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Bar = AbstractContextManager[Callable[[int], None]]


def byte_progress(label: str, total: int, *, hidden: bool) -> Bar:
    """A bar that counts bytes; nothing where stderr isn't a terminal."""
    from rich.progress import DownloadColumn

    return _progress(label, DownloadColumn(), total, hidden=hidden)


def step_progress(label: str, total: int, *, hidden: bool) -> Bar:
    """The same for steps."""
    from rich.progress import MofNCompleteColumn

    return _progress(label, MofNCompleteColumn(), total, hidden=hidden)


@contextmanager
def _progress(
    label: str, amount: ProgressColumn, total: int, *, hidden: bool
) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(label), BarColumn(), amount, TimeRemainingColumn(compact=True))
    silent = hidden or not console.is_terminal
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.advance(task, done)
