"""Files reach the disk, replace others, and are locked, as each system does it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import _platform
from edge_med.errors import BusyError, InputError
from tests.platform.conftest import FOLDER, Calls, System


@pytest.mark.parametrize("name", ["linux", "win32"])
def test_a_file_is_synced(name: str, system: System) -> None:
    calls = system(name)
    _platform.sync_file(3)
    assert calls.made == [("fsync", 3)]


def test_on_macos_a_file_is_synced_past_the_drives_cache(system: System) -> None:
    calls = system("darwin")
    _platform.sync_file(3)
    assert calls.made == [("fcntl", 3, Calls.F_FULLFSYNC)]


def test_on_macos_a_drive_that_refuses_gets_a_plain_sync(system: System) -> None:
    calls = system("darwin")
    calls.refused["fcntl"] = OSError(errno.ENOTSUP, "not supported")
    _platform.sync_file(3)
    assert calls.made[-1] == ("fsync", 3)


def test_a_folder_is_opened_synced_and_closed(system: System, tmp_path: Path) -> None:
    calls = system("linux")
    _platform.sync_folder(tmp_path)
    assert calls.made == [("open", tmp_path), ("fsync", FOLDER), ("close", FOLDER)]


def test_on_windows_a_folder_is_left_alone(system: System, tmp_path: Path) -> None:
    calls = system("win32")
    _platform.sync_folder(tmp_path)
    assert calls.made == []


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EBADF])
def test_a_drive_that_syncs_no_folders_is_passed_over(
    code: int, system: System, tmp_path: Path
) -> None:
    calls = system("linux")
    calls.refused["fsync"] = OSError(code, "no")
    _platform.sync_folder(tmp_path)
    assert calls.made[-1] == ("close", FOLDER)


def test_a_drive_that_fails_to_sync_a_folder_is_an_error(system: System, tmp_path: Path) -> None:
    calls = system("linux")
    calls.refused["fsync"] = OSError(errno.EIO, "broken")
    with pytest.raises(OSError, match="broken"):
        _platform.sync_folder(tmp_path)
    assert calls.made[-1] == ("close", FOLDER)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[float]]:
    """Let so many renames fail, as under a virus scanner; returns the waits between them."""

    def hold(times: int) -> list[float]:
        plain, left, waits = Path.replace, [times], list[float]()

        def rename(source: Path, target: Path) -> Path:
            left[0] -= 1
            if left[0] >= 0:
                raise PermissionError(errno.EACCES, "held by a scanner")
            return plain(source, target)

        monkeypatch.setattr(Path, "replace", rename)
        monkeypatch.setattr(time, "sleep", waits.append)
        return waits

    return hold


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    return tmp_path / "new", tmp_path / "old"


@pytest.mark.parametrize("name", ["linux", "darwin", "win32"])
def test_a_file_takes_the_place_of_another(
    name: str, system: System, pair: tuple[Path, Path]
) -> None:
    system(name)
    _platform.replace(*pair)
    assert (pair[0].exists(), pair[1].read_text()) == (False, "new")


def test_on_windows_a_held_file_is_waited_for(
    system: System, held: Callable[[int], list[float]], pair: tuple[Path, Path]
) -> None:
    system("win32")
    waits = held(_platform.REPLACE_ATTEMPTS - 1)
    _platform.replace(*pair)
    assert pair[1].read_text() == "new"
    assert waits == sorted(waits)
    assert sum(waits) == pytest.approx(0.9)


def test_on_windows_a_file_that_stays_held_is_an_error(
    system: System, held: Callable[[int], list[float]], pair: tuple[Path, Path]
) -> None:
    system("win32")
    waits = held(_platform.REPLACE_ATTEMPTS)
    with pytest.raises(PermissionError):
        _platform.replace(*pair)
    assert len(waits) == _platform.REPLACE_ATTEMPTS - 1
    assert pair[1].read_text() == "old"


@pytest.mark.parametrize("name", ["linux", "darwin"])
def test_elsewhere_a_missing_right_is_an_error_at_once(
    name: str, system: System, held: Callable[[int], list[float]], pair: tuple[Path, Path]
) -> None:
    system(name)
    waits = held(1)
    with pytest.raises(PermissionError):
        _platform.replace(*pair)
    assert waits == []


TAKE = ("flock", Calls.LOCK_EX | Calls.LOCK_NB)
TAKE_WINDOWS, DROP_WINDOWS = ("locking", Calls.LK_NBLCK, 1), ("locking", Calls.LK_UNLCK, 1)
LOCKS: dict[str, list[tuple[object, ...]]] = {
    "linux": [TAKE],
    "darwin": [TAKE],
    "win32": [TAKE_WINDOWS, DROP_WINDOWS],
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_taken_without_waiting(name: str, system: System, tmp_path: Path) -> None:
    calls = system(name)
    with _platform.locked(tmp_path / "lock", "taken"):
        assert calls.made == LOCKS[name][:1]
    assert calls.made == LOCKS[name]
    assert (tmp_path / "lock").exists()


def test_on_windows_a_lock_is_dropped_after_an_error_too(system: System, tmp_path: Path) -> None:
    calls = system("win32")
    with pytest.raises(KeyboardInterrupt), _platform.locked(tmp_path / "lock", "taken"):
        raise KeyboardInterrupt
    assert calls.made == LOCKS["win32"]


@pytest.mark.parametrize(
    ("name", "call", "refusal"),
    [
        ("linux", "flock", BlockingIOError(errno.EWOULDBLOCK, "held")),
        ("darwin", "flock", BlockingIOError(errno.EWOULDBLOCK, "held")),
        ("win32", "locking", PermissionError(errno.EACCES, "held")),
    ],
)
def test_a_lock_that_is_held_makes_us_busy(
    name: str, call: str, refusal: OSError, system: System, tmp_path: Path
) -> None:
    system(name).refused[call] = refusal
    with pytest.raises(BusyError, match="taken"), _platform.locked(tmp_path / "lock", "taken"):
        pass


def test_a_drive_without_locks_is_not_said_to_be_busy(system: System, tmp_path: Path) -> None:
    system("linux").refused["flock"] = OSError(errno.ENOLCK, "No locks available")
    with (
        pytest.raises(InputError, match="can't lock files: No locks available"),
        _platform.locked(tmp_path / "lock", "taken"),
    ):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from edge_med._platform import locked
with locked(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_real_lock_keeps_others_out_until_its_process_dies(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="taken"), _platform.locked(lock, "taken"):
            pass
        holder.kill()
    with _platform.locked(lock, "taken"):
        pass


def test_a_private_file_appears_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(b"old")
    _platform.write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["chat.json"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_private_file_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(_platform, "sync_file", fail)
    with pytest.raises(OSError, match="full"):
        _platform.write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["chat.json"]
