"""What the callers' side has of an engine, whatever it runs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_med.engine.service.host import Deliver
from edge_med.engine.service.protocol import EngineSpec, ToEngine


@dataclass(frozen=True, slots=True)
class Link:
    """A started engine.

    Attributes:
        send: gives it a message; waits for nothing, and may be called in any thread.
        join: waits for its end after a `Close`.
        abort: ends it as soon as that can be.
    """

    send: Callable[[ToEngine], None]
    join: Callable[[], None]
    abort: Callable[[], None]


Start = Callable[[EngineSpec, Deliver], Link]
"""Starts an engine, whose messages go to the function that is given."""
