"""Find an adapter's folder by what people give for it, or say what lies there."""

from __future__ import annotations

from pathlib import Path

from edge_med.artifacts.adapters.peft_folder import (
    CONFIG,
    FILES,
    PICKLED,
    WEIGHTS,
    fuse_command,
    is_adapter,
    is_of_mlx,
)
from edge_med.artifacts.file_names import called
from edge_med.errors import CheckpointError


def find(path: Path) -> Path:
    """The folder with an adapter's config and weights.

    Args:
        path: path of that folder, a file of it, or a folder with only one adapter in it, as PEFT
            saves one that has a name.

    Raises:
        CheckpointError: there is none, there are several, or something of it is missing.
    """
    if path.name in FILES and path.is_file():
        path = path.parent
    if path.is_dir() and not is_adapter(path):
        inside = sorted(folder for folder in path.iterdir() if (folder / CONFIG).is_file())
        if len(inside) == 1:
            path = inside[0]
        elif inside:
            names = [folder.name for folder in inside]
            raise CheckpointError(
                f"{called(path)} holds {len(inside)} adapters: {', '.join(names[:9])}.",
                f"Give one of them, such as {path / _last(names)}.",
            )
    _refuse_what_is_none(path)
    return path


def more_adapters(folder: Path) -> list[str]:
    """Names of more adapters in an adapter's folder; a checkpoint of its training isn't one."""
    inside = [path.name for path in folder.iterdir() if (path / CONFIG).is_file()]
    return sorted(name for name in inside if not name.startswith("checkpoint-"))


def folders(adapter: Path) -> tuple[Path, ...]:
    """Where an adapter's small files lie: in its folder, else in the one around it.

    PEFT saves an adapter that has a name into a folder of its own inside the one that is given,
    where the tokenizer is saved. The folder around may be a whole model's, whose files are its own.
    """
    around = adapter.resolve().parent
    return (adapter,) if (around / "config.json").is_file() else (adapter, around)


def _last(names: list[str]) -> str:
    """The checkpoint of the most steps; else the first by name."""
    steps = {name.rpartition("-")[2]: name for name in names}
    numbers = [int(step) for step in steps if step.isascii() and step.isdigit()]
    return steps[str(max(numbers))] if numbers else names[0]


def _refuse_what_is_none(folder: Path) -> None:
    name, hint = called(folder), "Give the folder that save_pretrained of PEFT has written."
    if not folder.exists():
        raise CheckpointError(f"There is no folder {folder}.", f"{hint} {_for_what(folder)}")
    if is_of_mlx(folder):
        raise CheckpointError(
            f"{name} is an adapter of MLX's, and what is merged is one of PEFT's.",
            fuse_command(folder),
        )
    if not (folder / CONFIG).is_file():
        raise CheckpointError(*_what_it_is(folder, name, hint))
    if (folder / WEIGHTS).is_file():
        return
    if (folder / PICKLED).is_file():
        raise CheckpointError(
            f"{name} has no {WEIGHTS}, and {PICKLED} could run code when it is opened.",
            "Load it and save it again with save_pretrained of PEFT, which writes safetensors.",
        )
    raise CheckpointError(
        f"{name} has no {WEIGHTS}.",
        "Copy it from where the adapter was saved: the folder has config and weights.",
    )


def _for_what(missing: Path) -> str:
    """A hint for a path that doesn't exist: a scale, or an adapter on the hub."""
    if "=" in missing.name:
        return "A scale is a number, as in FOLDER=0.5."
    return "From the hub: hf download OWNER/NAME --local-dir NAME"


def _what_it_is(path: Path, name: str, hint: str) -> tuple[str, str]:
    """Why something isn't an adapter, and what to do."""
    if path.suffix == ".gguf":
        return (
            f"{name} is a GGUF file, and what is merged is an adapter as PEFT saves it.",
            f"{hint} A GGUF adapter is applied while a model runs: edge-med ask --adapter.",
        )
    if (path / WEIGHTS).is_file():
        return (
            f"{name} has no {CONFIG}, which says how strongly {WEIGHTS} counts.",
            "Copy it from where the adapter was saved, or from a checkpoint of the same training.",
        )
    if (path / "config.json").is_file():
        return f"{name} is a whole model, and no adapter.", "Convert it alone, without --adapter."
    return f"{name} isn't an adapter's folder: it has no {CONFIG}.", hint
