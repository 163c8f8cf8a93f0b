"""How much of llama.cpp's code for the CPU is used, from all of it down to the plainest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_med.answers import Notice

AMX = "AMX"
"""ggml's name of the buffer type whose weights are packed for AMX's tiles (ggml-cpu/amx)."""

LevelName = Literal["as built", "without AMX", "without AMX and repacked weights"]


@dataclass(frozen=True, slots=True)
class Level:
    """How much of the code is used.

    Attributes:
        name: the level's name in the provenance of answers.
        amx: whether AMX's code is, where the build and the processor have it.
        copies: whether weights are copied at all, into an order that the processor reads faster.
        off: the code that isn't used at this level.
        meaning: what the level costs.
    """

    name: LevelName
    amx: bool
    copies: bool
    off: str = ""
    meaning: str = ""


AS_BUILT = Level("as built", amx=True, copies=True)
WITHOUT_AMX = Level(
    "without AMX",
    amx=False,
    copies=True,
    off="llama.cpp's code for AMX",
    meaning="answers are right, and prompts are read more slowly",
)
PLAIN = Level(
    "without AMX and repacked weights",
    amx=False,
    copies=False,
    off="llama.cpp's code for AMX and repacked weights",
    meaning="answers are right, and everything is slower",
)

LEVELS = (AS_BUILT, WITHOUT_AMX, PLAIN)
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """What a trial of the CPU's code has shown.

    Attributes:
        level: the first at which everything came out right.
        copies: ggml's buffer types that weights are copied into at this level, in the order in
            which llama.cpp asks them; None before the libraries are loaded, if there was no trial.
        fault: what went wrong at the levels before; None if nothing did.
        tried: whether there was a trial at all; if not, AMX isn't used, since it is the code that
            is known to crash.
    """

    level: Level
    copies: tuple[str, ...] | None = None
    fault: str | None = None
    tried: bool = True

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a user should know of it."""
        if not self.tried:
            text = (
                f"llama.cpp couldn't be tested before use: {self.fault}. As a precaution AMX is "
                "switched off; it will be tested again next time."
            )
            return (Notice("cpu_code", text),)
        if self.fault is None:
            return ()
        return (Notice("cpu_code", f"{self.words} To repair it: edge-med doctor"),)

    @property
    def words(self) -> str:
        """What is switched off, why, and what that costs."""
        level = self.level
        return f"{level.off} is faulty here, {self.fault}, and is switched off: {level.meaning}."
