"""What a GGUF adapter lacks of the PEFT adapter in its folder, by the two headers.

llama.cpp's own converter writes its file into the PEFT folder. It leaves the vision tower out
without a word, and knows neither `use_rslora` nor `alpha_pattern`. Whether it was made of
these very weights is seen by a hash in files of ours, and by some numbers in those of others.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from pathlib import Path

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, open_adapter
from edge_med.artifacts.adapters.peft_folder import CONFIG, WEIGHTS, merge_command
from edge_med.artifacts.adapters.runtime_part import divide
from edge_med.errors import CheckpointError

_CLOSE = 1e-3
"""Scales that differ by less are the same: some were written with few digits."""


def lacking(path: Path, ours: GgufAdapter) -> tuple[str, ...]:
    """Compare a GGUF adapter with the PEFT adapter in the same folder.

    Args:
        path: path of the GGUF file.
        ours: facts of its header.

    Returns:
        Sentences for the user; none if nothing lies there, or what has the same effect.
    """
    folder = _folder(path)
    if folder is None:
        return ()
    try:
        peft = open_adapter(folder)
    except CheckpointError as error:
        return (
            f"The folder of {path.name} has a PEFT adapter that can't be merged: {error.message}",
        )
    if not _made_of(ours, peft):
        other = f"than {peft.name}, which is in the same folder."
        return (f"{path.name} was made of another adapter {other}",)
    found = [
        *_others(path, ours, peft),
        *_missing(path.name, ours, peft),
        *_scales(path.name, ours, peft),
    ]
    if found:
        found.append(f"All of it is merged by: {merge_command(folder)}")
    return (" ".join(found),) if found else ()


def _folder(path: Path) -> Path | None:
    """Where PEFT's files are: around the file, or in a folder with which its name begins."""
    ends = [found.start() for found in re.finditer(r"[-._]|$", path.stem)]
    around = [path.parent, *(path.parent / path.stem[:end] for end in reversed(ends) if end)]
    whole = (f for f in around if all((f / name).is_file() for name in (CONFIG, WEIGHTS)))
    return next(whole, None)


def _made_of(ours: GgufAdapter, peft: OpenedAdapter) -> bool:
    """Whether all pairs of a file are an adapter's, by names and shapes."""
    return all(
        (part := peft.parts.get(name)) is not None
        and part.down is not None
        and part.up is not None
        and (pair.a.shape, pair.b.shape) == (part.down.tensor.shape, part.up.tensor.shape)
        for name, pair in ours.pairs.items()
    )


def _others(path: Path, ours: GgufAdapter, peft: OpenedAdapter) -> Iterator[str]:
    """Weights that were trained again, or copied over, since the file was made."""
    from edge_med.artifacts.adapters.first_numbers import of_one_training

    if ours.made_of:
        same = ours.made_of == _sha256(peft.shard.path)
    else:
        ups = ((pair.b, peft.parts[name].up) for name, pair in ours.pairs.items())
        same = of_one_training(path, [(b, up) for b, up in ups if up])
    if not same:
        yield f"{path.name} was made of other weights than those of {peft.name} in the same folder."


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing(file: str, ours: GgufAdapter, peft: OpenedAdapter) -> Iterator[str]:
    possible = divide(peft, tied=False).tensors
    missing = [name for name in peft.parts if name not in ours.pairs or name not in possible]
    if not missing:
        return
    tensors = names.counted(missing)
    yield f"{file} lacks changes of {peft.name}, the adapter in the same folder: {tensors}."
    if names.HEAD in missing or names.EMBEDDING in missing:
        yield "Embedding or output head were trained, too: answers about texts differ without."


def _scales(file: str, ours: GgufAdapter, peft: OpenedAdapter) -> Iterator[str]:
    """Pairs that llama.cpp multiplies otherwise than PEFT did; our own files have it in B."""
    if ours.scaled:
        return
    ratios = [peft.parts[name].scale * p.rank / ours.alpha for name, p in ours.pairs.items()]
    wrong = [ratio for ratio in ratios if not math.isclose(ratio, 1, rel_tol=_CLOSE)]
    if not wrong:
        return
    settings = peft.settings
    if not math.isclose(ours.alpha, settings.alpha, rel_tol=_CLOSE):
        yield (
            f"{file} has an alpha of {ours.alpha:g}, and the {CONFIG} in its folder one of "
            f"{settings.alpha:g}: one of the two is of another training."
        )
        return
    forgotten = "use_rslora" if settings.rslora else "alpha_pattern"
    low, high = min(ratios), max(ratios)
    if math.isclose(low, high, rel_tol=_CLOSE):
        yield (
            f"{file} doesn't know of {forgotten}: with a scale of {low:.4g} it has the effect that "
            "it was trained for."
        )
    else:
        yield (
            f"{file} doesn't know of {forgotten}: {len(wrong)} of its {len(ours.pairs)} pairs are "
            f"applied too weakly or strongly, and no scale is right for all of them."
        )
