"""An engine on a tiny model, and answers whose tokens are scripted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_med.config import LoadOptions
from edge_med.engine.decode import answer_state
from edge_med.engine.engine import Engine
from tests.conftest import Models
from tests.engine.scripted import Script


@pytest.fixture
def engine(model: Models) -> Iterator[Engine]:
    options = LoadOptions(context=256, threads=1)
    opened = Engine(model("text", "F32") / "text-F32.gguf", None, options)
    yield opened
    opened.close()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Has the tokens of a list chosen, whatever the model says."""

    def use(tokens: list[int]) -> None:
        left = iter(tokens)

        class Scripted:
            seed = None

            def __init__(self, *_: object) -> None: ...

            def choose(self, _logits: object, _rule: object = None) -> int:
                return next(left)

        monkeypatch.setattr(answer_state, "Sampler", Scripted)

    return use
