"""How the engine's process has ended, in words: its exit code, and what it has complained of."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from contextlib import suppress

from edge_med._platform import children
from edge_med.engine.llama.memory_log import REFUSED
from edge_med.errors import EdgeMedError, EngineError, MemoryShortError

STALLED = 79
"""The exit code of a process that makes no step any more."""

LOCKED = "SIGVTALRM"
"""What ends a process whose watch is kept from looking; see `pulse.LOCKED`."""

_ASSERTION = re.compile(r"([\w.-]+:\d+: )?(GGML_ASSERT\(.*\) failed|(?:CUDA|Vulkan) error.*)")
_LONGEST = 160

_AGAIN = "Try again: it is started anew."
_MEANINGS = {
    "SIGBUS": "Most likely the model's file was cut short, or its disk went away",
    "SIGILL": "Most likely llama.cpp was built for another processor: see edge-med doctor",
    "SIGKILL": "Most likely the system ended it, as it does where memory is short",
}


def died(code: int, complaints: Sequence[str]) -> EngineError | MemoryShortError:
    """The error of the call that was running.

    Args:
        code: the exit code of the process.
        complaints: the last lines of its stderr; none of them holds anything of a request.
    """
    name = _name(code)
    if code == STALLED or name == LOCKED:
        return EngineError(
            "The engine made no step for too long, and its process was ended.", _AGAIN
        )
    if any(REFUSED.search(line) for line in complaints):
        return MemoryShortError(
            f"The engine's process has ended ({name}), since memory was refused to it.",
            "Close other programs, or use a smaller model or context. " + _AGAIN,
        )
    assertions = [found[0][:_LONGEST] for line in complaints if (found := _ASSERTION.search(line))]
    what = f": {assertions[-1]}" if assertions else ""
    hint = f"{_MEANINGS[name]}. {_AGAIN}" if name in _MEANINGS else _AGAIN
    return EngineError(f"llama.cpp's process has ended ({name}){what}.", hint)


def fault_of(error: BaseException) -> EdgeMedError:
    """An error of Python's own as ours."""
    if isinstance(error, MemoryError) or REFUSED.search(str(error)):
        found: EdgeMedError = MemoryShortError(
            "The engine's process was refused memory.",
            "Close other programs, or use a smaller model or context.",
        )
    else:
        found = EngineError(
            f"This is a fault of edge-med: {type(error).__name__}.", "Please report it."
        )
    found.__cause__ = error
    return found


def by_itself(code: int) -> bool:
    """Whether a process was ended by a fault of its own, and not from outside."""
    return code == STALLED or children.fault(code) is not None


def _name(code: int) -> str:
    with suppress(ValueError):
        return signal.Signals(-code).name
    return children.fault(code) or f"exit code {code}"
