"""What of llama.cpp's code for the CPU is used here: found out by children, and remembered.

A build can be wrong for a processor: made for another one, or by a compiler with a fault of its
own. GCC 12.2, for one, stores too little of AMX's configuration (GCC bug 114098), so that the first
long prompt ends the program. A child that computes small products finds out before anything is
relied on; what fails isn't used.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from edge_med import __version__, _platform, native
from edge_med._platform import children, state_files
from edge_med.engine.llama.cpu.code_levels import LEVELS, WITHOUT_AMX, CodeVerdict, Level
from edge_med.engine.llama.cpu.ggml import SPINS
from edge_med.errors import EngineError
from edge_med.library import store

FILE = "cpu.json"

MOST = 20
"""Verdicts that are kept; the oldest go."""

SECONDS = 60
"""After which a child is ended; on two cores it takes a third of one."""

ENVIRONMENT = {"GGML_NO_BACKTRACE": "1", "GOMP_SPINCOUNT": SPINS}
"""Of a child. ggml would start a debugger where it aborts (ggml.c, ggml_print_backtrace)."""

Command = Callable[[Level], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one child.

    Attributes:
        sound: whether everything came out right.
        copies: ggml's buffer types that weights were copied into.
        fault: what the code did wrong, in words; None if it did nothing wrong.
        untried: why nothing is known of the code; None if something is.
    """

    sound: bool = False
    copies: tuple[str, ...] = ()
    fault: str | None = None
    untried: str | None = None


def verdict(folder: Path | None = None, *, anew: bool = False) -> CodeVerdict:
    """Which code is used here, by an earlier trial if nothing has changed since, else by a new one.

    Args:
        folder: the folder of remembered verdicts; by default that of our state.
        anew: whether there is a trial in any case.

    Raises:
        EngineError: llama-cpp-python is missing, can't be loaded, or is sound at no level.
    """
    key = _key()
    if key and not anew and (known := _known(state_files.read(_path(folder)), key)) is not None:
        return known
    found = judge(_command)
    if found.tried:
        remember(folder, found)
    return found


def remember(folder: Path | None, found: CodeVerdict) -> None:
    """Keep a verdict for this build and processor, where they can be distinguished from others."""
    path, key = _path(folder), _key()
    if key is not None:
        stored = state_files.read(path)
        others = {k: v for k, v in stored.items() if k != key} if isinstance(stored, dict) else {}
        last = dict(list(others.items())[1 - MOST :])
        state_files.write(path, {**last, key: {**asdict(found), "level": found.level.name}})


def _path(folder: Path | None) -> Path:
    return (folder or store.home() / "state") / FILE


def judge(command: Command) -> CodeVerdict:
    """Try one level after the other until one is sound.

    Args:
        command: makes the command line of a level's child.

    Raises:
        EngineError: no level is, or the libraries can't be loaded.
    """
    first: str | None = None
    for level in LEVELS:
        found = _outcome(functools.partial(command, level))
        if found.sound:
            return CodeVerdict(level, found.copies, first)
        if first is None and found.fault is None:
            return CodeVerdict(WITHOUT_AMX, fault=found.untried, tried=False)
        first = first or found.fault
    assert first is not None
    raise _unsound(first)


def _command(level: Level) -> Sequence[str]:
    module = "edge_med.engine.llama.cpu.products"
    return children.command(module, amx=level.amx, copies=level.copies)


def _outcome(command: Callable[[], Sequence[str]]) -> Outcome:
    """Run a child and read what it says.

    Raises:
        EngineError: it can't load llama.cpp's libraries.
    """
    try:
        done = children.run(command(), ENVIRONMENT, SECONDS)
    except subprocess.TimeoutExpired:
        return Outcome(untried=f"the test took longer than {SECONDS} seconds")
    except OSError as error:
        return Outcome(untried=f"no process can be started ({type(error).__name__})")
    reply = children.reports(done.stdout)
    if "unloadable" in reply:
        raise EngineError(
            f"The libraries of llama-cpp-python can't be loaded: {reply['unloadable']}.",
            native.rebuilt(native.NATIVE),
        )
    if "copies" not in reply and children.fault(done.returncode) == "SIGBUS":
        raise EngineError(  # it is mapped into memory, and ends before its own header says so
            "A library of llama-cpp-python is damaged or incomplete.",
            f"Install it again: {native.rebuilt(native.NATIVE)}",
        )
    if (ended := children.fault(done.returncode)) is not None:
        return Outcome(fault=f"it crashes ({ended})")
    if "wrong" in reply:
        return Outcome(fault=f"it computes wrong products ({reply['wrong']})")
    if done.returncode or "sound" not in reply:
        return Outcome(untried=f"the test was ended (exit code {done.returncode})")
    return Outcome(sound=True, copies=tuple(reply["copies"]))


def _unsound(fault: str) -> EngineError:
    """The error where nothing is sound, with the command that builds what should be."""
    why = (
        "it was built for another processor, and uses instructions that this one does not have"
        if is_foreign(fault)
        else "its code for this processor is faulty"
    )
    return EngineError(
        f"llama.cpp can't compute on this processor: {fault}. Most likely {why}.",
        f"Build it here: {sound_build(fault)}",
    )


def is_foreign(fault: str) -> bool:
    """Whether a fault is an instruction that the processor lacks."""
    return "SIGILL" in fault or "illegal instruction" in fault


def sound_build(fault: str) -> str:
    """The line that builds a llama.cpp without a fault; it may be slower than one with all code."""
    return native.rebuilt(native.NATIVE if is_foreign(fault) else native.GENERIC)


def _key() -> str | None:
    """A hash of what the outcome depends on, from which nothing else can be read.

    None where the system says nothing of its processor: another one may share the home.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    folder = native.native_library("llama").parent
    processor = _platform.processor()
    if processor is None:
        return None
    stats = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
    files = [(name, f.st_size, f.st_mtime_ns, f.st_ino) for name, f in stats]
    facts = (__version__, str(folder), files, processor)
    return sha256(repr(facts).encode()).hexdigest()[:32]


def _known(stored: object, key: str) -> CodeVerdict | None:
    """What is remembered of a key; None where it isn't there, or isn't as it was written."""
    found = stored.get(key) if isinstance(stored, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    level = next((one for one in LEVELS if one.name == found.get("level")), None)
    copies, fault = found.get("copies"), found.get("fault")
    sound = isinstance(copies, list) and all(isinstance(name, str) for name in copies)
    if level is None or not sound or not (fault is None or isinstance(fault, str)):
        return None
    return CodeVerdict(level, tuple(copies or ()), fault)
