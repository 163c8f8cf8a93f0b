"""How quantizations, models and their files are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    """The parts of PATH=SCALE, as an adapter is given.

    A path may hold an equals sign too: folders of a training are called `run-r=16`. A path that
    exists as a whole has no scale.
    """
    path, _, scale = given.rpartition("=")
    try:
        whole = not path or Path(given).exists()
        return (Path(given), 1.0) if whole else (Path(path), float(scale))
    except ValueError:
        return Path(given), 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """A model on the hub, such as `google/medgemma-4b-it`, and its revision; empty if unknown."""

    id: str = ""
    revision: str = ""

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.id.rpartition("/")[2]


def cached(folder: Path) -> Origin:
    """Id and revision by the hub's cache: `models--OWNER--NAME/snapshots/REVISION`."""
    folder = folder.absolute()
    kind, *parts = folder.parent.parent.name.split("--")
    if folder.parent.name != "snapshots" or kind != "models" or len(parts) != 2:
        return Origin()
    return Origin("/".join(parts), folder.name)


def called(folder: Path, source_id: str = "") -> str:
    """What a model in a folder is called: by the user, as on the hub, or as the folder."""
    return source_id.rpartition("/")[2] or cached(folder).name or _folder_name(folder)


def _folder_name(folder: Path) -> str:
    """The folder's own name, also where it is given as `.` or `..`; a link keeps its name."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name
