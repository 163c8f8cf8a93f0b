"""The adapters that are loaded with a model: their names for calls, and whether they fit it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter, check_fits, read_adapter
from edge_med.artifacts.adapters.gguf_comparison import lacking
from edge_med.artifacts.adapters.peft_folder import refuse_peft
from edge_med.artifacts.gguf import Header
from edge_med.artifacts.gguf_facts import refuse_folder
from edge_med.errors import ArtifactError, UsageError

Wanted = str | Path | Iterable[str | Path] | Mapping[str, str | Path]
"""Adapters as a caller gives them: a file, several, or each by the name that calls shall use."""


@dataclass(frozen=True, slots=True)
class FoundAdapter:
    """An adapter's file, checked against its model.

    Attributes:
        name: name by which calls refer to it.
        path: path of the file.
        sha256: hash of the whole file, which answers have in their provenance.
        lora: facts of its header.
        lacks: sentences on what PEFT's adapter in the same folder has, and this file lacks.
    """

    name: str
    path: Path
    sha256: str
    lora: GgufAdapter
    lacks: tuple[str, ...] = ()


def find_adapters(wanted: Wanted, text: Header) -> tuple[FoundAdapter, ...]:
    """Read the headers of adapters, and compare them with the text model's.

    Args:
        wanted: files, whose names without `.gguf` calls use, or a mapping of names to files.
        text: header of the text model.

    Raises:
        UsageError: two have the same name, or one has none.
        ArtifactError: a file is missing, damaged, or no adapter that can be applied.
        PairingError: an adapter is made for a model of another shape.
    """
    found: dict[str, FoundAdapter] = {}
    for name, path in _named(wanted):
        if not name or name in found:
            raise UsageError(
                f"Two adapters have the name '{name}'." if name else "An adapter has no name.",
                'Give them with names: adapters={"first": "PATH", "second": "PATH"}.',
            )
        refuse_peft(path, wanted="GGUF adapter")
        refuse_folder(path)
        header = read_adapter(path)
        check_fits(header, text)
        found[name] = FoundAdapter(name, path, _sha256(path), header, lacking(path, header))
    return tuple(found.values())


def _named(wanted: Wanted) -> Iterator[tuple[str, Path]]:
    if isinstance(wanted, Mapping):
        yield from ((name, Path(path)) for name, path in wanted.items())
        return
    if not isinstance(wanted, str | PathLike | Iterable):
        raise UsageError(
            "`adapters` isn't a list of files.", 'Give adapters=["PATH"], or leave it out.'
        )
    for path in [wanted] if isinstance(wanted, str | PathLike) else wanted:
        yield Path(path).stem, Path(path)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(
            f"{path.name} can't be read: {error.strerror}.", "Copy it again."
        ) from None
