"""The table of a folder's images: each file is in it with what has come of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devtools import try_images
from devtools.images.dicom import ct_slice, dicom, ramp
from devtools.images.photos import FILES
from edge_med import imaging


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ct").mkdir()
    for depth in range(3):
        (tmp_path / "ct" / f"{depth}.dcm").write_bytes(ct_slice(float(depth)))
    (tmp_path / "chest.png").write_bytes(FILES["PNG RGB"])
    (tmp_path / "report.txt").write_text("nothing", encoding="utf-8")
    (tmp_path / "deep.dcm").write_bytes(dicom(ramp(12), BitsStored=12, HighBit=3))
    return tmp_path


def test_files_and_folders_are_told_with_what_others_make_of_them(folder: Path) -> None:
    tried = [try_images.tried(path, folder) for path in try_images.wanted(folder)]
    found = {one.path: one for one in tried}
    assert found["chest.png"].said.startswith("PNG, 23 x 17 pixels.")
    assert found["chest.png"].peer == "Pillow"
    assert found["ct"].kind == "folder"
    assert found["ct"].said.startswith("CT series, all 3 slices")
    assert found["report.txt"].said == "The image's file is a text."
    assert found["report.txt"].peer == ""
    assert "HighBit (0028,0102) is 3" in found["deep.dcm"].said
    assert found["deep.dcm"].peer == "pydicom"


def test_rows_count_what_was_said_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["try_images", str(folder)])
    assert try_images.main() == 0
    told = capsys.readouterr().out
    assert "| 3 files | `0.dcm` | CT, N x N pixels." in told
    assert "8 tried, 0 faults" in told


def test_what_isnt_an_error_of_ours_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["try_images", str(folder), "--each"])
    monkeypatch.setattr(imaging, "open", lambda *_, **__: 1 / 0)
    assert try_images.main() == 1
    assert "FAULT ZeroDivisionError" in capsys.readouterr().out
