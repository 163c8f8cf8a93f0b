"""What a tokenizer's files say twice, or of another model than the weights: reported or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from converters.checkpoint import Checkpoint
from converters.findings import listed
from converters.sentencepiece import UNUSED
from converters.vocabulary import PADDING_SCORE, SPACE, Vocabulary
from edge_med.artifacts.json_section import short
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError

_FEW = 0.01
"""So many tokens may have another name or no row; beyond, it is another model's vocabulary."""

_ROUNDED = 256
"""Rows are rounded up to a multiple of this at the most, as trainers do it by themselves; Gemma 3
has 262,145 tokens in 262,208 rows, a multiple of 64."""

_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_SPLIT = {
    "type": "Split",
    "pattern": {"String": " "},
    "behavior": "MergedWithPrevious",
    "invert": False,
}
_META = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": False}
_GEMMAS = (_SPACES, _SPLIT, _META)
"""Steps before the merges that change nothing but spaces, as Gemma's tokenizer.json has them."""

_INSIDE = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}


def tokenizer_warnings(checkpoint: Checkpoint, vocabulary: Vocabulary) -> tuple[Finding, ...]:
    """Where the tokenizer's files contradict each other, the model's rows, or Gemma's way.

    Raises:
        CheckpointError: they are two models'.
    """
    return (
        *_rows(vocabulary),
        *_names(checkpoint, vocabulary),
        *_added(checkpoint, vocabulary),
        *_steps(checkpoint.json("tokenizer.json")),
    )


def _rows(vocabulary: Vocabulary) -> Iterable[Finding]:
    """Tokens without a row, and rows without a token."""
    size, beyond = len(vocabulary), vocabulary.beyond
    if beyond:
        some = listed([f"{n}: {short(text)}" for n, text in sorted(beyond.items())])
        text = f"The tokenizer has tokens beyond the model's vocabulary of {size}: {some}."
        if len(beyond) > size * _FEW:
            raise CheckpointError(
                text,
                "It is another model's: take the one that the model was trained with, or give "
                "--base its own base model.",
            )
        yield Finding(
            "tokens", text + " They are left out: in a text they are read letter by letter."
        )
    kinds = zip(vocabulary.types, vocabulary.scores, strict=True)
    empty = sum(1 for kind in kinds if kind == (UNUSED, PADDING_SCORE))
    if empty > max(_ROUNDED, size * _FEW):
        text = f"The tokenizer has no token for {empty} of the model's {size} rows: is it its own?"
        yield Finding("tokens", text)


def _names(checkpoint: Checkpoint, vocabulary: Vocabulary) -> Iterable[Finding]:
    """Whether tokenizer.json has other tokens than the vocabulary."""
    theirs = _of_tokenizer_json(checkpoint)
    differ = [
        (token_id, token)
        for token_id, token in enumerate(vocabulary.tokens if theirs else ())
        if _plain(theirs.get(token_id, "")) != _plain(token)
        and (token_id in theirs or vocabulary.types[token_id] != UNUSED)
    ]
    if not differ:
        return
    at, token = differ[0]
    places = ("tokenizer.model",), ("added_tokens.json", "tokenizer_config.json")
    there = ([n for n in names if checkpoint.small.path(n).is_file()] for names in places)
    text = (
        f"{listed(next(filter(None, there), []))} and tokenizer.json differ in {len(differ)} of "
        f"{len(vocabulary)} tokens, such as {at}: {short(token)} and {short(theirs.get(at))}."
    )
    if len(differ) > len(vocabulary) * _FEW:
        raise CheckpointError(text, "Remove the file that isn't this model's.")
    yield Finding("tokenizers", text + " The first counts; transformers takes the second.")


def _of_tokenizer_json(checkpoint: Checkpoint) -> dict[int, str]:
    """Tokens by their ids, as far as the file says them plainly."""
    data = checkpoint.json("tokenizer.json")
    inner, added = data.get("model"), data.get("added_tokens")
    vocab = inner.get("vocab") if isinstance(inner, dict) else None
    found = [(n, text) for text, n in vocab.items()] if isinstance(vocab, dict) else []
    if found and isinstance(added, list):
        entries = [entry for entry in added if isinstance(entry, dict)]
        found += [(entry.get("id"), entry.get("content")) for entry in entries]
    return {n: text for n, text in found if type(n) is int and isinstance(text, str)}


def _added(checkpoint: Checkpoint, vocabulary: Vocabulary) -> Iterable[Finding]:
    """Names in added_tokens.json that another file has put aside."""
    theirs = {int(n): text for text, n in checkpoint.json("added_tokens.json").items()}
    differ = [
        f"{n} {short(text)} and {short(vocabulary.tokens[n])}"
        for n, text in theirs.items()
        if n < len(vocabulary) and _plain(text) != _plain(vocabulary.tokens[n])
    ]
    if differ:
        text = f"added_tokens.json and the tokenizer's other files call {listed(differ)}: "
        yield Finding("tokenizers", text + "the latter count.")


def _steps(tokenizer: Mapping[str, Any]) -> Iterable[Finding]:
    """Steps of tokenizer.json that change a text before it is split, which no GGUF can hold."""
    if not tokenizer:
        return
    steps = [step for key in _INSIDE for step in _flat(tokenizer.get(key), _INSIDE[key])]
    other = [short(step.get("type") if isinstance(step, dict) else step) for step in steps]
    other = [name for name, step in zip(other, steps, strict=True) if step not in _GEMMAS]
    if other or not any(step in (_SPACES, _META) for step in steps):
        what = f"has the steps {listed(other)}" if other else "doesn't replace spaces"
        text = f"tokenizer.json {what}, unlike Gemma's. Texts are split as Gemma's tokenizer does."
        yield Finding("tokenizer_steps", text)


def _flat(step: Any, inside: str) -> list[Any]:
    """The steps of a sequence, or the one that there is."""
    if isinstance(step, dict) and step.get("type") == "Sequence":
        found = step.get(inside)
        return found if isinstance(found, list) else [found]
    return [] if step is None else [step]


def _plain(text: str) -> str:
    return text.replace(SPACE, " ")
