"""Micro as transformers runs it, to be trained; its shape and files are in `files`."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers


def fresh(folder: Path, seed: int) -> torch.nn.Module:
    """The model with weights drawn by lot."""
    torch.manual_seed(seed)
    settings = transformers.AutoConfig.from_pretrained(folder)
    return transformers.Gemma3ForConditionalGeneration._from_config(
        settings, attn_implementation="sdpa", dtype=torch.float32
    )


def save_weights(model: torch.nn.Module, folder: Path) -> None:
    """Write the weights as BF16, under the names of MedGemma's checkpoint."""
    own = (folder / "config.json").read_bytes()
    dtype = next(model.parameters()).dtype
    model.to(torch.bfloat16).save_pretrained(folder)
    model.to(dtype)
    (folder / "config.json").write_bytes(own)  # save_pretrained writes its own form
