"""Our side of a measurement, in a process of its own: one JSON line in, one JSON line out.

python -m benchmarks.ours speed MODEL        speed of reading and writing
python -m benchmarks.ours first MODEL        from loading to the first token
python -m benchmarks.ours memory MODEL       memory at its peak
python -m benchmarks.ours serve FOLDER       answers questions about an image until stdin ends
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROMPT = "The heart pumps blood through the body, and the lungs bring oxygen into it. The liver"
"""20 tokens of Gemma's, with <bos>; a base model goes on and on with it."""

MEASURED = 512  # tokens read, as llama-bench does by default


def main() -> None:
    """Do what is asked for, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=DO)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--kv", default="f16")
    options = parser.parse_args()
    for found in DO[options.what](options):
        print(json.dumps(found), flush=True)


def speed(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Tokens per second, each after a warm-up, with all that a caller of the API gets."""
    from edge_med import MedGemma, Options

    with MedGemma.load(options.model, context=2048, threads=options.threads) as model:
        words = MEASURED - model.count("").prompt
        warm, long = (word * words for word in (" lung", " heart"))
        if model.count(long).prompt != MEASURED:
            raise RuntimeError(f"{model.count(long).prompt} tokens instead of {MEASURED}")
        model.ask(warm, options=Options(max_new_tokens=8))
        read = model.ask(long, options=Options(max_new_tokens=1))
        wrote = model.ask(PROMPT, options=Options(max_new_tokens=options.new + 1))
    if wrote.usage.answer != options.new + 1:
        raise RuntimeError(f"the answer ended after {wrote.usage.answer} tokens")
    fresh = read.usage.prompt - read.usage.cached
    yield {"read": fresh / read.timings.read, "decode": wrote.timings.tokens_per_second}


def first(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds from before the import to the first token."""
    began = time.perf_counter()
    from edge_med import MedGemma, Options
    from edge_med.answers import Piece

    with MedGemma.load(options.model, threads=options.threads) as model:
        stream = model.stream(PROMPT, options=Options(max_new_tokens=1))
        next(event for event in stream if isinstance(event, Piece))
        yield {"seconds": time.perf_counter() - began}


def memory(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Bytes of the largest resident set, and what was planned."""
    from edge_med import MedGemma, Options

    model = MedGemma.load(
        options.model, context=options.context, kv=options.kv, threads=options.threads
    )
    with model:
        model.ask("x " * 1500, options=Options(max_new_tokens=4))
        plan = model.info.plan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield {"peak": peak, "planned": plan.total, "kv": plan.kv}


def serve(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Answer each line of stdin, a question about one image, and time it."""
    from edge_med import MedGemma, Options

    with MedGemma.load(options.model, context=options.context, threads=options.threads) as model:
        for line in sys.stdin:
            question = json.loads(line)
            answer = model.ask(question["messages"], options=Options(max_new_tokens=4))
            yield {
                "first_token": answer.timings.first_token,
                "cached": answer.usage.cached,
                "prompt": answer.usage.prompt,
            }


DO = {"speed": speed, "first": first, "memory": memory, "serve": serve}

if __name__ == "__main__":
    main()
