"""The service's messages as bytes: plain values by msgpack, and the pixels of pictures as they are.

No pickle: what comes back from a process that a hostile file has broken can only be one of the
values that are named here. Both sides remember the same pictures, so that each is sent once.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, SupportsFloat, SupportsIndex, TypeVar

import msgspec
import numpy as np

from edge_med import answers, errors, messages
from edge_med._platform.message_frames import MOST_BODY
from edge_med.artifacts import gguf
from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter, LoraPair
from edge_med.artifacts.tensor_types import TensorType
from edge_med.config import LoadOptions, Options
from edge_med.engine.cache.ledger import ImageBlock
from edge_med.engine.service import protocol
from edge_med.engine.service.ending import fault_of
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.raw_generate import ContinueRequest, RawEnd, RawToken
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import EdgeMedError
from edge_med.imaging import Picture
from edge_med.imaging.picture import SeriesOrigin
from edge_med.imaging.picture_facts import About
from edge_med.library.loaded_adapters import FoundAdapter
from edge_med.planner.memory_plan import MemoryPlan
from edge_med.planner.placement_types import DeviceUsage, ModelSpec
from edge_med.question import Question

_ROOMS = (protocol, answers, messages)
_OTHERS = (
    *(
        About,
        GgufAdapter,
        SeriesOrigin,
        RawToken,
        ContinueRequest,
        RawEnd,
        FoundAdapter,
        GenerateRequest,
    ),
    *(ImageBlock, LoadOptions, ModelIdentity, Options, LoraPair, DeviceUsage, MemoryPlan, Question),
    *(ScoreRequest, ModelSpec, TensorType, gguf.Array, gguf.Header, gguf.GgufTensor),
)
KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (*_OTHERS, *(one for room in _ROOMS for one in vars(room).values()))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not Picture
}
"""The dataclasses that may cross, by their names."""

FIELDS: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in dataclasses.fields(kind) if field.init)
    for kind in KINDS.values()
}
"""Their arguments, in order."""

_ERRORS = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, EdgeMedError)
}

KEPT_BYTES = 64 << 20
"""Of pixels that the engine's process keeps: 27 pictures of MedGemma's size."""

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""Whole numbers that msgpack has."""

_V = TypeVar("_V")
Blob = Any
"""Pixels of shape (side, side, 3), or what was read of them."""


class _Recent(Generic[_V]):
    """Values by the hashes of pictures; those unused for longest go when they become too many."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._kept: OrderedDict[str, tuple[int, _V]] = OrderedDict()

    def get(self, key: str) -> _V | None:
        found = self._kept.get(key)
        return found[1] if found else None

    def use(self, used: Mapping[str, tuple[int, _V]]) -> None:
        """Keep what a message has used, as what was used last."""
        for key, (size, value) in used.items():
            self._size += size - self._kept.pop(key, (0, value))[0]
            self._kept[key] = (size, value)
        while self._size > self._limit:
            _, (size, _) = self._kept.popitem(last=False)
            self._size -= size


class Packer:
    """Makes bytes of messages, for one `Unpacker`; in the order in which they are sent."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        """With what the other side keeps of pictures, in bytes."""
        self._sent: _Recent[bool] = _Recent(limit)

    def pack(self, message: object) -> tuple[bytes, list[Blob]]:
        """A message's body and the pixels that go with it.

        Raises:
            TypeError: the message has a value that can't cross.
            ValueError: a text in it holds half a character, or it is too large.
            RecursionError: the message is too deep.
        """
        packing = _Packing(self._sent)
        body = msgspec.msgpack.encode(packing.value(message))
        if len(body) > MOST_BODY:
            raise ValueError(f"it has {len(body):,} bytes, and may have {MOST_BODY:,}")
        self._sent.use(packing.used)
        return body, packing.blobs


class _Packing:
    """One message on its way to bytes."""

    def __init__(self, sent: _Recent[bool]) -> None:
        self._sent = sent
        self.used: dict[str, tuple[int, bool]] = {}
        self.blobs: list[Blob] = []

    def value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        if kind is int:
            return value if _LEAST <= value <= _MOST else ["int", str(value)]
        if kind.__name__ in KINDS and KINDS[kind.__name__] is kind:
            return [kind.__name__, *(self.value(getattr(value, n)) for n in FIELDS[kind])]
        for base, packed in _PACKED:
            if isinstance(value, base):
                return packed(self, value)
        raise TypeError(f"a value of type {kind.__name__} can't cross to the engine's process")

    def several(self, tag: str, values: Any) -> list[Any]:
        return [tag, *map(self.value, values)]

    def mapping(self, value: Mapping[Any, Any]) -> list[Any]:
        return self.several("mapping", [part for item in value.items() for part in item])

    def picture(self, value: Picture) -> list[Any]:
        key, pixels = value.sha256, value.pixels
        known = key in self.used or self._sent.get(key) is not None
        if not known:
            self.blobs.append(pixels)
        self.used[key] = (pixels.nbytes, True)
        return self.several("picture", (key, known, pixels.shape[0], *value.facts()))

    def error(self, value: EdgeMedError) -> list[Any]:
        more = {k: v for k, v in vars(value).items() if k not in ("message", "hint", "__notes__")}
        cause = value.__cause__
        words = "".join(traceback.format_exception(cause)) if cause else None
        name = next(k.__name__ for k in type(value).__mro__ if k.__name__ in _ERRORS)
        return self.several("error", (name, value.message, value.hint, more, words))


_AS_THEY_ARE = frozenset((str, bytes, bool, float, type(None)))

_PACKED: tuple[tuple[type, Callable[[_Packing, Any], Any]], ...] = (
    (Picture, _Packing.picture),
    (EdgeMedError, _Packing.error),
    (BaseException, lambda packer, value: packer.error(fault_of(value))),
    (tuple, lambda packer, value: packer.several("tuple", value)),
    (list, lambda packer, value: packer.several("list", value)),
    (Mapping, _Packing.mapping),
    (Path, lambda _, value: ["path", os.fsencode(value)]),
    (gguf.Double, lambda _, value: ["double", float(value)]),
    (str, lambda _, value: ["str", str.__str__(value)]),
    (np.generic, lambda packer, value: packer.value(value.item())),
    (SupportsIndex, lambda packer, value: packer.value(operator.index(value))),
    (SupportsFloat, lambda _, value: float(value)),
)


class Unpacker:
    """Makes messages of bytes, from one `Packer`; in the order in which they come."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        """With room for pictures, in bytes; as much as the packer counts on."""
        self._kept: _Recent[Picture] = _Recent(limit)
        self._used: dict[str, tuple[int, Picture]] = {}
        self._blobs: Iterator[Blob] = iter(())

    def unpack(self, body: bytes | bytearray, blobs: list[Blob]) -> Any:
        """The message of a body and its pixels.

        Raises:
            ValueError: these bytes are no message.
        """
        self._used, self._blobs = {}, iter(blobs)
        try:
            message = self._value(msgspec.msgpack.decode(body))
        except (KeyError, TypeError, IndexError, StopIteration) as error:
            raise ValueError("no message") from error
        self._kept.use(self._used)
        return message

    def _value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        tag, *parts = value
        if tag in KINDS:
            kind, values = KINDS[tag], map(self._value, parts)
            return kind(**dict(zip(FIELDS[kind], values, strict=True)))
        return _UNPACKED[tag](self, *map(self._value, parts))

    def _mapping(self, *parts: Any) -> dict[Any, Any]:
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def _picture(self, key: str, known: bool, side: int, *facts: Any) -> Picture:  # noqa: FBT001
        if known:
            found = self._used[key][1] if key in self._used else self._kept.get(key)
            if found is None:
                raise ValueError("an unknown picture")
            if found.facts() != facts:
                found = Picture(found.pixels, *facts)
        else:
            pixels = np.frombuffer(memoryview(next(self._blobs)).toreadonly(), np.uint8)
            found = Picture(pixels.reshape(side, side, 3), *facts)
        self._used[key] = (found.pixels.nbytes, found)
        return found

    def _error(
        self, name: str, message: str, hint: str, more: Mapping[str, Any], cause: str | None
    ) -> EdgeMedError:
        error = _ERRORS[name](message, hint)
        for key, value in more.items():
            setattr(error, key, value)
        error.__cause__ = EngineProcessError(cause) if cause else None
        return error


class EngineProcessError(Exception):
    """What was raised in the engine's process: its traceback, as text."""


_UNPACKED: Mapping[str, Callable[..., Any]] = {
    "int": lambda _, text: int(text),
    "tuple": lambda _, *parts: parts,
    "list": lambda _, *parts: [*parts],
    "mapping": Unpacker._mapping,
    "path": lambda _, name: Path(os.fsdecode(name)),
    "double": lambda _, number: gguf.Double(number),
    "str": lambda _, text: text,
    "picture": Unpacker._picture,
    "error": Unpacker._error,
}
