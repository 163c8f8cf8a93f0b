"""The tokenizer and the chat template that an adapter brings, where they aren't the base's.

TRL, unsloth and others save both with the adapter. They count where they say something else: a
model that was trained with tokens of its own, or with other turns, must be asked with these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from converters.checkpoint import Checkpoint
from converters.findings import listed
from converters.lora.adapter_files import blamed, folder_with
from converters.metadata import special_ids
from converters.small_files import TOKENIZER, SmallFiles, chat_template
from converters.vocabulary import read_vocabulary
from edge_med.artifacts.adapters.find_folder import folders
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter
from edge_med.artifacts.file_names import called
from edge_med.artifacts.json_section import short
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError

_OTHER = 0.01
"""So many tokens may be others; beyond, it is the tokenizer of another model."""

_MARKS = ("bos", "eos", "pad")

TokenTable = dict[int | str, str]
"""What a tokenizer says: tokens by their ids, and those that mark begin, end and padding."""


def with_tokenizer(
    checkpoint: Checkpoint, adapters: Sequence[OpenedAdapter], size: int
) -> tuple[Checkpoint, tuple[Finding, ...]]:
    """A checkpoint with the tokenizer and the template of the adapters that have their own.

    Each is compared with the base: a plain copy of what the base has takes nothing away.

    Args:
        checkpoint: the base.
        adapters: adapters in their order.
        size: size of the vocabulary, in tokens.

    Raises:
        CheckpointError: a tokenizer is damaged, another model's, or contradicts another adapter's.
    """
    base = checkpoint.small
    small, warnings = _with_tokens(checkpoint, [adapter.folder for adapter in adapters], size)
    own = [one for adapter in adapters if (one := _own_template(base, adapter.folder))]
    if own:
        small = dataclasses.replace(small, template=own[-1][1])
        warnings.append(_template_taken(own))
    return dataclasses.replace(checkpoint, small=small), tuple(warnings)


def unnamed_warnings(adapters: Sequence[OpenedAdapter], more: int) -> list[Finding]:
    """That nobody says what the tokens are called that adapters have more of than the base."""
    text = (
        "{} has {} tokens more than the base, and no tokenizer: they have no names, and no text is "
        "read as one of them. Copy tokenizer.json and tokenizer_config.json into its folder."
    )
    return [
        Finding("adapter_tokenizer", text.format(adapter.name, more))
        for adapter in adapters
        if folder_with(adapter.folder, TOKENIZER.one_of) is None
    ]


def _with_tokens(
    checkpoint: Checkpoint, given: Sequence[Path], size: int
) -> tuple[SmallFiles, list[Finding]]:
    """The small files with the tokenizer that says all that the adapters' say."""
    places = dict.fromkeys(where for one in given if (where := folder_with(one, TOKENIZER.one_of)))
    base = _token_table(checkpoint, size) if places else TokenTable()
    taken, table, whose, warnings = checkpoint.small, TokenTable(), "", list[Finding]()
    for where in places:
        name, files = called(where), _with_files(checkpoint.small, where)
        with blamed("The tokenizer", where):
            theirs = _token_table(dataclasses.replace(checkpoint, small=files), size)
        other = {key: text for key, text in theirs.items() if base.get(key) != text}
        if not other:
            continue
        _refuse_another(name, other, size)
        warnings.append(
            Finding("adapter_tokenizer", f"{name} has a tokenizer with {_words(other, size)}.")
        )
        if table.items() <= other.items():
            taken, table, whose = files, other, name
        elif not other.items() <= table.items():
            _refuse_both(whose, table, name, other)
    return taken, warnings


def _with_files(base: SmallFiles, where: Path) -> SmallFiles:
    there = {n: ("adapter", where / n) for n in (*TOKENIZER.one_of, *TOKENIZER.with_it)}
    template = base.template or chat_template(base)
    return SmallFiles(base.folder, {**base.elsewhere, **there}, template)


def _token_table(checkpoint: Checkpoint, size: int) -> TokenTable:
    vocabulary = read_vocabulary(checkpoint, size)
    ids = special_ids(checkpoint, vocabulary)
    marks = {kind: vocabulary.tokens[ids[kind]] for kind in _MARKS if kind in ids}
    table: TokenTable = {**dict(enumerate(vocabulary.tokens))}
    return table | {**marks}


def _words(other: TokenTable, size: int) -> str:
    """What is other in a tokenizer, in words."""
    tokens = [key for key in other if isinstance(key, int)]
    marks = [f"{key} ({short(other[key])})" for key in other if isinstance(key, str)]
    found = [f"another token for {listed(marks)}"] if marks else []
    if tokens:
        first = f"{tokens[0]}: {short(other[tokens[0]])}"
        found.insert(0, f"other {len(tokens)} of {size} tokens, such as {first}")
    return "; and ".join(found)


def _refuse_another(name: str, other: TokenTable, size: int) -> None:
    if sum(isinstance(key, int) for key in other) > size * _OTHER:
        raise CheckpointError(
            f"The tokenizer in {name} isn't the base's, with {_words(other, size)}.",
            "Give the adapter's own base model, or remove the tokenizer from the adapter's folder.",
        )


def _refuse_both(one: str, table: TokenTable, name: str, other: TokenTable) -> None:
    """Refuse two tokenizers, neither of which says all that the other says."""
    key = next(key for key, text in table.items() if other.get(key) != text)
    theirs = short(other[key]) if key in other else "what the base has"
    raise CheckpointError(
        f"The tokenizers in {one} and {name} aren't the base's, and differ: {key} is "
        f"{short(table[key])} in the first, and {theirs} in the second.",
        "Merge one of the two adapters, or copy the tokenizer that has all tokens into both "
        "folders.",
    )


def template_warnings(base: SmallFiles, folder: Path) -> list[Finding]:
    """That an adapter's own chat template counts for nothing where it isn't merged."""
    if chat_template(base) is None or _own_template(base, folder) is None:
        return []
    text = (
        f"{called(folder)} was trained with another chat template than its base's. A model "
        "that it is applied to is asked in its own turns; a merge takes the adapter's template."
    )
    return [Finding("adapter_template", text)]


def _own_template(base: SmallFiles, folder: Path) -> tuple[str, str] | None:
    """Where the chat template of an adapter lies, and the template, if it isn't the base's."""
    found = ((f, one) for f in folders(folder) if (one := chat_template(SmallFiles(f))) is not None)
    where, own = next(found, (folder, None))
    theirs = base.template or chat_template(base)
    if own is None or (theirs is not None and own.strip() == theirs.strip()):
        return None
    return called(where), own


def _template_taken(own: Sequence[tuple[str, str]]) -> Finding:
    """Whose template counts, of adapters that have their own."""
    last, template = own[-1]
    text = f"The chat template is the one in {last}, which isn't the base's."
    if others := [name for name, one in own if one.strip() != template.strip()]:
        text += f" Another one, of {listed(others)}, isn't used."
    return Finding("adapter_template", text)
