"""The files of a folder or a zip: within limits, and never out of it."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import DAMAGED, MAX_BYTES, check_bytes
from edge_med.imaging.files import image_files

MOST_FILES = 20_000
MOST_UNPACKED = 2 << 30
"""Bytes of a zip's files together, which are all in memory: twice a CT of the whole body."""

MOST_RATIO = 200
"""Times that a zip's file may be larger than it is packed."""

_DEPTH = 8
"""Folders in folders: discs have patient, study and series."""

_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}
_APPLE_DOUBLE = "._"
"""What Finder and Explorer leave in folders and zips; none of it is an image of anybody's."""

Entry = bytes | str
"""A file's bytes, or its path."""


class Entries(list[Entry]):
    """Files, and a count of what was ignored.

    Attributes:
        skipped: number of links, pipes and devices.
    """

    skipped = 0

    @property
    def links(self) -> str:
        """The text about them; empty if there are none."""
        if not self.skipped:
            return ""
        what = "1 link isn't" if self.skipped == 1 else f"{self.skipped} links aren't"
        return f"{what} followed: put the files themselves into the folder."


def of_folder(folder: Path) -> Entries:
    """The files of a folder and of those in it, by name; links aren't followed.

    Raises:
        ImageError: it has none, or too many, or folders too deep in each other.
    """
    found = Entries()
    try:
        _gather(folder, found, _DEPTH)
    except OSError as error:
        raise image_files.unreadable(error) from None
    return _some(found)


def _gather(folder: Path, found: Entries, depth: int) -> None:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            if not depth:
                raise ImageError(
                    f"The folder has more than {_DEPTH} levels of folders.",
                    "Give the folder that holds the images.",
                )
            _gather(Path(entry.path), found, depth - 1)
        elif not entry.is_file(follow_symlinks=False):
            found.skipped += 1
        elif not _is_systems(entry.name):
            found.append(entry.path)
        _check_count(len(found))


def of_zip(source: bytes | Path) -> Entries:
    """The files of a zip, unpacked in memory alone; their names are never used as paths.

    Raises:
        ImageError: it is damaged, encrypted, or too much comes out of it.
    """
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with zipfile.ZipFile(file) as archive:
            relevant = [member for member in archive.infolist() if not _is_ignored(member)]
            members = [member for member in relevant if _is_file(member)]
            _check_count(len(members))
            _check_sizes(members)
            found = Entries(_unpacked(archive, member) for member in members)
            found.skipped = len(relevant) - len(members)
            return _some(found)
    except ImageError:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises what a damaged file makes it meet
        raise ImageError("The zip can't be read.", DAMAGED) from None


def _is_ignored(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or _is_systems(member.filename.rpartition("/")[2])


def _is_file(member: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)


def _is_systems(name: str) -> bool:
    return name in _SYSTEMS or name.startswith(_APPLE_DOUBLE)


def _check_sizes(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        check_bytes(member.file_size)
        if member.file_size > MOST_RATIO * max(1, member.compress_size) + 4096:
            raise _bomb()
        if member.flag_bits & 1:
            raise ImageError("The zip is encrypted.", "Unpack it first.")
    if sum(member.file_size for member in members) > MOST_UNPACKED:
        raise _bomb()


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        data = file.read(min(member.file_size, MAX_BYTES) + 1)
    if len(data) > member.file_size:
        raise _bomb()
    return data


def _bomb() -> ImageError:
    return ImageError(
        "The zip is too large when it is unpacked.", "Unpack it, and give the folder."
    )


def _check_count(count: int) -> None:
    if count > MOST_FILES:
        raise ImageError(
            f"There are more than {MOST_FILES:,} files.", "Give the folder of one series."
        )


def _some(found: Entries) -> Entries:
    if not found and found.skipped:
        raise ImageError(
            f"There are no files in it; {found.links}", "Give a folder or a zip with images."
        )
    if not found:
        raise ImageError("There are no files in it.", "Give a folder or a zip with images.")
    return found
