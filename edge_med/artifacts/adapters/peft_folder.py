"""LoRA adapters as PEFT saves them: a folder that is neither a model nor a GGUF adapter.

Layout: PEFT's `save_pretrained`, that is adapter_config.json and adapter_model.safetensors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts.file_names import called
from edge_med.errors import ArtifactError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"
"""Weights as older versions save them, which could run code when they are opened."""

MLX = "adapters.safetensors"
"""Weights of mlx-lm and mlx-vlm, which are turned; they have an adapter_config.json too."""

FILES = (CONFIG, WEIGHTS, PICKLED)
_LARGEST = 1 << 20  # bytes; PEFT's own have under 2 KB


def merge_command(folder: object) -> str:
    """The command that merges an adapter's folder into its base."""
    shown = f'"{folder}"' if " " in str(folder) else folder
    return f"edge-med convert BASE --adapter {shown} --out models/NAME --quant Q4_K_M"


def fuse_command(folder: Path) -> str:
    """What to do with an adapter of MLX's."""
    shown = f'"{folder}"' if " " in str(folder) else folder
    return (
        "Fuse it with MLX, and convert what that saves: "
        f"mlx_lm.fuse --model BASE --adapter-path {shown} --save-path FUSED"
    )


def is_of_mlx(folder: Path) -> bool:
    """Whether an adapter was trained with MLX."""
    return (folder / MLX).is_file() and not (folder / WEIGHTS).is_file()


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    """What PEFT says of an adapter; texts are empty where it says nothing."""

    folder: Path
    kind: str
    base: str
    version: str = ""

    @property
    def words(self) -> str:
        """What it is, in a sentence, where a model was wanted."""
        return self.and_no("whole model")

    def and_no(self, wanted: str) -> str:
        """What it is, and that it isn't what was wanted."""
        if is_of_mlx(self.folder):
            return f"{called(self.folder)} is an adapter of MLX's, and no {wanted}."
        kind = f"PEFT adapter ({self.kind})" if self.kind else "PEFT adapter"
        base = self.base or "a model that it doesn't name"
        return f"{called(self.folder)} is a {kind} for {base}, and no {wanted}."

    @property
    def ways(self) -> str:
        """What can be done with it."""
        if is_of_mlx(self.folder):
            return fuse_command(self.folder)
        return (
            f"Merge it into its base: {merge_command(self.folder)} (--as-gguf in place of --quant: "
            "a file for `adapters`, with its text part alone)"
        )


def peft_adapter(path: Path) -> PeftAdapter | None:
    """The adapter that a path means; None if it is something else.

    Args:
        path: path of its folder, a file of it, or a folder with nothing else in it, as PEFT saves
            an adapter that has a name, and a trainer its one checkpoint.
    """
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name not in FILES:
        return None
    if not is_adapter(folder):
        inside = [] if _holds_a_model(folder) else [*filter(is_adapter, _folders(folder))]
        if len(inside) != 1:
            return None
        folder = inside[0]
    settings = _config(folder / CONFIG)
    keys = ("peft_type", "base_model_name_or_path", "peft_version")
    return PeftAdapter(folder, *(settings.get(key, "") for key in keys))


def is_adapter(folder: Path) -> bool:
    """Whether a file of an adapter lies in a folder."""
    return any((folder / name).is_file() for name in FILES)


def _holds_a_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or any(folder.glob("*.gguf"))


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def refuse_peft(path: Path, *, wanted: str = "whole model", alone: bool = True) -> None:
    """Refuse an adapter of PEFT's where a GGUF file is expected.

    Args:
        path: path of a file or folder.
        wanted: name of the kind of file that is expected.
        alone: whether a folder that has GGUF files too isn't refused.

    Raises:
        ArtifactError: it is an adapter as PEFT saves it.
    """
    found = peft_adapter(path)
    others = alone and path.is_dir() and any(path.glob("*.gguf"))
    if found and not others:
        raise ArtifactError(found.and_no(wanted), found.ways)


def _config(path: Path) -> dict[str, str]:
    """The texts of its settings; nothing if they can't be read."""
    try:
        data = json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return {}
    items = data.items() if isinstance(data, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
