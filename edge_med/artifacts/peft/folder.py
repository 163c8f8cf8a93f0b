"""LoRA adapters as PEFT saves them: a folder that is no model and no GGUF adapter, told as one.

Layout: PEFT's `save_pretrained`, that is adapter_config.json and adapter_model.safetensors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edge_med.errors import ArtifactError

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_LARGEST = 1 << 20  # bytes; PEFT's own have under 2 KB


def merge_command(folder: object) -> str:
    """The command that merges an adapter's folder into its base."""
    shown = f'"{folder}"' if " " in str(folder) else folder
    return f"edge-med convert BASE --adapter {shown} --out models/NAME --quant Q4_K_M"


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    """What PEFT says of an adapter; texts are empty where it says nothing."""

    folder: Path
    kind: str
    base: str
    version: str = ""

    @property
    def words(self) -> str:
        """What it is, in a sentence."""
        kind = f"PEFT adapter ({self.kind})" if self.kind else "PEFT adapter"
        base = self.base or "a model that it doesn't name"
        return f"{self.folder.resolve().name} is a {kind} for {base}, and no whole model."

    @property
    def ways(self) -> str:
        """What can be done with it."""
        return (
            f"Merge it into its base: {merge_command(self.folder)} (--as-gguf in place of --quant: "
            "a file for `adapters`, with its text part alone)"
        )


def peft_adapter(path: Path) -> PeftAdapter | None:
    """The adapter in a folder, or that a file of it belongs to; None if it is something else."""
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name not in (CONFIG, *WEIGHTS):
        return None
    if not any((folder / name).is_file() for name in (CONFIG, *WEIGHTS)):
        return None
    said = _config(folder / CONFIG)
    keys = ("peft_type", "base_model_name_or_path", "peft_version")
    return PeftAdapter(folder, *(said.get(key, "") for key in keys))


def refuse_peft(path: Path, *, alone: bool = True) -> None:
    """Say what a path is, where a GGUF file was wanted.

    Args:
        path: a file or folder.
        alone: whether a folder with GGUF files in it may be meant for these.

    Raises:
        ArtifactError: it is an adapter as PEFT saves it.
    """
    found = peft_adapter(path)
    others = alone and path.is_dir() and any(path.glob("*.gguf"))
    if found and not others:
        raise ArtifactError(found.words, found.ways)


def _config(path: Path) -> dict[str, str]:
    """The texts of its settings; nothing if they can't be read."""
    try:
        data = json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return {}
    items = data.items() if isinstance(data, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
