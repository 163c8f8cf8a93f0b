"""Convert a checkpoint with edge-med and with llama.cpp's own tools, and compare the files.

python -m scripts.compare_with_llama_cpp CHECKPOINT [--quant TYPE]… [--mmproj TYPE]… [--keep FOLDER]

Prints two tables: what was compared, and which metadata differs and why. Ends with exit code 1 if
anything else differs. The order of tensors isn't compared: ours is that of the checkpoint.

Needs the [golden] extra and scripts/build_reference_tools.sh.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from converters.conversion_plan import make_plan
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.golden.manifests import OURS, SOMETIMES, hashed_tensors, short_metadata
from devtools.reference import reference_files, require_tools
from edge_med.artifacts.file_names import PROJECTOR_TYPES, QUANTS
from edge_med.artifacts.gguf import Header, read_header
from edge_med.artifacts.safe_text import safe_line

REASONS = OURS | SOMETIMES
MISSING = "not there"
LONGEST = 60
"""Letters of a value that are printed; a model's notice has two hundred."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A tensor or a key, and what each of the two files says of it."""

    name: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two files, one by edge-med and one by llama.cpp's tools.

    Attributes:
        file: the quantization, or `mmproj-TYPE`.
        tensors: how many names there are in either file.
        bytes: of our tensors.
        keys: how many there are in either file.
        different_tensors: whose name, type, shape or bytes differ.
        different_keys: whose type or value differs.
    """

    file: str
    tensors: int
    bytes: int
    keys: int
    different_tensors: tuple[Difference, ...]
    different_keys: tuple[Difference, ...]

    def unexplained(self) -> Iterator[Difference]:
        """What differs without a reason that is listed."""
        yield from self.different_tensors
        yield from (key for key in self.different_keys if key.name not in REASONS)


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--quant",
    "quants",
    multiple=True,
    default=QUANTS,
    type=click.Choice(QUANTS, case_sensitive=False),
    help="May be given several times; by default all.",
)
@click.option(
    "--mmproj",
    "projectors",
    multiple=True,
    default=PROJECTOR_TYPES,
    type=click.Choice(PROJECTOR_TYPES, case_sensitive=False),
    help="May be given several times; by default all, if the model has a projector.",
)
@click.option(
    "--keep",
    "kept",
    type=click.Path(file_okay=False, path_type=Path),
    help="Convert into this folder and leave the files there.",
)
def main(
    checkpoint: Path, quants: tuple[str, ...], projectors: tuple[str, ...], kept: Path | None
) -> None:
    """Compare what edge-med and llama.cpp's own tools make of a Hugging Face CHECKPOINT."""
    require_tools()
    with contextlib.ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        comparisons = list(run(checkpoint, folder, quants, projectors))
    report(comparisons)
    sys.exit(int(any(list(found.unexplained()) for found in comparisons)))


def run(
    checkpoint: Path, folder: Path, quants: tuple[str, ...], projectors: tuple[str, ...]
) -> Iterator[Comparison]:
    """Convert a checkpoint both ways, and compare the files one by one."""
    plan = make_plan(ConversionRequest(source=checkpoint, folder=folder, quants=quants))
    types = {tensor.type.name for shard in plan.checkpoint.shards for tensor in shard.tensors}
    wanted = projectors if plan.params.vision else ()
    ours = our_files(checkpoint, folder / "edge-med", quants, wanted)
    theirs = reference_files(
        checkpoint, folder / "llama.cpp", quants, wanted, bf16_source=types == {"BF16"}
    )
    for file, path in ours.items():
        yield compare(file, path, theirs[file])


def our_files(
    checkpoint: Path, folder: Path, quants: tuple[str, ...], mmproj: tuple[str, ...]
) -> dict[str, Path]:
    """Convert with edge-med: by quantization, and `mmproj-TYPE`.

    All types of the text model are made in one run. A run makes one type of projector, so that
    every further one takes a run of its own, with the last type of the text model.
    """
    made: dict[str, Path] = {}
    for kind in mmproj or PROJECTOR_TYPES[:1]:
        wanted = quants[-1:] if made else quants
        done = convert(
            ConversionRequest(source=checkpoint, folder=folder / kind, quants=wanted, mmproj=kind)
        )
        for entry in done.manifest.files:
            file = entry.quant if entry.role == "text" else f"mmproj-{entry.quant}"
            made.setdefault(file, folder / kind / entry.path)
    return made


def compare(file: str, ours: Path, theirs: Path) -> Comparison:
    """Compare every tensor and every key of two files."""
    headers = read_header(ours), read_header(theirs)
    tensors = _tensors(ours, headers[0]), _tensors(theirs, headers[1])
    keys = _keys(headers[0]), _keys(headers[1])
    return Comparison(
        file=file,
        tensors=len(tensors[0] | tensors[1]),
        bytes=sum(tensor.size for tensor in headers[0].tensors),
        keys=len(keys[0] | keys[1]),
        different_tensors=_differences(*tensors),
        different_keys=_differences(*keys),
    )


def _tensors(path: Path, header: Header) -> dict[str, str]:
    """Every tensor as its type, shape and hash."""
    return {
        tensor.name: f"{tensor.type.name} {list(tensor.shape)} {digest}"
        for tensor, digest in hashed_tensors(path, header)
    }


def _keys(header: Header) -> dict[str, str]:
    """Every key with its value as JSON, where 1, 1.0 and true are three values."""
    metadata = short_metadata(header)
    return {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}


def _differences(ours: dict[str, str], theirs: dict[str, str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, ours.get(name, MISSING), theirs.get(name, MISSING))
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    )


def report(comparisons: list[Comparison]) -> None:
    """Print the tables, and below them what has no reason to differ."""
    click.echo("| file | tensors | identical | bytes of tensors | keys | keys that differ |")
    click.echo("|---|---:|---:|---:|---:|---|")
    for found in comparisons:
        identical = found.tensors - len(found.different_tensors)
        names = ", ".join(f"`{key.name}`" for key in found.different_keys)
        click.echo(
            f"| {found.file} | {found.tensors} | {identical} | {found.bytes:,} | {found.keys} "
            f"| {names} |"
        )
    click.echo("\n| key | edge-med | llama.cpp | files | why |\n|---|---|---|---:|---|")
    keys = [key for found in comparisons for key in found.different_keys]
    for key in dict.fromkeys(keys):
        click.echo(
            f"| `{key.name}` | {_shown(key.ours)} | {_shown(key.theirs)} | {keys.count(key)} "
            f"| {REASONS.get(key.name, '**no reason**')} |"
        )
    for found in comparisons:
        for difference in found.unexplained():
            click.echo(f"\n{found.file}: {difference.name}", err=True)
            click.echo(f"  edge-med:  {_shown(difference.ours)}", err=True)
            click.echo(f"  llama.cpp: {_shown(difference.theirs)}", err=True)


def _shown(value: str) -> str:
    line = safe_line(value).replace("|", "\\|")
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"
