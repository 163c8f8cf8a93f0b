"""Processes of ours: how one is started, how it goes on in its children, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from edge_med._platform import interpreter, parent

if TYPE_CHECKING:
    import subprocess

AGAIN = 75
"""The exit code of a child that another child follows (EX_TEMPFAIL of sysexits.h)."""

_CODE = """import sys
sys.path[:] = {!r}
from {} import main
main(**{!r})"""
"""Not multiprocessing: it would run the program's own main module once more."""

_EXCEPTIONS = {
    0xC0000005: "an access violation",
    0xC000001D: "an illegal instruction",
    0xC0000094: "a division by zero",
    0xC00000FD: "a stack overflow",
    0xC0000409: "an abort",
}
"""Exit codes of Windows' for a process that was ended by a fault (ntstatus.h)."""

_BY_OTHERS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU")
"""Signals that end a process from outside, and say nothing of the code in it."""


def command(module: str, python: str | None = None, **arguments: object) -> list[str]:
    """The command line of an interpreter that calls `main` of a module with arguments.

    Args:
        module: name of the module for imports.
        python: path of the requested interpreter, as in `interpreter.starter`.
        arguments: arguments of `main`: values that JSON and `repr` write alike.

    Raises:
        OSError: there is no interpreter.
    """
    if own := interpreter.frozen_command():
        return [own, interpreter.COMMAND, module, json.dumps(arguments)]
    start = interpreter.starter(python)
    if start is None:
        raise OSError("there is no interpreter to be started")
    return [*start, "-c", _CODE.format(_path(), module, arguments)]


def _path() -> list[str]:
    """Where modules are found, so that a child finds this edge_med and no other."""
    path = [os.path.abspath(folder) for folder in sys.path]  # noqa: PTH100 - Path leaves ".." as it is
    own = __file__.rpartition(f"{os.sep}edge_med{os.sep}")[0]
    has_one = (folder for folder in path if os.path.isdir(os.path.join(folder, "edge_med")))  # noqa: PTH112, PTH118
    return path if next(has_one, None) == own or not own else [own, *path]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process of ours: this one's, and some variables more."""
    return {**os.environ, interpreter.CHILD: "1", **more}


def run(
    command: Sequence[str], variables: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run a process that a fault may end, and take what it has written to stdout until then.

    Ctrl-C is the program's alone; what the process writes to stderr isn't shown.

    Args:
        command: command line of the child.
        variables: environment variables, besides the program's own.
        seconds: time after which the child is ended.

    Raises:
        OSError: it can't be started.
        subprocess.TimeoutExpired: it took too long.
    """
    import subprocess

    return subprocess.run(  # noqa: S603 - the caller's own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(**variables),
        start_new_session=True,
        creationflags=interpreter.NO_WINDOW,
        timeout=seconds,
        check=False,
    )


def attend(command: Sequence[str]) -> int:
    """Run a process that writes to this one's terminal; Ctrl-C is passed on to it.

    It has a session of its own, so that it hears of each Ctrl-C once, whoever sends it; on Windows
    the console tells both.

    Returns:
        its exit code.

    Raises:
        OSError: it can't be started.
    """
    import subprocess

    def pass_on(*_: object) -> None:
        if sys.platform != "win32":
            started.send_signal(signal.SIGINT)

    with subprocess.Popen(  # noqa: S603 - the caller's own command
        command, env=environment(), start_new_session=True
    ) as started:
        before = signal.signal(signal.SIGINT, pass_on)
        try:
            return started.wait()
        finally:
            signal.signal(signal.SIGINT, before)


def report(**facts: object) -> None:
    """Report facts to the parent, on a line of their own, before a fault may end this process."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def reports(lines: bytes) -> dict[str, Any]:
    """All that a child has reported until its end; a line that isn't complete is left out."""
    facts: dict[str, Any] = {}
    for line in lines.splitlines():
        with suppress(ValueError):
            facts.update(json.loads(line))
    return facts


def fault(code: int) -> str | None:
    """The fault that ended a process, in words; None if there was none.

    Args:
        code: exit code of the child; on POSIX a signal's number below zero.
    """
    if 128 < code <= 192:  # a shell tells of a signal so
        code = 128 - code
    if code >= 0:
        return _EXCEPTIONS.get(code)
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return None if name in _BY_OTHERS else name
    return f"signal {-code}"


def go_on(program: int | None) -> None:
    """Go on in a child; each time one ends with `AGAIN`, in another, as this one is now.

    A child that ends otherwise ends its parent. Only for a process without threads.

    Args:
        program: handle of a program (`parent.opened`), at whose end the child is ended at once;
            None where there is no such handle.
    """
    while child := os.fork():
        if program is not None and parent.ends_before(program, child):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != AGAIN:
            os._exit(1)


def leave() -> NoReturn:
    """End this child, so that another follows."""
    os._exit(AGAIN)


def exit_now(code: int = 0) -> NoReturn:
    """End this process without another step: what it holds is freed by the system."""
    os._exit(code)


def end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a process at once; with its children, if it leads a group of its own.

    One that has ended already is left alone: its number may be another's by now.
    """
    if process.poll() is not None:
        return
    if group:
        with suppress(ProcessLookupError, PermissionError):  # macOS: all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
