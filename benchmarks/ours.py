"""Our side of a measurement, in a process of its own: one JSON line in, one JSON line out.

python -m benchmarks.ours speed MODEL        speed of reading and writing
python -m benchmarks.ours first MODEL        loads, and writes one token
python -m benchmarks.ours memory MODEL       reads more than a batch at some context
python -m benchmarks.ours serve FOLDER       answers questions about an image until stdin ends
python -m benchmarks.ours see FOLDER         sees each image that stdin names until it ends
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_med.config import LoadArguments
from edge_med.engine.llama.bindings import load
from edge_med.engine.llama.cpu.code_levels import WITHOUT_AMX, CodeVerdict

PROMPT = "The heart pumps blood through the body, and the lungs bring oxygen into it. The liver"
"""20 tokens of Gemma's, with <bos>; a base model goes on and on with it."""

PICTURE = "Is the heart enlarged?"

LONG_PROMPT = PROMPT * 35
"""700 tokens, more than a batch."""

CONTEXT = 2048  # of a measurement of speed; llama-bench's is as long as it needs
MEASURED = 512  # tokens read, as llama-bench does by default


def main() -> None:
    """Do what is asked for, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=DO)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--read", type=int, default=MEASURED)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--kv", default="f16")
    parser.add_argument("--without-amx", action="store_true")
    parser.add_argument("--device", help="speed, see: as planned if not given")
    parser.add_argument("--gpu-layers", type=int, help="speed, see")
    options = parser.parse_args()
    if options.without_amx:
        load(CodeVerdict(WITHOUT_AMX, ("CPU_REPACK",)))
    for found in DO[options.what](options):
        print(json.dumps(found), flush=True)


def speed(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Tokens per second, each after a warm-up, with all that a caller of the API gets.

    The prompt, with what is around its words and already cached, ends at `--read` tokens, as
    llama-bench's does: llama.cpp attends to cells in steps of 256, so that one token more than 512
    makes a batch of 512 a tenth slower, on either side (`llama-bench -p 512 -d 5`).
    """
    from edge_med import MedGemma, Options

    with MedGemma.load(options.model, **_placed(options)) as model:
        model.ask(" lung" * options.read, options=Options(max_new_tokens=8))
        few = model.ask(" heart" * 4, options=Options(max_new_tokens=1)).usage
        words = " right" * (options.read - few.prompt + 4)
        read = model.ask(words, options=Options(max_new_tokens=1))
        wrote = model.ask(PROMPT, options=Options(max_new_tokens=options.new + 1))
    if wrote.usage.answer != options.new + 1:
        raise RuntimeError(f"the answer ended after {wrote.usage.answer} tokens")
    if read.usage.prompt != options.read:
        raise RuntimeError(f"{read.usage.prompt} tokens were read instead of {options.read}")
    fresh = read.usage.prompt - read.usage.cached
    yield {"read": fresh / read.timings.read, "decode": wrote.timings.tokens_per_second}


def first(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Load, read 20 tokens, and write one; the process is timed as a whole."""
    from edge_med import MedGemma, Options

    with MedGemma.load(options.model, threads=options.threads) as model:
        yield {"text": model.ask(PROMPT, options=Options(max_new_tokens=1)).text}


def memory(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Read and write a little, all in this process; the KV cache's bytes as planned."""
    from edge_med import MedGemma, Options

    model = MedGemma.load(
        options.model,
        context=options.context,
        kv=options.kv,
        threads=options.threads,
        isolation="thread",
    )
    with model:
        model.ask(LONG_PROMPT, options=Options(max_new_tokens=4))
        yield {"kv": model.info.plan.kv}


def serve(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Answer each line of stdin, a question about one image: a line at the first piece, and one."""
    from edge_med import MedGemma, Options
    from edge_med.answers import End, Piece

    with MedGemma.load(options.model, context=options.context, threads=options.threads) as model:
        for line in sys.stdin:
            question = json.loads(line)
            events = model.stream(question["messages"], options=Options(max_new_tokens=4))
            yield {"first": next(event.text for event in events if isinstance(event, Piece))}
            answer = next(event.answer for event in events if isinstance(event, End))
            yield {"cached": answer.usage.cached, "prompt": answer.usage.prompt}


def see(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Look at each image that a line of stdin names: seconds in the projector, and of reading."""
    from edge_med import MedGemma, Options

    with MedGemma.load(options.model, **_placed(options)) as model:
        for line in sys.stdin:
            answer = model.ask(PICTURE, image=line.strip(), options=Options(max_new_tokens=1))
            saw, spent = answer.provenance.projector_device, answer.timings
            yield {"encode": spent.encode, "read": spent.read, "device": saw}


def _placed(options: argparse.Namespace) -> LoadArguments:
    """How it is loaded where its device and layers may be named."""
    placed: LoadArguments = {"context": CONTEXT, "threads": options.threads}
    if options.without_amx:  # which this process has left out
        placed |= {"isolation": "thread"}
    if options.device is not None:
        placed |= {"device": options.device, "projector_device": options.device}
    if options.gpu_layers is not None:
        placed |= {"gpu_layers": options.gpu_layers}
    return placed


DO = {"speed": speed, "first": first, "memory": memory, "serve": serve, "see": see}

if __name__ == "__main__":
    main()
