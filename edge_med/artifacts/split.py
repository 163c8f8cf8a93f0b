"""Models in several files, `NAME-00001-of-00002.gguf` and so on, read as one.

llama.cpp opens the first, and the others by their names (`llama_split_path`, src/llama.cpp); all
keys of the model stand in the first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from edge_med.artifacts.gguf import Header, read_header
from edge_med.errors import ArtifactError

NUMBER, COUNT, TENSORS = "split.no", "split.count", "split.tensors.count"

_NAME = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")


def stem(path: Path) -> str:
    """A file's name without its ending, and without its number if it is a part."""
    found = _NAME.fullmatch(path.name)
    return found[1] if found else path.stem


def parts(path: Path) -> tuple[Path, ...]:
    """All files of a model that a file belongs to, by its name; in their order."""
    found = _NAME.fullmatch(path.name)
    if not found:
        return (path,)
    count = int(found[3])
    names = (f"{found[1]}-{number:05}-of-{found[3]}.gguf" for number in range(1, count + 1))
    return tuple(path.with_name(name) for name in names)


def size(path: Path) -> int:
    """Bytes of all files of a model that are there."""
    return sum(part.stat().st_size for part in parts(path) if part.is_file())


def read_model(path: Path) -> tuple[Header, tuple[Path, ...]]:
    """Read the header of a model, whichever of its files is given.

    Returns:
        All keys and tensors, and the files, of which the first is the one to open.

    Raises:
        ArtifactError: a file is missing, damaged, or belongs to another model.
    """
    header = read_header(path)
    count = header.integer(COUNT) or 1
    if count <= 1:
        return header, (path,)
    files = parts(path)
    if len(files) != count:
        raise ArtifactError(
            f"{path.name} is one of {count} files of a model, and isn't called so.",
            "Give each its own name again, as in NAME-00001-of-00002.gguf.",
        )
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ArtifactError(
            f"{stem(path)} is in {count} files, and {len(missing)} of them aren't here: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}.",
            "Copy or download them into the same folder.",
        )
    return _joined([read_header(file) for file in files], stem(path)), files


def _joined(headers: list[Header], name: str) -> Header:
    """The header of the whole: keys of the first, tensors of all."""
    first = headers[0]
    tensors = tuple(
        replace(tensor, part=number)
        for number, header in enumerate(headers)
        for tensor in header.tensors
    )
    numbers = [(one.integer(NUMBER), one.integer(COUNT)) for one in headers]
    numbered = numbers == [(number, len(headers)) for number in range(len(headers))]
    once = len({tensor.name for tensor in tensors}) == len(tensors)
    if not (numbered and once and first.integer(TENSORS) in (None, len(tensors))):
        raise ArtifactError(
            f"The files of {name} don't belong together, by what their headers say.",
            "Copy or download all of them again.",
        )
    return replace(first, tensors=tensors, file_size=sum(one.file_size for one in headers))
