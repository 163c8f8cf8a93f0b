"""Micro as transformers runs it, to be trained; its shape and files are in `files`."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers

from devtools.micro.files import give_published_names

OWN = ("config.json", "generation_config.json")
"""Files that `save_pretrained` would write in a form of its own, without the end of a turn."""


def fresh(folder: Path, seed: int) -> torch.nn.Module:
    """The model with weights drawn by lot."""
    torch.manual_seed(seed)
    settings = transformers.AutoConfig.from_pretrained(folder)
    return transformers.Gemma3ForConditionalGeneration._from_config(
        settings, attn_implementation="sdpa", dtype=torch.float32
    )


def save_weights(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights as BF16, under the names of MedGemma's checkpoint."""
    own = {name: (folder / name).read_bytes() for name in OWN}
    dtype = next(model.parameters()).dtype
    model.to(torch.bfloat16).save_pretrained(folder)
    give_published_names(folder / "model.safetensors")
    model.to(dtype)
    for name, content in own.items():
        (folder / name).write_bytes(content)
