"""Files of the version before the rooms were moved are read: tests/golden/earlier, byte for byte.

That version wrote them with micro, its home being /srv/edge-med. The keys of its state are hashes
of the machine, so each test puts itself in the place of that machine.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path, PurePosixPath

import pytest

from edge_med import _platform, imaging, native
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.upgrade import upgrade
from edge_med.cli.shared import config_file
from edge_med.conversation import transcript
from edge_med.engine.llama import devices
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import WITHOUT_AMX
from edge_med.engine.vision.verified import VerifiedProjectors
from edge_med.errors import InputError
from edge_med.library import known_hashes
from edge_med.library.known_hashes import SeenFiles
from edge_med.messages import TextPart
from edge_med.planner.latency import Estimates, Rates

EARLIER = Path(__file__).parent / "golden" / "earlier"
STATE = EARLIER / "state"
HOME = "/srv/edge-med/models/micro"

TEXT_SIZE = 3041856
PROJECTOR_SIZE = 6436608
PROJECTOR_TIME = 1796016769339042474
"""Sizes in bytes, and nanoseconds, of micro's files as that version had written them."""


def sparse(path: Path, size: int) -> Path:
    """A file of zeros that takes no disk space."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_earlier_manifest() -> None:
    manifest = manifests.load(EARLIER)
    assert manifest is not None
    assert [entry.path for entry in manifest.files] == ["micro-Q8_0.gguf", "micro-mmproj-F16.gguf"]
    assert manifest.to_json().encode() == (EARLIER / "manifest.json").read_bytes()


def test_earlier_manifest_is_in_todays_form(tmp_path: Path) -> None:
    shutil.copy(EARLIER / "manifest.json", tmp_path)
    assert not upgrade(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == (EARLIER / "manifest.json").read_bytes()


def test_earlier_chat_with_its_image_given() -> None:
    picture = imaging.open(EARLIER / "image.png", side=224)
    messages, records = transcript.load(EARLIER / "chat.json", (picture,), 224)
    assert [message.role for message in messages] == ["user", "assistant"]
    assert messages[1].parts == (TextPart("Effusion on the left. Enlarged heart."),)
    assert records[0] is not None
    assert records[0].model == "micro-Q8_0.gguf"
    assert [notice.code for notice in records[0].notices][-1] == "cpu_code"


def test_earlier_chat_without_its_image() -> None:
    with pytest.raises(InputError, match="1c2fe4c0fee4"):
        transcript.load(EARLIER / "chat.json", (), 224)


def test_earlier_chat_with_an_image_of_a_series_in_it() -> None:
    messages, _ = transcript.load(EARLIER / "chat-with-images.json", (), 8)
    (picture,) = messages[1].pictures
    assert picture.series_origin is not None
    assert "from feet to head" in str(picture.series_origin)


def test_earlier_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EARLIER / "config.toml", tmp_path)
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    assert config_file.load() == {"think": "off", "threads": 2}


def test_earlier_hashes_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (entry, _) = json.loads((STATE / "files.json").read_text()).values()
    monkeypatch.setattr(known_hashes, "facts_of", lambda _: tuple(entry["facts"]))
    monkeypatch.setattr(Path, "resolve", lambda path: PurePosixPath(HOME) / path.name)
    assert SeenFiles(STATE).known(tmp_path / "micro-Q8_0.gguf") == entry["sha256"]


def test_earlier_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    monkeypatch.setattr(_platform, "MACHINE", "x86_64")
    text = sparse(tmp_path / "micro-Q8_0.gguf", TEXT_SIZE)
    assert Estimates(text, 2, STATE).rates == Rates(3590661.577214262, 139.77400784353145, 0.0)


def test_earlier_verified_projector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LLAMA_CPP_PYTHON", "0.3.36")
    monkeypatch.setattr(devices, "hardware", lambda: ())
    projector = sparse(tmp_path / "projector.gguf", PROJECTOR_SIZE)
    os.utime(projector, ns=(PROJECTOR_TIME, PROJECTOR_TIME))
    assert VerifiedProjectors(projector, "CUDA0", STATE).remembered
    assert not VerifiedProjectors(projector, "CUDA1", STATE).remembered


def test_earlier_verdict_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    (key,) = json.loads((STATE / "cpu.json").read_text())
    monkeypatch.setattr(probe, "_key", lambda: key)  # the key is a hash of a build's own files
    found = probe.verdict(STATE)
    assert (found.level, found.copies) == (WITHOUT_AMX, ("CPU_REPACK",))
    assert found.fault == "it crashes (SIGSEGV)"
