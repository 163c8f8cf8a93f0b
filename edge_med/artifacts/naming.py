"""How quantizations, models and their files are called."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from edge_med.errors import UsageError

FILE_TYPES = MappingProxyType(
    {
        "F32": 0,
        "F16": 1,
        "Q4_0": 2,
        "Q8_0": 7,
        "Q4_K_S": 14,
        "Q4_K_M": 15,
        "Q5_K_M": 17,
        "Q6_K": 18,
        "IQ4_XS": 30,
        "BF16": 32,
    }
)
"""The quantizations of a text model, each with its `general.file_type` (`llama_ftype`, llama.h)."""

QUANTS = tuple(FILE_TYPES)
PROJECTOR_TYPES = ("F16", "BF16", "F32", "Q8_0")

SOURCE = "edge_med.source"
"""The key of a GGUF header that says which checkpoint a file was made of."""

MANIFEST = "manifest.json"
PARTIAL = ".partial"
PENDING = MANIFEST + PARTIAL
"""The manifest of a set whose files are whole, and haven't all got their names yet."""

LOCK = ".edge-med.lock"
"""Held by whoever changes a model's folder."""

_MODEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")


_TYPES = "|".join(dict.fromkeys((*QUANTS, *PROJECTOR_TYPES)))
_MODEL_FILE = re.compile(rf"{_MODEL_NAME.pattern}-(mmproj-)?({_TYPES})\.gguf")


def check_model_name(name: str) -> str:
    """The name itself, if a model may be called so.

    Raises:
        UsageError: it holds other than letters, digits, dot, underscore and dash, or is too long.
    """
    if not _MODEL_NAME.fullmatch(name) or name.startswith((".", "-")):
        raise UsageError(
            f"'{name}' can't be the name of a model.",
            "Give --name with letters, digits, dots, dashes and underscores, 80 at most.",
        )
    return name


def text_file(name: str, quant: str) -> str:
    """The file name of a text model."""
    return f"{name}-{quant}.gguf"


def projector_file(name: str, kind: str) -> str:
    """The file name of a vision projector."""
    return f"{name}-mmproj-{kind}.gguf"


def is_model_file(name: str) -> bool:
    """Whether a file is called as `text_file` or `projector_file` would call it."""
    return bool(_MODEL_FILE.fullmatch(name))


def is_bare_file_name(name: str) -> bool:
    """Whether a name from an untrusted list can only mean a file in the folder itself."""
    return bool(_FILE_NAME.fullmatch(name)) and ".." not in name


def path_and_scale(given: str) -> tuple[Path, float]:
    """The parts of PATH=SCALE, as an adapter is given; a path may hold an equals sign too."""
    path, _, scale = given.rpartition("=")
    try:
        return (Path(path), float(scale)) if path else (Path(given), 1.0)
    except ValueError:
        return Path(given), 1.0
