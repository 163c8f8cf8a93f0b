"""Messages between the program and the processes that decode its images: JSON, then bytes.

Never pickle: what a broken decoder sends back must not run here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from edge_med._platform import message_frames


def send(file: BinaryIO, message: dict[str, Any], blobs: Sequence[Any] = ()) -> None:
    """Write a message, and bytes that belong to it."""
    message_frames.send(file, json.dumps(message).encode(), blobs)


def receive(file: BinaryIO) -> tuple[dict[str, Any], list[bytearray]]:
    """Read a message and its bytes.

    Raises:
        EOFError: the other side has ended.
    """
    body, blobs = message_frames.receive(file)
    message: dict[str, Any] = json.loads(body)
    return message, blobs
