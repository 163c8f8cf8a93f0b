"""The engine in a thread of the caller's process."""

from __future__ import annotations

import queue
import threading

from edge_med.engine.service.host import Deliver, serve
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import Close, EngineSpec, ToEngine


def start(spec: EngineSpec, deliver: Deliver) -> Link:
    """Start an engine in a thread of its own; `deliver` is called there."""
    arrivals: queue.SimpleQueue[ToEngine] = queue.SimpleQueue()
    # A daemon, since a thread that waits for requests must not keep the interpreter alive; it is
    # ended in order by a finalizer, at the latest before the interpreter goes.
    thread = threading.Thread(
        target=serve, args=(spec, arrivals, deliver), name="edge-med engine", daemon=True
    )

    def join() -> None:
        # The last reference to a client may go in the engine's thread itself: that ends without us.
        if thread is not threading.current_thread():
            thread.join()

    thread.start()
    return Link(arrivals.put, join, lambda: arrivals.put(Close()))
