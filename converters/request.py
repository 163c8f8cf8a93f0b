"""The request for a conversion, checked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts.adapters.peft_folder import FILES
from edge_med.artifacts.file_names import (
    PROJECTOR_TYPES,
    QUANTS,
    Origin,
    cached,
    called,
    check_model_name,
)
from edge_med.errors import UsageError

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
"""What the name of a model can't have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRequest:
    """What to convert, and into what.

    Attributes:
        source: folder of the checkpoint.
        folder: folder for the files.
        quants: quants of the text model, out of `edge_med.artifacts.file_names.QUANTS`.
        mmproj: type of the projector, out of `PROJECTOR_TYPES`; a text model has none.
        name: name of the model; if empty that of the source folder or of the hub's cache.
        tensor_types: REGEX=TYPE overrides for the text model; the first that matches decides.
        threads: number of threads that quantize; by default the number of usable cores.
        force: whether existing files are replaced.
        source_id: name of the source, such as `google/medgemma-4b-it`; for the records.
        revision: revision of the source; for the records.
        adapters: folders of LoRA adapters that are merged in their order, each with the factor of
            its effect.
        base: folder that supplies the small files that the checkpoint lacks.

    Raises:
        UsageError: a quantization or a name that doesn't exist.
    """

    source: Path
    folder: Path
    quants: tuple[str, ...]
    mmproj: str = "F16"
    name: str = ""
    tensor_types: tuple[str, ...] = ()
    threads: int | None = None
    force: bool = False
    source_id: str = ""
    revision: str = ""
    base: Path | None = None
    adapters: tuple[tuple[Path, float], ...] = ()

    def __post_init__(self) -> None:
        unknown = [quant for quant in self.quants if quant not in QUANTS]
        if unknown or not self.quants:
            raise UsageError(
                f"There is no quant {unknown[0]}." if unknown else "There is no --quant.",
                f"Choose --quant out of: {', '.join(QUANTS)}.",
            )
        if self.mmproj not in PROJECTOR_TYPES:
            raise UsageError(
                f"A projector can't be {self.mmproj}.",
                f"Choose --mmproj out of: {', '.join(PROJECTOR_TYPES)}.",
            )
        check_adapters(self.adapters)
        if self.threads is not None and self.threads < 1:
            raise UsageError("--threads is less than 1.", "Leave it out for all usable cores.")
        check_model_name(self.model_name)

    @property
    def model_name(self) -> str:
        """What the model will be called: as the checkpoint, and then as the adapters."""
        adapters = (adapter_name(path) for path, _ in self.adapters)
        return self.name or "-".join([self.source_name, *adapters])

    @property
    def source_name(self) -> str:
        """What the checkpoint is called by itself: as on the hub, or as its folder."""
        return called(self.source)

    @property
    def known_name(self) -> str:
        """What the checkpoint is called by the user, or else by itself."""
        return called(self.source, self.source_id)

    @property
    def base_name(self) -> str:
        """What the base model is called, whose terms hold as well; empty without one."""
        return "" if self.base is None else called(self.base)

    @property
    def origin(self) -> Origin:
        """Where the source comes from, as far as the user or the hub's cache says."""
        known = cached(self.source)
        return Origin(self.source_id or known.id, self.revision or known.revision)


def check_adapters(adapters: tuple[tuple[Path, float], ...]) -> None:
    """Refuse what no effect can be multiplied with, and an adapter that would count twice.

    Raises:
        UsageError: so it is.
    """
    folders = [_folder_of(path).resolve() for path, _ in adapters]
    for at, (folder, scale) in enumerate(adapters):
        if folders[at] in folders[:at]:
            raise UsageError(
                f"--adapter names {folder.name} twice.",
                "Give each adapter once, with its scale: --adapter FOLDER=2.",
            )
        if not math.isfinite(scale) or not scale:
            raise UsageError(
                f"The adapter {folder.name} can't have the scale {scale:g}.",
                "Give a number other than 0, such as --adapter FOLDER=0.5, or none.",
            )


def adapter_name(path: Path) -> str:
    """What is made of an adapter is called so: as its folder, in letters that a file may have."""
    return _OTHER.sub("-", called(_folder_of(path)))


def _folder_of(path: Path) -> Path:
    """An adapter's folder, also where a file of it is given."""
    return path.parent if path.name in FILES else path
