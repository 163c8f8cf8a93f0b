"""Texts that go into a prompt: read whole or refused, and without their files' names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_med import documents
from edge_med.errors import InputError

HOSTILE = {
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00",
    "UTF-16": "Findings".encode("utf-16"),
    "Latin-1": "Lungenödem".encode("latin-1"),
    "zeros": b"text\x00text",
    "too long": b"a" * (documents.MOST_BYTES + 1),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_isnt_a_text_is_refused_without_its_name(case: str, tmp_path: Path) -> None:
    (tmp_path / "doe_jane.txt").write_bytes(HOSTILE[case])
    with pytest.raises(InputError) as error:
        documents.read(tmp_path / "doe_jane.txt")
    assert "doe" not in f"{error.value.message} {error.value.hint}"


@pytest.mark.parametrize("name", ["doe_jane.txt", ".", "doe\0jane"])
def test_what_cant_be_opened_is_refused_without_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        documents.read(f"{tmp_path}/{name}")
    assert "doe" not in f"{error.value.message} {error.value.hint}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_isnt_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        documents.read(tmp_path / "pipe")


def test_a_text_comes_without_mark_and_with_line_feeds(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_bytes("\ufeff肺炎\r\nno effusion\n".encode())
    assert documents.read(tmp_path / "report.txt") == "肺炎\nno effusion\n"


def test_documents_stand_before_the_question() -> None:
    assert documents.above("Normal?", []) == "Normal?"
    assert documents.above("Normal?", ["\nno effusion\n"]) == "Document:\nno effusion\n\nNormal?"
    assert documents.above("Which?", ["a", "b"]) == "Document 1:\na\n\nDocument 2:\nb\n\nWhich?"
