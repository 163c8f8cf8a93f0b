"""Store how Hugging Face splits real texts with Gemma 3's tokenizer, in tests/golden.

python -m scripts.make_golden_tokenizations TOKENIZER.JSON TOKENIZER.MODEL

Needs the [golden] extra, and pip to fetch the packages that scripts/real_strings.py names. The ids
are those of tokenizer.json, which transformers reads where there is one. Two more ways to them,
through tokenizer.model, are held against it; docs/evidence/tokenization.md says where
they differ, and why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import sentencepiece
import tokenizers
from transformers import GemmaTokenizer

from devtools.golden.tokenizations import NOTICES, PATH, SPECIAL, Tokenization
from scripts.real_strings import SOURCES, gather, notices
from scripts.special_strings import special_strings

Tokenize = Callable[[list[str]], list[list[int]]]

MAY_DIFFER = {
    "transformers, tokenizer.json": "(?!)",
    # It sorts the merges of a tokenizer.model in another way than those of the tokenizer.json.
    "transformers, tokenizer.model": "[ \u2581]{32,}",
    # tokenizer.json knows a run of U+2581 before spaces become U+2581; SentencePiece, after.
    "sentencepiece, tokenizer.model": "\u2581{2,} ",
}
"""Other ways to the ids, and the only texts in which each may lead to others."""

CONTROL = re.compile("<unused.*>|<mask>")
"""Control tokens that tokenizer.json doesn't call special; converters/vocabulary.py has more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer_json", type=Path)
    parser.add_argument("tokenizer_model", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = list(dict.fromkeys(gather(Path(temporary))))
        NOTICES.write_text(notices(Path(temporary)), "utf-8")
    rows += [(SPECIAL, "", text) for text in special_strings()]
    texts = [text for _, _, text in rows]
    ids = with_tokenizers(options.tokenizer_json)(texts)
    refuse_control_tokens(options.tokenizer_json, ids)
    agreement = compare(options.tokenizer_json, options.tokenizer_model, texts, ids)
    about = about_file(options.tokenizer_json, options.tokenizer_model, agreement)
    lines = [[*row, found] for row, found in zip(rows, ids, strict=True)]
    store([about, *lines])
    print(agreement, Counter(kind for kind, _, _ in rows), f"{PATH.stat().st_size:,} bytes")


def compare(json_file: Path, model_file: Path, texts: list[str], ids: list[list[int]]) -> object:
    """How many texts each other way splits alike, and the texts that it doesn't.

    Raises:
        ValueError: a way differs where it shouldn't.
    """
    ways = {
        "transformers, tokenizer.json": with_transformers(json_file),
        "transformers, tokenizer.model": with_transformers(model_file),
        "sentencepiece, tokenizer.model": with_sentencepiece(model_file),
    }
    found = {}
    for name, way in ways.items():
        pairs = zip(texts, ids, way(texts), strict=True)
        other = [text for text, expected, got in pairs if expected != got]
        if wrong := [text for text in other if not re.search(MAY_DIFFER[name], text)]:
            raise ValueError(f"{name} differs from tokenizer.json: {wrong}")
        found[name] = {"alike": len(texts) - len(other), "other": other}
    return found


def with_tokenizers(tokenizer_json: Path) -> Tokenize:
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    return lambda texts: [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]


def with_transformers(file: Path) -> Tokenize:
    """What transformers makes of this file alone."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(file, folder)
        tokenizer = GemmaTokenizer.from_pretrained(folder)
    return lambda texts: tokenizer(texts, add_special_tokens=False)["input_ids"]


def with_sentencepiece(tokenizer_model: Path) -> Tokenize:
    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_model)).encode


def refuse_control_tokens(tokenizer_json: Path, ids: list[list[int]]) -> None:
    added = json.loads(tokenizer_json.read_text("utf-8"))["added_tokens"]
    control = {t["id"] for t in added if t["special"] or CONTROL.fullmatch(t["content"])}
    if any(control.intersection(found) for found in ids):
        raise ValueError("a text holds a control token")


def about_file(tokenizer_json: Path, tokenizer_model: Path, agreement: object) -> object:
    tools = {name: version(name) for name in ("tokenizers", "transformers", "sentencepiece")}
    hashes = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (tokenizer_json, tokenizer_model)
    }
    return {
        "made_with": tools | hashes,
        "sources": {name: f"{s.version}, {s.licence}" for name, s in SOURCES.items()},
        "notices": NOTICES.name,
        "columns": list(Tokenization.__slots__),
        "agreement": agreement,
    }


def store(rows: list[object]) -> None:
    """One JSON text a line; splitting at line feeds alone keeps U+2028 and the like inside."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    PATH.write_bytes("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
