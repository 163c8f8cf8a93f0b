"""Micro's shape, tokenizer and files: a Hugging Face folder like MedGemma's, of 11 MB."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from devtools.checkpoints.tiny import VISION_PREFIX, Text, Tiny, Vision, config, preprocessor
from devtools.checkpoints.tokenizer import SPACE, Tokenizer, gemma_tokenizer, write_tokenizer
from devtools.micro.questions import FACTS, KINDS, ROLES, ask
from edge_med.demo.phantom import SIDE, phantom
from edge_med.engine.decode.thinking import INSTRUCTION, LABEL
from edge_med.imaging.box_answers import locate_prompt

MERGES = 620
VOCABULARY = 1088
"""Rows of the embedding; a multiple of 64, with a few to spare."""

SHAPE = Tiny(
    text=Text(
        layers=7,  # the sixth has global attention, and one layer can use what it brings
        hidden=256,
        feed_forward=256,
        heads=4,
        key_value_heads=1,
        head_size=64,
        window=64,
        context=4096,
        vocabulary=VOCABULARY,
    ),
    vision=Vision(
        layers=5,
        hidden=192,
        feed_forward=768,
        heads=6,
        image_size=SIDE,
        patch_size=28,  # a quarter of the work of 14, and still finer than what is to be found
        image_tokens=16,
    ),
)
"""5.5 million parameters; rows are multiples of 256 where K-quants need it."""

TEMPLATE = """{{ bos_token }}
{%- set first = messages[0] -%}
{%- if first.role == 'system' -%}
{%- set system = (first.content if first.content is string else first.content[0].text) + '\n\n' -%}
{%- set turns = messages[1:] -%}
{%- else -%}
{%- set system = '' -%}
{%- set turns = messages -%}
{%- endif -%}
{%- for turn in turns -%}
{{ '<start_of_turn>' + ('model' if turn.role == 'assistant' else turn.role) + '\n' }}
{%- if loop.first -%}{{ system }}{%- endif -%}
{%- if turn.content is string -%}
{{ turn.content | trim }}
{%- else -%}
{%- for part in turn.content -%}
{{ '<start_of_image>' if part.type == 'image' else part.text | trim }}
{%- endfor -%}
{%- endif -%}
{{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
"""
"""Writes what Gemma 3's template does."""


def tokenizer() -> Tokenizer:
    """Whole words of what micro reads and writes, and bytes for everything else."""
    # Digits stay single, as in Gemma; what stands before a line's first word is no space.
    piece = re.compile(r", (?=\d)| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\d")
    words = [found.replace(" ", SPACE) for text in corpus() for found in piece.findall(text)]
    return gemma_tokenizer(words, MERGES)


def corpus() -> list[str]:
    """Everything that is said, in the shares in which it is roughly said."""
    lot = np.random.default_rng(0)
    texts = [*ROLES, f"{INSTRUCTION} {LABEL}", "user\n", "model\n", locate_prompt("heart")]
    texts += [text for wordings, answer in FACTS for text in (*wordings, answer)]
    for seed in range(60):
        drawn = phantom(seed)
        for kind in KINDS:
            question = ask(kind, drawn, lot)
            texts += [question.text, question.answer, question.thought or ""]
    return texts


def configuration(names: Tokenizer) -> dict[str, Any]:
    """The config.json, in MedGemma's form."""
    places = {
        "boi_token_index": names.id("<start_of_image>"),
        "eoi_token_index": names.id("<end_of_image>"),
        "image_token_index": len(names.tokens),
    }
    return config(SHAPE) | places | {"torch_dtype": "bfloat16"}


def give_published_names(path: Path) -> None:
    """Call the vision tower's tensors as Google's files do, in a file saved by transformers 5.

    It saves a model that was made from its config under the names that it has in memory, which
    transformers 4 doesn't know. Order and bytes of the tensors stay.
    """
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    short, long = VISION_PREFIX["transformers5"], VISION_PREFIX["old"]
    named = {
        long + name.removeprefix(short) if name.startswith(short) and long not in name else name: at
        for name, at in header.items()
    }
    raw = json.dumps(named, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data[8 + length :])


def write_files(folder: Path) -> None:
    """Everything but the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    names = tokenizer()
    assert len(names.tokens) < VOCABULARY, len(names.tokens)
    write_tokenizer(folder, tokenizer=names, template=TEMPLATE)
    files = {
        "config.json": configuration(names),
        "preprocessor_config.json": preprocessor(SHAPE.vision) if SHAPE.vision else {},
        "generation_config.json": {
            "do_sample": False,
            "eos_token_id": [names.id("<eos>"), names.id("<end_of_turn>")],
            "bos_token_id": names.id("<bos>"),
            "pad_token_id": names.id("<pad>"),
        },
        "processor_config.json": {"image_seq_length": 16, "processor_class": "Gemma3Processor"},
        "chat_template.json": {"chat_template": TEMPLATE},  # of processors, as Google has it
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
