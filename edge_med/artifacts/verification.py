"""Check model files against their manifest: structure, hashes, and whether a pair fits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts import manifest as manifests
from edge_med.artifacts import split
from edge_med.artifacts.adapters.gguf_adapter import is_adapter
from edge_med.artifacts.adapters.peft_folder import refuse_peft
from edge_med.artifacts.chat_template import words
from edge_med.artifacts.file_names import is_model_file
from edge_med.artifacts.gguf import Header, read_header
from edge_med.artifacts.manifest import FileEntry, Manifest
from edge_med.artifacts.published import window_words
from edge_med.errors import ArtifactError, PairingError

_CHUNK = 1 << 20
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """The verdict on one file.

    Attributes:
        listed: whether the manifest lists it; only then are its bytes compared with hashes.
        problems: sentences on the damage, with the tensor's name; empty if the file is sound.
        notes: sentences on facts that aren't damage.
    """

    file: str
    listed: bool
    size: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a folder or a file: sound if no file and no pair has a problem."""

    files: tuple[FileVerdict, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and not any(file.problems for file in self.files)


def verify(path: Path, advance: Advance = lambda _: None) -> Verdict:
    """Check a model folder, or one file of it.

    Args:
        path: a folder, or a GGUF file. Without a manifest there are no hashes: the structure of
            every GGUF file in it is checked.
        advance: function that is called with the number of bytes that were hashed since.

    Raises:
        ArtifactError: there is nothing to check, or the manifest can't be used.
    """
    if not path.exists():
        raise ArtifactError(f"There is no {path.name}.", "Give a model folder or a .gguf file.")
    refuse_peft(path)
    folder = path if path.is_dir() else path.parent
    manifest = manifests.load(folder)
    if path.is_file() or manifest is None:
        paths = split.parts(path) if path.is_file() else _all_files(folder)
        files = tuple(_check(one, manifest, advance) for one in paths)
        sound = not any(file.problems for file in files)
        return Verdict(files, tuple(_split_problems(paths)) if sound else ())
    names = sorted({file.path for file in manifest.files} | _model_files(folder))
    files = tuple(_check(folder / name, manifest, advance) for name in names)
    return Verdict(files, tuple(_pairing_problems(folder, manifest)))


def total_bytes(path: Path) -> int:
    """How many bytes `verify` would hash at the most, for a progress bar."""
    files = path.glob("*.gguf") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def check_pair(text: Header, projector: Header) -> None:
    """Check that a projector's output is as wide as the text model's input.

    Raises:
        PairingError: it isn't, or one of the two is something else.
    """
    if projector.text("general.architecture") != "clip":
        raise PairingError("The projector file isn't a projector.", "Give the -mmproj- file.")
    width = text.integer(f"{text.text('general.architecture')}.embedding_length")
    made_for = projector.integer("clip.vision.projection_dim")
    if width is None or width != made_for:
        raise PairingError(
            f"The projector is made for a text model {made_for} wide, and this one is {width}.",
            "Use text model and projector of the same conversion.",
        )


def _all_files(folder: Path) -> tuple[Path, ...]:
    """Every GGUF file of a folder that has no manifest, and the parts that are missing of them.

    macOS leaves some with a dot that are none.

    Raises:
        ArtifactError: there is none.
    """
    there = [path for path in folder.glob("*.gguf") if path.name[0] != "."]
    found = sorted({part for path in there for part in split.parts(path)})
    if not found:
        raise ArtifactError(
            f"{folder.resolve().name} has neither a manifest nor a GGUF file.",
            "Give the folder of a model, or a .gguf file.",
        )
    return tuple(found)


def _split_problems(paths: tuple[Path, ...]) -> Iterator[str]:
    """Of models in several files, each of them sound: whether they are one model's."""
    for first in dict.fromkeys(split.parts(path)[0] for path in paths):
        try:
            split.read_model(first)
        except ArtifactError as error:
            yield error.message


def _model_files(folder: Path) -> set[str]:
    """What is called like a file of ours; anything else in the folder is somebody else's."""
    return {path.name for path in folder.glob("*.gguf") if is_model_file(path.name)}


def _check(path: Path, manifest: Manifest | None, advance: Advance) -> FileVerdict:
    entry = manifest.entry(path.name) if manifest else None
    listed = entry is not None
    if not path.is_file():
        return FileVerdict(path.name, listed, 0, ("the file is missing",))
    size = path.stat().st_size
    try:
        header = read_header(path)
    except ArtifactError as error:
        return FileVerdict(
            path.name, listed, size, (error.message, *_hash_problems(path, entry, advance))
        )
    problems = _header_problems(header, entry) if entry else []
    problems += _hash_problems(path, entry, advance)
    return FileVerdict(path.name, listed, size, tuple(problems), _notes(header))


_WINDOW = (
    "gemma3.block_count",
    "gemma3.embedding_length",
    "gemma3.attention.sliding_window",
)


def _notes(header: Header) -> tuple[str, ...]:
    """Of a text model: whether it has Gemma's chat template, and its window."""
    if header.text("general.architecture") != "gemma3" or is_adapter(header):
        return ()
    template = words(header)
    window = window_words(*map(header.integer, _WINDOW))
    return tuple(note for note in (template and template[1], window) if note)


def _header_problems(header: Header, entry: FileEntry) -> list[str]:
    """Where the header differs from what the manifest says of the tensors."""
    found = {tensor.name: tensor for tensor in header.tensors}
    problems = [f"the tensor {t.name} is missing" for t in entry.tensors if t.name not in found]
    known = {tensor.name for tensor in entry.tensors}
    problems += [f"the tensor {name} isn't in the manifest" for name in found if name not in known]
    for tensor in entry.tensors:
        here = found.get(tensor.name)
        listed = (tensor.type, tensor.shape, tensor.offset, tensor.size)
        if here and listed != (here.type.name, here.shape, here.offset, here.size):
            problems.append(f"the tensor {tensor.name} has another type, shape or offset")
    return problems


def _hash_problems(path: Path, entry: FileEntry | None, advance: Advance) -> list[str]:
    """Compare the file's hash, and only if it differs look for the tensors that are damaged."""
    if entry is None:
        return []
    if path.stat().st_size != entry.size:
        return [f"it has {path.stat().st_size} bytes instead of {entry.size}"]
    if _sha256(path, 0, entry.size, advance) == entry.sha256:
        return []
    damaged = [
        f"the tensor {tensor.name} is damaged"
        for tensor in entry.tensors
        if _sha256(path, tensor.offset, tensor.size, lambda _: None) != tensor.sha256
    ]
    return damaged or ["its header is damaged"]


def _sha256(path: Path, start: int, size: int, advance: Advance) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            advance(len(chunk))
            size -= len(chunk)
    return digest.hexdigest()


def _pairing_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Compare every projector of the set with every text model."""
    headers: dict[str, list[tuple[str, Header]]] = {"text": [], "projector": []}
    for entry in manifest.files:
        try:
            headers.setdefault(entry.role, []).append(
                (entry.path, read_header(folder / entry.path))
            )
        except ArtifactError:
            continue  # already reported where the file itself is checked
    for projector_name, projector in headers["projector"]:
        for text_name, text in headers["text"]:
            try:
                check_pair(text, projector)
            except PairingError as error:
                yield f"{projector_name} and {text_name}: {error.message}"
