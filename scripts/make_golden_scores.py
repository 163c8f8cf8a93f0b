"""Store what transformers thinks of continuations: tests/golden/scores.json.

python -m scripts.make_golden_scores

Needs the [golden] extra. The prompts' ids are those that Gemma3Processor made of the conversations
(tests/golden/conversations.json); the continuations are tokenized by themselves. Float32, eager
attention, the PIL image processor, one pass over prompt and continuation together.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from devtools.checkpoints.tokenizer import write_tokenizer
from devtools.golden.conversations import TINY, golden
from devtools.golden.numbers import CHECKPOINTS
from devtools.golden.scores import CASES, CHECKPOINT, PATH, Case
from scripts.make_golden_numbers import KEPT, Reference, Sequence, load, log_probabilities, write


def main() -> None:
    reference = load(CHECKPOINTS[CHECKPOINT])
    tools = {p: version(p) for p in ("transformers", "torch", "tokenizers", "pillow")}
    setting = {"dtype": "float32", "attention": "eager", "image_processor": "PIL"}
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        tokenizer = AutoTokenizer.from_pretrained(folder)
    runs = {name: thought(reference, tokenizer, case) for name, case in CASES.items()}
    write(PATH, tools | setting, runs)
    print(sum(len(run["ids"]) for run in runs.values()), "tokens,", PATH.stat().st_size, "bytes")


def thought(reference: Reference, tokenizer: Any, case: Case) -> dict[str, Any]:
    """The ids of a continuation, their log-probabilities, and the best ones of each position."""
    pictures = iter(case.pictures)
    rows = golden(TINY)[case.conversation]
    prompt = [row if isinstance(row, int) else next(pictures) for row in rows]
    ids = tokenizer(case.continuation, add_special_tokens=False)["input_ids"]
    tested = tuple(range(len(prompt) - 1, len(prompt) + len(ids) - 1))
    logprobs = log_probabilities(reference, Sequence((*prompt, *ids), tested, case.fit))
    best = logprobs.topk(KEPT)
    own = logprobs[range(len(ids)), ids]
    steps = zip(best.indices.tolist(), _rounded(best.values), strict=True)
    return {"ids": ids, "logprobs": _rounded(own), "steps": list(steps)}


def _rounded(values: Any) -> Any:
    return values.round(decimals=6).tolist()


if __name__ == "__main__":
    main()
