"""Messages between the program and the processes that decode its images: JSON, then bytes.

Never pickle: what a broken decoder sends back must not run here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

_HEAD = struct.Struct("<I")
_MOST = 64 << 20
"""Bytes of a message's JSON."""


def send(file: BinaryIO, message: dict[str, Any], blobs: Sequence[Any] = ()) -> None:
    """Write a message, and bytes that belong to it."""
    views = [memoryview(blob).cast("B") for blob in blobs]
    body = json.dumps({**message, "sizes": [len(view) for view in views]}).encode()
    file.write(_HEAD.pack(len(body)) + body)
    for view in views:
        file.write(view)
    file.flush()


def receive(file: BinaryIO) -> tuple[dict[str, Any], list[bytearray]]:
    """Read a message and its bytes.

    Raises:
        EOFError: the other side has ended.
    """
    (size,) = _HEAD.unpack(_exactly(file, _HEAD.size))
    if size > _MOST:
        raise EOFError
    message: dict[str, Any] = json.loads(_exactly(file, size))
    return message, [_exactly(file, size) for size in message.pop("sizes")]


def _exactly(file: BinaryIO, size: int) -> bytearray:
    found = bytearray(size)
    view, done = memoryview(found), 0
    while done < size:
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return found
