"""Write a checkpoint to convert and run, without the hub.

python -m scripts.make_checkpoint tiny  FOLDER [--name multimodal]
python -m scripts.make_checkpoint real  FOLDER
python -m scripts.make_checkpoint shape FOLDER [--size 4b|27b] [--layers N] [--text-only] [--hollow]
                                                  [--noise GB]

`tiny` is what the tests use: seeded noise. `real` is Gemma 3 270M out of the [demo] extra: real
weights, though widened from Q4_K_M, and the real vocabulary. `shape` has MedGemma's exact tensors,
full of noise, and the real vocabulary: speed, memory and size are real (4b: 9 GB, 27b: 55 GB). A
`--hollow` one has no weights, takes no disk, and is good for --dry-run; with `--noise 14` the
weights beyond 14 GB are such holes.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.checkpoints.medgemma import TEXT, medgemma, write_shape
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import TEMPLATE
from edge_med.artifacts.gguf import read_header
from edge_med.demo import gemma_270m


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("tiny", "real", "shape"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", choices=TINY, default="multimodal")
    parser.add_argument("--size", choices=TEXT, default="4b")
    parser.add_argument("--layers", type=int, help="only the first layers of the text model")
    parser.add_argument("--text-only", action="store_true")
    parser.add_argument("--hollow", action="store_true")
    parser.add_argument("--noise", type=float, default=math.inf, metavar="GB")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    WRITERS[options.kind](options)
    for path in sorted(options.folder.iterdir()):
        print(f"{path.stat().st_size:>14,}  {path.name}")


def write_real(folder: Path) -> None:
    with gemma_270m_file() as gguf:
        gemma_270m.write_checkpoint(gguf, folder)


def write_medgemma(options: argparse.Namespace) -> None:
    with gemma_270m_file() as gguf:
        gemma_270m.write_tokenizer(read_header(gguf), options.folder)
    give_turns(options.folder / "tokenizer_config.json")
    model = medgemma(options.size, layers=options.layers, text_only=options.text_only)
    noise_bytes = options.noise * 1e9
    write_shape(model, options.folder, hollow=options.hollow, noise_bytes=noise_bytes)


def write_hollow(size: str, folder: Path) -> None:
    """MedGemma of a size, without weights."""
    write_medgemma(
        argparse.Namespace(
            folder=folder, size=size, layers=None, text_only=False, hollow=True, noise=0
        )
    )


def give_turns(path: Path) -> None:
    """Add a chat template: the base model, whose tokenizer this is, has none."""
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "chat_template": TEMPLATE}, indent=1) + "\n", "utf-8")


WRITERS: dict[str, Callable[[argparse.Namespace], object]] = {
    "tiny": lambda options: write_tiny(TINY[options.name], options.folder),
    "real": lambda options: write_real(options.folder),
    "shape": write_medgemma,
}


@contextmanager
def gemma_270m_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        gguf = Path(folder) / "assembled.gguf"
        gemma_270m.assemble(gguf)
        yield gguf
