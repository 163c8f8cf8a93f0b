"""Store what transformers computes with merged adapters: tests/golden/numbers/adapters.json.

python -m scripts.make_golden_adapters

Needs the [golden] extra. Each weight W becomes W + scale · alpha / rank · B A, in float32; the rest
is as in scripts/make_golden_numbers.py. Run it again after a checkpoint, an adapter or a case has
changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from math import log
from typing import Any

import torch

from devtools.checkpoints.adapters import deltas
from devtools.golden.adapters import ADAPTERS, CASES, CHECKPOINT, GOLDEN, SCALES
from scripts.make_golden_numbers import Reference, Sequence, compute, items, load, write


def main() -> None:
    runs: dict[str, Any] = {}
    for name, scales in SCALES.items():
        reference = load(CHECKPOINT)
        merge(reference, scales)
        for case in CASES:
            runs[f"{case}, {name}"] = run(reference, case, name)
    tools = {package: version(package) for package in ("transformers", "torch", "pillow")}
    setting = {"dtype": "float32", "attention": "eager", "image_processor": "PIL"}
    write(GOLDEN, tools | setting, runs)


@torch.no_grad()  # type: ignore[untyped-decorator]
def merge(reference: Reference, scales: Mapping[str, float]) -> None:
    """Change the weights as the adapters would."""
    layers = reference.model.model.language_model.layers
    for name, scale in scales.items():
        lora = ADAPTERS[name]
        for delta in deltas(lora, CHECKPOINT.text):
            product = torch.from_numpy(delta.b) @ torch.from_numpy(delta.a)
            weight = layers[delta.layer].get_submodule(delta.module).weight
            weight += scale * lora.alpha / lora.rank * product


def run(reference: Reference, case_name: str, name: str) -> dict[str, Any]:
    """A case under one set of adapters; its text is the same under all of them."""
    case = CASES[case_name]
    read = Sequence(items(case, f"adapters/{case_name}"), case.tested, case.fit)
    steps, uncertainty = compute(reference, read)
    print(f"{case_name}, {name}: entropy up to {uncertainty:.2f} nats")
    assert uncertainty < log(reference.model.config.text_config.vocab_size) / 2
    return {"items": read.items, "tested": read.tested, "steps": steps, "wrong": {}}


if __name__ == "__main__":
    main()
