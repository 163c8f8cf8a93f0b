"""Find a model's files: the text model of a path or name, and the projector that belongs to it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from edge_med.artifacts import manifest as manifests
from edge_med.artifacts import split
from edge_med.artifacts.adapters.gguf_adapter import is_adapter
from edge_med.artifacts.adapters.peft_folder import refuse_peft
from edge_med.artifacts.file_names import FILE_TYPES, PARTIAL, PROJECTOR_TYPES, is_bare_file_name
from edge_med.artifacts.gguf import Header, read_header
from edge_med.artifacts.manifest import Manifest, Role
from edge_med.artifacts.verification import check_pair
from edge_med.artifacts.vision_facts import VisionFacts, vision_facts
from edge_med.errors import ArtifactError, InputError, PairingError, UsageError
from edge_med.library import ollama, refusals

ARCHITECTURES: dict[Role, str] = {"text": refusals.TEXT, "projector": refusals.PROJECTOR}
"""The `general.architecture` of each role."""

QUANT_NAMES = {number: name for name, number in FILE_TYPES.items()}
RECOMMENDED = (
    *("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"),
    *("Q4_K_S", "IQ4_XS", "Q4_0"),
    *("F16", "BF16", "F32"),
)
"""Of several quants of one model, the first here is loaded.

Q4_K_M is what laptops usually run, and what fits where a larger one does; then come those that lose
less, those that lose more, and those that nothing was lost in, which are several times as large.
"""
ONE_PROJECTOR = "Leave one of them in the folder, or in Python name it: projector="
UNKNOWN = "unknown"
"""The quant of a file whose type we don't make; llama.cpp may run it all the same."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        text: the text model.
        projector: projector that fits it; None if there is none.
        header: header of the text model.
        projector_header: header of the projector.
        quant: quant of the text model; `unknown` if it is none of ours.
        model_sha256: hash of the text model as the manifest, or the name of a blob of Ollama's,
            tells it; None if neither does.
        projector_sha256: the same of the projector.
        others: text models of the same name and other quants in the folder.
        parts: files of a text model in several parts, of which `text` is the first.
        together: whether one manifest lists both, so that one conversion has made them.
    """

    text: Path
    projector: Path | None
    header: Header
    projector_header: Header | None
    quant: str
    model_sha256: str | None
    projector_sha256: str | None
    others: tuple[Path, ...] = ()
    parts: tuple[Path, ...] = ()
    together: bool = False

    @property
    def vision(self) -> VisionFacts:
        """What the projector makes of an image."""
        return vision_facts(self.projector_header)


@dataclass(frozen=True, slots=True)
class _File:
    """A model whose header has been read, and its hash if a manifest lists it.

    It may be in several files, of which `path` is the first.
    """

    path: Path
    header: Header
    sha256: str | None
    parts: tuple[Path, ...]

    @property
    def quant(self) -> str:
        number = self.header.integer("general.file_type")
        return UNKNOWN if number is None else QUANT_NAMES.get(number, UNKNOWN)


def find(model: str | Path, projector: str | Path | None = None) -> ModelFiles:
    """Find the files of a model; only headers and the manifest are read.

    Args:
        model: path of a GGUF file, of a folder with one text model, of a manifest or a blob of
            Ollama's, or the name of such a folder in `models_folder`; a path comes before a name.
            Of several quants of one model the first in `RECOMMENDED` is used.
        projector: path of a GGUF file; if None, the one in the same folder that fits.

    Raises:
        UsageError: there is no such model, or several models or projectors are possible.
        InputError: the projector is in several parts.
        ArtifactError: a file is damaged or of another kind, or a folder has no text model.
        PairingError: the given projector doesn't fit the text model.
    """
    path = _located(model)
    pulled = ollama.pulled(path)
    if pulled:
        path, projector = pulled.text, projector or pulled.projector
    manifest = manifests.load(path if path.is_dir() else path.parent)
    chosen, *others = _texts_in(path, manifest) if path.is_dir() else [path]
    text = _opened_text(chosen, manifest)
    vision = _named_projector(Path(projector), text) if projector else None
    if vision is None and not pulled:
        vision = _matching_projector(text, manifest)
    return ModelFiles(
        text=text.path,
        projector=vision.path if vision else None,
        header=text.header,
        projector_header=vision.header if vision else None,
        quant=text.quant,
        model_sha256=text.sha256,
        projector_sha256=vision.sha256 if vision else None,
        others=tuple(others),
        parts=text.parts,
        together=vision is not None and _together(text, vision, manifest),
    )


def text_models(model: str | Path) -> list[Path]:
    """All that `find` could take, the one that it takes first; errors are those of `find`."""
    path = _located(model)
    return _texts_in(path, manifests.load(path)) if path.is_dir() else [path]


def default_model() -> str | None:
    """The default model in the environment: `EDGE_MED_MODEL`."""
    return os.environ.get("EDGE_MED_MODEL") or None


def models_folder() -> Path:
    """Where models are looked for by name, below `home`; it needn't exist."""
    return home() / "models"


def home() -> Path:
    """Where models and settings are: `EDGE_MED_HOME`, else where the system keeps a user's data.

    Raises:
        UsageError: `EDGE_MED_HOME` names no folder. It is never made: with a misspelt name another
            model would answer than the user's. Or it isn't set, and the user has no home folder.
    """
    given = os.environ.get("EDGE_MED_HOME")
    if given and not Path(given).is_dir():
        raise UsageError(
            f"EDGE_MED_HOME is '{given}', and there is no such folder.",
            "Correct the variable, or make the folder.",
        )
    if given:
        return Path(given)
    with contextlib.suppress(RuntimeError):  # earlier platformdirs give a relative path instead
        found = platformdirs.user_data_path("edge-med", appauthor=False)
        if found.is_absolute():
            return found
    raise UsageError(
        "This user has no home folder for models and settings.",
        "Set EDGE_MED_HOME to a folder.",
    )


def names() -> list[str]:
    """The folders in `models_folder`, whatever is in them."""
    folders = (path for path in models_folder().glob("*") if path.is_dir())
    return sorted(path.name for path in folders if is_bare_file_name(path.name))


def is_stored(name: str) -> bool:
    """Whether a name is that of a folder in `models_folder`."""
    return is_bare_file_name(name) and (models_folder() / name).is_dir()


def _located(model: str | Path) -> Path:
    """The file or folder of a path or a name."""
    if not isinstance(model, str | os.PathLike):
        raise UsageError("`model` is neither a text nor a path.", "Give a name or a path.")
    name, folder = str(model), models_folder()
    if name and Path(model).exists():
        refuse_peft(Path(model))
        return Path(model)
    if is_stored(name):
        return folder / name
    raise refusals.no_model(name, names())


def _texts_in(folder: Path, manifest: Manifest | None) -> list[Path]:
    """The text models of a folder, all quants of one model, the recommended first."""
    paths = list(_files(folder, "text", manifest))
    if not paths:
        refuse_peft(folder, alone=False)
        raise refusals.no_text_model(folder)
    if len({_model_name(path) for path in paths}) > 1:
        _only(paths, "text models", "Name one of them, as in ")
    return sorted(paths, key=_rank)


def _model_name(path: Path) -> str:
    """What a file's name says before its quant; all of it where it says none."""
    stem = split.stem(path)
    name, dash, quant = stem.rpartition("-")
    return name if dash and quant.upper() in RECOMMENDED else stem


def _rank(path: Path) -> int:
    quant = split.stem(path).rpartition("-")[2].upper()
    return RECOMMENDED.index(quant) if quant in RECOMMENDED else len(RECOMMENDED)


def _opened_text(path: Path, manifest: Manifest | None) -> _File:
    file = _opened(path, manifest)
    refusals.check_text(file.path, file.header)
    return file


def _named_projector(path: Path, text: _File) -> _File:
    """The projector that was named, if it fits."""
    file = _opened_projector(path, manifests.load(path.parent))
    check_pair(text.header, file.header)
    return file


def _opened_projector(path: Path, manifest: Manifest | None) -> _File:
    file = _opened(path, manifest)
    if len(file.parts) > 1:
        raise InputError(
            f"{path.name} is one of {len(file.parts)} parts of a projector, which llama.cpp reads "
            "only as one file.",
            "Merge them with its tool: llama-gguf-split --merge FIRST_PART WHOLE",
        )
    return file


def _matching_projector(text: _File, manifest: Manifest | None) -> _File | None:
    """The best projector in the text model's folder that fits it; None if none does.

    One that names the same model is preferred: MedGemma's and Gemma's have the same shapes. F16
    comes first: with BF16 weights llama.cpp rounds activations to BF16 on the CPU.
    """
    speaks_of_it = manifest is not None and manifest.entry(text.path.name) is not None
    paths = _files(text.path.parent, "projector", manifest if speaks_of_it else None)
    fitting = [file for path in paths if _fits(text, file := _opened_projector(path, manifest))]
    if not fitting:
        return None
    fitting = [file for file in fitting if _called(file) == _called(text)] or fitting
    order = (*PROJECTOR_TYPES, *{file.quant for file in fitting})
    best = min((file.quant for file in fitting), key=order.index)
    alike = {file.path: file for file in fitting if file.quant == best}
    return alike[_only(list(alike), "projectors that fit", ONE_PROJECTOR)]


def _together(text: _File, projector: _File, manifest: Manifest | None) -> bool:
    """Whether a text model's manifest lists its projector as well."""
    if manifest is None or projector.path.resolve().parent != text.path.resolve().parent:
        return False
    return all(manifest.entry(file.path.name) for file in (text, projector))


def _called(file: _File) -> str:
    """The model's name in a header, whichever way it is written."""
    name = file.header.text("general.name") or ""
    return "".join(filter(str.isalnum, name.lower()))


def _fits(text: _File, projector: _File) -> bool:
    try:
        check_pair(text.header, projector.header)
    except PairingError:
        return False
    return True


def _files(folder: Path, role: Role, manifest: Manifest | None) -> Iterator[Path]:
    """The files of a role: those that the manifest lists, or without one those that say so."""
    if manifest:
        listed = (folder / entry.path for entry in manifest.files if entry.role == role)
        yield from (path for path in listed if path.is_file())
        return
    files = (path for path in folder.iterdir() if path.suffix == ".gguf" or ollama.is_blob(path))
    for path in sorted(files):
        with contextlib.suppress(ArtifactError):
            # macOS leaves such files with a dot beside others on foreign drives.
            if path.name[0] != "." and _architecture(path) == ARCHITECTURES[role]:
                yield path


def _architecture(path: Path) -> str | None:
    """What a model's file holds; an adapter names its base model's, and is none itself.

    Nor is a further part of a model, which is found by its first.
    """
    header = read_header(path)
    further = is_adapter(header) or header.integer(split.NUMBER)
    return None if further else header.text("general.architecture")


def _only(paths: Iterable[Path], what: str, hint: str) -> Path:
    first, *others = paths
    if not others:
        return first
    names = ", ".join(path.name for path in (first, *others))
    raise UsageError(
        f"{first.parent.resolve().name} has several {what}: {names}.", f"{hint}{first}"
    )


def _opened(path: Path, manifest: Manifest | None) -> _File:
    """Read a model's header, and compare its size with the manifest."""
    if path.name.endswith(PARTIAL):
        raise ArtifactError(f"{path.name} isn't complete.", "Run the conversion again.")
    entry = manifest.entry(path.name) if manifest else None
    if entry and path.is_file() and path.stat().st_size != entry.size:
        raise ArtifactError(
            f"{path.name} has {path.stat().st_size} bytes; the manifest says {entry.size}.",
            f"Copy or convert it again; see what is damaged with: edge-med verify {path}",
        )
    header, parts = split.read_model(path)
    sha256 = entry.sha256 if entry else ollama.digest(path)
    return _File(parts[0], header, sha256 if len(parts) == 1 else None, parts)
