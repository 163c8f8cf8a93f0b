"""Hold what is planned of memory against what llama.cpp says when it really does it.

python -m scripts.compare_plan FOLDER [--shapes 4b 27b]

FOLDER has Gemma 3 270M in some quants, as `edge-med convert` makes them: these are loaded. Of
MedGemma's sizes only the headers are written, in front of a hole as large as the weights: llama.cpp
opens such a file with `no_alloc` and lays out its cache and its graph without taking the memory.
It prints a table in Markdown, and ends with 1 if a difference is larger than its bar.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from converters.conversion_plan import make_plan
from converters.request import ConversionRequest
from devtools.make_checkpoint import write_hollow
from edge_med.artifacts.gguf import Header, read_header
from edge_med.config import KV, LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama import context as contexts
from edge_med.engine.llama.bindings import LOGGER, llama_cpp
from edge_med.planner import sizes

MIB = 1 << 20
BARS = {"weights": 1.0, "kv": 1.0, "compute": 0.2, "total": 0.05}
"""MiB that weights and cache may differ by, and shares of the other two."""

Case = tuple[str, int, KV, int]
"""A quant, the context, the cache's type, and sequences at once."""

REAL: tuple[Case, ...] = (
    *((quant, 8192, "f16", 1) for quant in ("F32", "BF16", "F16", "Q8_0", "Q4_K_M")),
    *(("Q4_K_M", 2048, "f16", 1), ("Q4_K_M", 32_768, "q8_0", 1), ("Q8_0", 32_768, "f16", 1)),
)
SHAPES: dict[str, tuple[Case, ...]] = {
    "4b": (
        *(("F16", 4096, "f16", 1), ("Q8_0", 32_768, "f16", 1), ("Q4_K_M", 8192, "f16", 1)),
        *(("Q4_K_M", 8192, "q8_0", 1), ("Q4_K_M", 131_072, "q8_0", 1)),
        ("Q4_K_M", 32_768, "f16", 4),
    ),
    "27b": (
        *(("Q8_0", 4096, "f16", 1), ("Q6_K", 131_072, "f16", 1), ("Q4_K_M", 8192, "f16", 1)),
        *(("Q4_K_M", 32_768, "q8_0", 1), ("IQ4_XS", 8192, "q8_0", 1)),
        ("Q4_K_M", 32_768, "q8_0", 4),
    ),
}


@dataclass(frozen=True)
class Sizes:
    """MiB that a model takes, planned or told by llama.cpp."""

    weights: float
    kv: float
    compute: float

    @property
    def total(self) -> float:
        """All of them together."""
        return self.weights + self.kv + self.compute


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    options = parser.parse_args()
    print("| model | context | weights, MiB | KV cache, MiB | computing, MiB | total |")
    print("|---|---|---|---|---|---|")
    sound = [told(*one) for one in (*loaded(options.folder), *laid_out(options.shapes))]
    sys.exit(0 if all(sound) else 1)


def loaded(folder: Path) -> Iterator[tuple[str, LoadOptions, Sizes, Sizes]]:
    """Models that are there: what was planned, and what llama.cpp logs of a real load."""
    for quant, tokens, kv, parallel in REAL:
        path = folder / f"{folder.name}-{quant}.gguf"
        options = LoadOptions(context=tokens, kv=kv, parallel=parallel, threads=1)
        with llama_cpps_log() as log:
            Engine(path, None, options).close()
        told = Sizes(*(buffers(log, kind) for kind in ("model", "KV", "compute")))
        yield f"{folder.name} {quant}", options, planned(read_header(path), options), told


def laid_out(names: list[str]) -> Iterator[tuple[str, LoadOptions, Sizes, Sizes]]:
    """Models of which there is a header alone."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / name
            source.mkdir()
            write_hollow(name, source)
            for quant, tokens, kv, parallel in SHAPES[name]:
                path = hollow_file(source, quant)
                options = LoadOptions(context=tokens, kv=kv, parallel=parallel, threads=1)
                header = read_header(path)
                yield f"{name} {quant}", options, planned(header, options), opened(path, options)


def hollow_file(source: Path, quant: str) -> Path:
    """A text model's header with a hole behind it."""
    request = ConversionRequest(source=source, folder=source.parent, quants=(quant,))
    text, *_projector = make_plan(request).files
    path = source.parent / text.name
    path.write_bytes(text.header)
    os.truncate(path, text.size)
    return path


def opened(path: Path, options: LoadOptions) -> Sizes:
    """What llama.cpp says of a model that it lays out without taking the memory."""
    api = llama_cpp()
    params = api.llama_model_default_params()
    params.n_gpu_layers, params.no_alloc = 0, True
    params.load_mode = 0  # LLAMA_LOAD_MODE_NONE (llama.h): no mapping, which would read the hole
    with llama_cpps_log() as log:
        model = api.llama_model_load_from_file(os.fsencode(path), params)
        named: Any = SimpleNamespace(handle=model, header=read_header(path))
        wanted = contexts._params(api, named, options)
        wanted.n_seq_max = options.parallel
        context = api.llama_init_from_model(model, wanted)
        weights = api.llama_model_size(model)
        api.llama_free(context)
        api.llama_model_free(model)
    cells = (re.search(r" size = +([\d.]+) MiB \( *\d+ cells", line) for line in log)
    kv = sum(float(found[1]) for found in cells if found)
    return Sizes(weights / MIB, kv, buffers(log, "compute"))


def planned(header: Header, options: LoadOptions) -> Sizes:
    """The plan; rows of logits lie in a buffer of their own, which grows later."""
    flash = sizes.flash_attention(header, options)
    graph = sizes.graph_bytes(header, options, flash=flash)
    weights = sizes.tensor_bytes(header)
    kv = sizes.kv_bytes(header, options)
    return Sizes(weights / MIB, kv / MIB, graph / MIB)


def told(name: str, options: LoadOptions, plan: Sizes, log: Sizes) -> bool:
    """Print a row; false if a difference is too large."""
    off = {
        "weights": abs(plan.weights - log.weights),
        "kv": abs(plan.kv - log.kv),
        "compute": abs(plan.compute - log.compute) / log.compute,
        "total": abs(plan.total - log.total) / log.total,
    }
    cells = [
        f"{getattr(plan, part):,.1f} / {getattr(log, part):,.1f}"
        for part in ("weights", "kv", "compute")
    ]
    share = (plan.total - log.total) / log.total
    context = f"{options.context:,} {options.kv}"
    if options.parallel > 1:
        context += f", {options.parallel} sequences"
    print(f"| {name} | {context} | {' | '.join(cells)} | {share:+.2%} |")
    return all(off[part] <= bar for part, bar in BARS.items())


def buffers(log: list[str], kind: str) -> float:
    """MiB of the buffers of a kind; copies of weights don't count."""
    lines = (re.search(rf"(\S+) +{kind} buffer size = +([\d.]+) MiB", line) for line in log)
    return sum(float(found[2]) for found in lines if found and found[1] not in sizes.ROWS)


@contextmanager
def llama_cpps_log() -> Iterator[list[str]]:
    """The lines that llama.cpp logs meanwhile."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
