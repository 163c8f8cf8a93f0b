"""Messages between processes of ours: a body, and blobs that follow it as they are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

_HEAD = struct.Struct("<II")
_SIZE = struct.Struct("<Q")

MOST_BODY = 256 << 20
"""Bytes of a body; a longer one is a fault of the other side."""

MOST_BLOBS = 1 << 20


def send(file: BinaryIO, body: bytes, blobs: Sequence[Any] = ()) -> None:
    """Write a message.

    Args:
        file: file that is written to.
        body: bytes of the message.
        blobs: contiguous buffers that belong to it.
    """
    views = [memoryview(blob).cast("B") for blob in blobs]
    sizes = b"".join(_SIZE.pack(len(view)) for view in views)
    file.write(_HEAD.pack(len(body), len(views)) + sizes + body)
    for view in views:
        file.write(view)
    file.flush()


def receive(file: BinaryIO) -> tuple[bytearray, list[bytearray]]:
    """Read a message: its body and its blobs.

    Raises:
        EOFError: the other side has ended, or writes no message.
    """
    size, count = _HEAD.unpack(_exactly(file, _HEAD.size))
    if size > MOST_BODY or count > MOST_BLOBS:
        raise EOFError
    sizes = [one for (one,) in _SIZE.iter_unpack(_exactly(file, _SIZE.size * count))]
    body = _exactly(file, size)
    return body, [_exactly(file, one) for one in sizes]


def _exactly(file: BinaryIO, size: int) -> bytearray:
    found = bytearray(size)
    view, done = memoryview(found), 0
    while done < size:
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return found
