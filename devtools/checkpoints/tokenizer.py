"""A tokenizer of Gemma's kind, of a few hundred tokens: tokenizer.model and .json agree."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_med.demo.sentencepiece_model import sentencepiece_model

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, _, BYTE = range(1, 7)
MERGES = 300

CORPUS = """
the patient has a cough and a fever since three days the chest x ray shows an opacity in the right
lower lobe the heart is not enlarged there is no effusion and no pneumothorax what is the most
likely finding describe the image in one sentence the left lung is clear the answer is pneumonia
胸部 X 光片 显示 右 下 肺 有 阴影 心脏 不 大 الصدر الأيمن لا يوجد انصباب
0 1 2 3 4 5 6 7 8 9 . , : ; ? ! ( ) [ ] { } " ' - / %
"""

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Token:
    """One token, as SentencePiece and GGUF have it."""

    text: str
    score: float
    type: int


@dataclass(frozen=True)
class Tokenizer:
    """The tokens in order of their ids, and those of them that were added."""

    tokens: tuple[Token, ...]
    added: dict[int, tuple[str, bool]]

    def id(self, text: str) -> int:
        return next(n for n, token in enumerate(self.tokens) if token.text == text)


@cache
def tiny_tokenizer() -> Tokenizer:
    """That of the tiny checkpoints."""
    return gemma_tokenizer([SPACE + word for word in CORPUS.split()], MERGES)


def gemma_tokenizer(words: list[str], merges: int) -> Tokenizer:
    """As Gemma 3's: specials, runs of breaks and spaces, bytes, merges, characters, tabs.

    Args:
        words: what byte pairs are counted in, with their leading spaces.
        merges: tokens that are made of pairs, at most.
    """
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    unused = ["<mask>", "[multimodal]", *(f"<unused{n}>" for n in range(100))]
    turns = ["<start_of_turn>", "<end_of_turn>"]
    runs = (
        ["\n" * n for n in range(1, 8)]
        + [SPACE * n for n in range(2, 8)]
        + ["<table>", "</table>", "</s>"]
    )
    tabs = ["\t" * n for n in range(1, 4)]
    images = ["<start_of_image>", "<end_of_image>"]
    merged, characters = _byte_pairs(words, merges)
    head = [Token(t, 0.0, _kind(t)) for t in special + unused + turns + runs]
    middle = [Token(f"<0x{n:02X}>", 0.0, BYTE) for n in range(256)]
    step = len(merged) + len(tabs)
    normal = [Token(t, -float(n), NORMAL) for n, t in enumerate(merged)]
    normal += [Token(t, -float(step + n), NORMAL) for n, t in enumerate(characters)]
    tail = [Token(t, 0.0, _kind(t)) for t in tabs + images]
    tokens = (*head, *middle, *normal, *tail)
    plain = {*normal, *middle}
    added = {n: (t.text, t.type != USER_DEFINED) for n, t in enumerate(tokens) if t not in plain}
    added[len(tokens)] = ("<image_soft_token>", True)
    return Tokenizer(tokens, added)


def write_tokenizer(
    folder: Path,
    *,
    model: bool = True,
    template: str | None = TEMPLATE,
    tokenizer: Tokenizer | None = None,
) -> None:
    """Write the tokenizer's files; without `model` only tokenizer.json holds the vocabulary."""
    tokenizer = tokenizer or tiny_tokenizer()
    if model:
        rows = [(token.text, token.score, token.type) for token in tokenizer.tokens]
        (folder / "tokenizer.model").write_bytes(sentencepiece_model(rows))
    _write(folder / "tokenizer.json", _tokenizer_json(tokenizer))
    _write(folder / "tokenizer_config.json", _tokenizer_config(tokenizer, template=template))


def _kind(text: str) -> int:
    if text == "<unk>":
        return UNKNOWN
    control = text in ("<pad>", "<eos>", "<bos>") or "_of_" in text
    return CONTROL if control else USER_DEFINED


def _byte_pairs(texts: list[str], merges: int) -> tuple[list[str], list[str]]:
    """Merged tokens in the order in which byte-pair encoding finds them, and all characters."""
    words = Counter(map(tuple, texts))
    characters = sorted({c for word in words for c in word} | set("abcdefghijklmnopqrstuvwxyz"))
    merged: list[str] = []
    while len(merged) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged.append(left + right)
        words = Counter({_join(word, left, right): count for word, count in words.items()})
    return list(dict.fromkeys(merged)), characters


def _join(word: tuple[str, ...], left: str, right: str) -> tuple[str, ...]:
    out: list[str] = []
    for part in word:
        if out and out[-1] == left and part == right:
            out[-1] = left + right
        else:
            out.append(part)
    return tuple(out)


def _tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    vocab = {token.text: n for n, token in enumerate(tokenizer.tokens)}
    normal = [t.text for t in tokenizer.tokens if t.type == NORMAL]
    merges = [
        (text[:cut], text[cut:])
        for text in normal
        for cut in range(1, len(text))
        if text[:cut] in vocab and text[cut:] in vocab
    ]
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    first, second = ({"Sequence": {"id": n, "type_id": k}} for n, k in (("A", 0), ("B", 1)))
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": n,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": special,
            }
            for n, (text, special) in tokenizer.added.items()
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, first],
            "pair": [bos, first, bos, second],
            "special_tokens": {
                "<bos>": {"id": "<bos>", "ids": [vocab["<bos>"]], "tokens": ["<bos>"]}
            },
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": merges,
        },
    }


def _tokenizer_config(tokenizer: Tokenizer, *, template: str | None) -> dict[str, Any]:
    decoder = {str(n): {"content": t, "special": s} for n, (t, s) in tokenizer.added.items()}
    image = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": decoder,
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        **image,
        "extra_special_tokens": image,  # where transformers 4.50 looks for them
        "tokenizer_class": "GemmaTokenizer",
        **({"chat_template": template} if template else {}),
    }


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")
