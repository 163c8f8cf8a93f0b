"""What llama.cpp logs of the memory that it takes; its C interface has no function for that."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_BUFFER = re.compile(r"(\S+) +(\w+) buffer size = *([0-9.]+) MiB")
_LAYER = re.compile(r"layer +(\d+) assigned to device ([^,\s]+)")
_PROJECTOR = re.compile(r"CLIP using (\S+) backend")
_PROJECTOR_SIZE = re.compile(r"model size: +([0-9.]+) MiB")
"""How llama.cpp logs buffers and layers, and of the projector's device and then its weights
(llama-model.cpp, llama-context.cpp, clip.cpp); no function of its C interface does."""


REFUSED = re.compile(
    r"bad_alloc|[Cc]annot allocate|[Ff]ailed to (?:allocate|map)|[Uu]nable to allocate|MemoryError"
    r"|[Oo]ut of memory|[Mm]emory allocation|can't start new thread|mem_buffer != NULL"
)
"""What llama.cpp, and other libraries, say where memory is refused."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer that llama.cpp made.

    Attributes:
        name: its type's, such as CPU_Mapped or Vulkan0.
        kind: `model`, `KV`, `compute` or `output`; `projector` for its weights.
        size: number of bytes.
    """

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class MemoryLog:
    """What llama.cpp has logged of its memory.

    Attributes:
        buffers: the buffers that llama.cpp made.
        layers: the device of each, by number.
        projectors: the devices of projectors.
        refusals: lines about memory that was refused.
    """

    buffers: list[Buffer] = field(default_factory=list)
    layers: dict[int, str] = field(default_factory=dict)
    projectors: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Bytes of all buffers."""
        return sum(buffer.size for buffer in self.buffers)


class _Captures(threading.local):
    """The captures of this thread: llama.cpp logs memory in the thread that calls it."""

    def __init__(self) -> None:
        self.all: list[MemoryLog] = []


_CAPTURES = _Captures()


@contextmanager
def capture_memory_log() -> Iterator[MemoryLog]:
    """What llama.cpp says of its memory in this thread, inside the block."""
    log = MemoryLog()
    _CAPTURES.all.append(log)
    try:
        yield log
    finally:
        _CAPTURES.all.pop()


def is_captured() -> bool:
    """Whether anybody in this thread wants to know."""
    return bool(_CAPTURES.all)


def read(line: str) -> None:
    """Take what a line of llama.cpp's log says about memory."""
    for log in _CAPTURES.all:
        if REFUSED.search(line):
            log.refusals.append(line)
        elif found := _BUFFER.search(line):
            log.buffers.append(Buffer(found[1], found[2], _bytes(found[3])))
        elif found := _LAYER.search(line):
            log.layers[int(found[1])] = found[2]
        elif found := _PROJECTOR.search(line):
            log.projectors.append(found[1])
        elif log.projectors and (found := _PROJECTOR_SIZE.search(line)):
            log.buffers.append(Buffer(log.projectors[-1], "projector", _bytes(found[1])))


def _bytes(mebibytes: str) -> int:
    return round(float(mebibytes) * (1 << 20))
