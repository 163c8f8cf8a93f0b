"""An engine that counts tokens, for whoever speaks to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_med.answers import Tokens
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions, Options
from edge_med.engine.service.host import Deliver
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import (
    CountRequest,
    EngineOpened,
    EngineSpec,
    EngineStatus,
    RequestAnswered,
    RequestBegun,
    Submit,
    ToEngine,
)
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.errors import EngineError
from edge_med.planner.memory_plan import MemoryPlan
from edge_med.planner.placement_types import ModelSpec
from edge_med.question import Question

SUBJECT = ModelSpec("text", "F32", Header(3, {}, (), 0, 0))
SPEC = EngineSpec(Path("text"), None, SUBJECT, ModelIdentity(None, None, "F32", 4), LoadOptions())
OPENED = EngineOpened(EngineStatus(LoadOptions(context=77)), MemoryPlan(1, 0, 1, 1), "as built")
CRASH = EngineError("llama.cpp's process has ended (SIGSEGV).", "Ask again.")
COUNT = CountRequest(Question((), Options()))


class Transport:
    """An engine that counts one token, and remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[ToEngine] = []
        self.specs: list[EngineSpec] = []
        self.begins = self.answers = True
        self.deliver: Any = None

    def start(self, spec: EngineSpec, deliver: Deliver) -> Link:
        self.specs.append(spec)
        self.deliver = deliver
        deliver(OPENED)
        return Link(self.send, lambda: None, lambda: None)

    def send(self, message: ToEngine) -> None:
        self.sent.append(message)
        if isinstance(message, Submit):
            if self.begins:
                self.deliver(RequestBegun(message.number))
            if self.answers:
                self.deliver(RequestAnswered(message.number, Tokens(1, 0)))
