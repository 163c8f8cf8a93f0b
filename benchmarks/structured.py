"""An answer by a schema against a free one: milliseconds a token, with all candidates rejected."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from devtools.report import Result, result
from devtools.schemas import SCHEMAS
from edge_med._platform import usable_cores
from edge_med.config import LoadOptions, Options
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.form import AnswerForm
from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher

BAR = 1.15
TOKENS = 96
QUESTION = (
    "Chest X-ray of a patient with a cough: an opacity in the right lower lobe, no effusion. "
    "Haemoglobin 11.2 g/dl (12.0-15.5), leukocytes 14.1.\n\n"
)


def run(models: Sequence[Path], _work: Path, runs: int) -> list[Result]:
    """Each schema with each model, in turns with a free answer of as many tokens.

    Args:
        models: GGUF text models.
        runs: rounds, after one that warms up.
    """
    return [
        found
        for model in models
        for engine in [Engine(model, None, LoadOptions(context=1024, threads=usable_cores()))]
        for found in [_schema(engine, model.stem, name, runs) for name in SCHEMAS]
    ]


def _schema(engine: Engine, model: str, name: str, runs: int) -> Result:
    schema = compile_schema(SCHEMAS[name])
    items = engine.model.vocabulary.tokenize(f"{QUESTION}{schema.instruction}\n")
    sampler = Sampler(Options(), engine.model.vocabulary.size)
    rounds = []
    for _ in range(runs + 1):
        form = SchemaMatcher(engine.model.vocabulary, schema.grammar)
        bound, count = _written(engine, items, sampler, form, TOKENS)
        free, _ = _written(
            engine, items, Sampler(Options(), engine.model.vocabulary.size), None, count
        )
        print(f"{name}: {bound:.2f} ms against {free:.2f} ms, {count} tokens", flush=True)
        rounds.append((bound, free))
    tried = sampler.chosen + sampler.rejected
    print(
        f"{name}: {sampler.rejected / tried:.1%} of {tried} candidates rejected, "
        f"{sampler.masked / sampler.chosen:.1%} of {sampler.chosen} tokens by the full mask"
    )
    counted = rounds[1:]
    return result(
        f"{model}: {name} by its schema, ms a token",
        [bound for bound, _ in counted],
        [free for _, free in counted],
        BAR,
        commands=["python -m benchmarks structured"],
    )


def _written(
    engine: Engine, items: Sequence[int], sampler: Sampler, form: AnswerForm | None, count: int
) -> tuple[float, int]:
    """Milliseconds a token, and how many there were; the prompt isn't counted."""
    engine.slot.prefill(items)
    began, written = time.perf_counter(), 0
    while written < count and not (form and form.closed):
        token = sampler.choose(engine.slot.logits(), form)
        if form:
            form.accept(token)
        if form and engine.model.vocabulary.ends(token):
            break
        engine.slot.decode_one(token)
        written += 1
    return 1000 * (time.perf_counter() - began) / written, written
