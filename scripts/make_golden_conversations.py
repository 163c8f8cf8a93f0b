"""Store the ids that Hugging Face's processor makes of conversations, in tests/golden.

python -m scripts.make_golden_conversations TOKENIZER

Needs the [golden] extra, and a folder with tokenizer.json and tokenizer_config.json as Gemma 3 and
MedGemma have them, chat template included; docs/evidence/tokenization.md says where to find one.
Twice: with that tokenizer, and with the tests' tiny one, which takes the same template.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoTokenizer
from transformers.models.gemma3 import Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from devtools.checkpoints.tiny import MULTIMODAL
from devtools.checkpoints.tokenizer import write_tokenizer
from devtools.golden.conversations import CONVERSATIONS, IMAGE, REAL, TINY, Conversation, Message

IMAGE_SIZE, IMAGE_TOKENS = 896, 256
"""Of Gemma 3 (its preprocessor_config.json and config.json)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    folder = parser.parse_args().tokenizer
    template = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["chat_template"]
    store(REAL, processor(folder, template, IMAGE_SIZE, IMAGE_TOKENS))
    vision = MULTIMODAL.vision
    assert vision is not None
    with tempfile.TemporaryDirectory() as tiny:
        write_tokenizer(Path(tiny))
        store(TINY, processor(Path(tiny), template, vision.image_size, vision.image_tokens))


def processor(folder: Path, template: str, side: int, image_tokens: int) -> Any:
    """Gemma 3's, with the tokenizer of a folder."""
    return Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": side, "width": side}),
        tokenizer=AutoTokenizer.from_pretrained(folder),
        chat_template=template,
        image_seq_length=image_tokens,
    )


def store(path: Path, processor: Any) -> None:
    made_with = {
        **{package: version(package) for package in ("transformers", "tokenizers")},
        "image_processor": type(processor.image_processor).__name__,
        "template_sha256": hashlib.sha256(processor.chat_template.encode()).hexdigest(),
    }
    found = {name: ids(processor, conversation) for name, conversation in CONVERSATIONS.items()}
    lines = ",\n".join(f"{_json(name)}: {_json(rows)}" for name, rows in found.items())
    path.write_text(f'{{"made_with": {_json(made_with)},\n"ids": {{\n{lines}\n}}}}\n', "utf-8")
    print(f"{path.name}: {len(found)} conversations, {path.stat().st_size:,} bytes")


def ids(processor: Any, conversation: Conversation) -> list[Any]:
    """The prompt's ids; soft tokens of an image are counted, not listed."""
    messages = [filled(m) for m in conversation.alternating or conversation.messages]
    (found,) = processor.apply_chat_template(
        messages,
        tokenize=True,
        add_generation_prompt=not conversation.is_prefilled,
        continue_final_message=conversation.is_prefilled,
    )
    (soft,) = processor.image_token_ids
    rows: list[Any] = []
    for token, run in groupby(found):
        count = len(list(run))
        rows += [["image", count]] if token == soft else [token] * count
    return rows


def filled(message: Message) -> Message:
    """The message with a black picture in each of its places."""
    if isinstance(message["content"], str):
        # transformers takes an empty text for no content at all, on which the template fails.
        return message if message["content"] else {**message, "content": [EMPTY]}
    picture = {**IMAGE, "image": Image.new("RGB", (8, 8))}
    parts = [picture if part == IMAGE else part for part in message["content"]]
    return {**message, "content": parts}


EMPTY = {"type": "text", "text": ""}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main()
