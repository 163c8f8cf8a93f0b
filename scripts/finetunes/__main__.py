"""Merge adapters of every kind, and hold the result against PEFT and transformers.

python -m scripts.finetunes [KIND …] [--keep FOLDER]

Each adapter is made with the PEFT that is installed. Two things are compared: the BF16 numbers of
`edge-med convert BASE --adapter …` with those of PEFT's `merge_and_unload`, and what three
conversions of it think along the answers of transformers in float32, text and pictures, by the tie
rule. Ends with 1 if a bar is missed. Needs the [golden] extra and peft.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import peft
import torch
import transformers

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.tie_rule import MEAN_KL, together
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.file_names import projector_file, text_file
from edge_med.errors import EdgeMedError
from scripts.finetunes import trained
from scripts.finetunes.answers import Files, agreement, opened, run
from scripts.finetunes.kinds import KINDS, Kind

QUANTS = ("F32", "F16", "BF16")

NOTICED = 1e-2
"""Nats that an adapter must move the answers by, so that its lack would be noticed."""

SHARE = 1e-4
"""Of the numbers of changed tensors that may differ, each by one step of BF16."""


@dataclass(frozen=True)
class Told:
    """What came of a kind: a cell for each column, and whether the bars are kept."""

    cells: tuple[str, ...]
    good: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND")
    parser.add_argument("--keep", type=Path, help="leave adapters and files here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}, PEFT {peft.__version__}")
    print(f"| adapter | numbers that differ | beside | moved | {' | '.join(QUANTS)} |")
    with tempfile.TemporaryDirectory() as made:
        good = try_all(options.kinds or list(KINDS), options.keep or Path(made))
    sys.exit(not good)


def try_all(kinds: list[str], place: Path) -> bool:
    """Try kinds, those that this PEFT has, and print a line for each."""
    bases = {"micro": trained.MICRO, "text": trained.write_text_model(place / "text")}
    good = True
    for number, (name, kind) in enumerate(KINDS.items()):
        if name not in kinds or kind.since > trained.version_of(peft):
            continue
        told = try_out(kind, bases, place / f"{number:02}")
        good = good and told.good
        print(f"| {name} | {' | '.join(told.cells)} |{'' if told.good else ' missed'}", flush=True)
    return good


def try_out(kind: Kind, bases: Mapping[str, Path], place: Path) -> Told:
    """Make an adapter and merge it twice, by PEFT and by us."""
    place.mkdir()
    like = bases[kind.trained]
    folders = [
        trained.make(kind, settings, like, place / f"adapter-{number}", number)
        for number, settings in enumerate((kind.settings, *kind.then))
    ]
    try:
        ours = {q: converted(kind, bases[kind.into], folders, place / q, q) for q in QUANTS}
    except EdgeMedError as error:
        refused = bool(kind.refused) and kind.refused in str(error)
        return Told((f"refused: {error} {error.hint}",), refused)
    plain = trained.load(like, torch.float32, parted=True, rows=kind.rows)
    if trained.merges(kind):
        theirs = trained.merged(kind, like, folders).state_dict()
        numbers, close = held_numbers(kind, ours["F32"], theirs, plain.state_dict())
    else:
        numbers, close = "PEFT merges otherwise than it trains", True
    answers, agreed = held_answers(kind, ours, trained.trained(kind, like, folders), plain)
    beside = "as trained" if trained.unmerged(kind) else "merged"
    return Told((numbers, beside, *answers), close and agreed and not kind.refused)


def converted(kind: Kind, base: Path, folders: list[Path], out: Path, quant: str) -> Files:
    """The base with its adapters, by us."""
    adapters = tuple((folder, kind.strength) for folder in folders)
    convert(
        ConversionRequest(
            source=base, folder=out, quants=(quant,), mmproj=quant, name="x", adapters=adapters
        )
    )
    projector = out / projector_file("x", quant)
    return out / text_file("x", quant), projector if projector.exists() else None


def held_answers(
    kind: Kind, ours: Mapping[str, Files], model: Any, base: Any
) -> tuple[tuple[str, ...], bool]:
    """Compare what our files think with the reference: cells, and whether the bars are kept."""
    asked = trained.TEXTS + (trained.SHOWN if kind.trained == "micro" else ())
    token = None if kind.rows is None else kind.rows - 1
    with contextlib.ExitStack() as stack:
        engines = {quant: stack.enter_context(opened(ours[quant])) for quant in QUANTS}
        runs = [run(model, base, engines["F32"], one, token) for one in asked]
        found = [together([agreement(engines[quant], r) for r in runs]) for quant in QUANTS]
    moved = float(np.mean([r.moved for r in runs]))
    cells = tuple(f"{a.wrong} of {a.positions}, {a.mean_kl:.1e}" for a in found)
    good = moved > NOTICED and all(a.wrong == 0 and a.mean_kl <= MEAN_KL for a in found)
    return (f"{moved:.2g}", *cells), good


def held_numbers(
    kind: Kind, files: Files, theirs: Mapping[str, Any], plain: Mapping[str, Any]
) -> tuple[str, bool]:
    """Compare the numbers of all tensors with PEFT's, and count those that differ where it merged.

    Args:
        kind: of the adapter.
        files: ours, in F32.
        theirs: every tensor, by transformers' names.
        plain: the same before anything was merged.
    """
    written = {
        tensor.name: np.array(tensor.data).reshape(-1)
        for path in files
        if path
        for tensor in gguf.GGUFReader(path).tensors
    }
    different = total = largest = 0
    for name, values in theirs.items():
        target = names.target(name, tied=False).name
        wanted = values.float().reshape(-1).numpy()
        ours = written[target if target in written else "token_embd.weight"]
        wanted = wanted.astype(ours.dtype)  # the projector's matrix is always F16
        if names.NORM_PLUS_ONE.search(target):
            ours = wanted if np.array_equal(ours, wanted + np.float32(1)) else ours - 1
        before = plain[name].float().reshape(-1).numpy()
        steps = np.abs(_steps(ours) - _steps(wanted))
        different, largest = different + int((steps > 0).sum()), max(largest, int(steps.max()))
        total += 0 if np.array_equal(before, wanted) else wanted.size
    few = different == 0 if kind.whole else different < SHARE * total and largest <= 1
    return f"{different} of {total}" + (f", by {largest}" if different else ""), few


def _steps(values: Any) -> Any:
    """BF16 numbers as whole ones, in their order."""
    words = (values.astype(np.float32).view(np.uint32).astype(np.int64) + 0x8000) >> 16
    return np.where(words >= 0x8000, 0x8000 - words, words)


if __name__ == "__main__":
    main()
