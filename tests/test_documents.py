"""Texts that go into a prompt: read whole or refused, and without their files' names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_med import documents
from edge_med.errors import InputError

HOSTILE = {
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00",
    "UTF-16 without a mark": "Findings".encode("utf-16-le"),
    "half of UTF-16": "Findings".encode("utf-16") + b"x",
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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read_by_its_mark(encoding: str, tmp_path: Path) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / "report.txt").write_bytes(f"{mark}Lungenödem\r\n肺炎".encode(encoding))
    assert documents.read(tmp_path / "report.txt") == "Lungenödem\n肺炎"


SEEN = {
    "Windows-1252": ("Lungenödem".encode("cp1252"), "byte 7 is 0xf6", "-f WINDOWS-1252"),
    "UTF-16 as Windows has it": ("Befund".encode("utf-16-le"), "UTF-16LE", "-f UTF-16LE"),
    "UTF-16 as networks have it": ("Befund".encode("utf-16-be"), "UTF-16BE", "-f UTF-16BE"),
    "a zero": (b"text\x00 and more of it" * 9, "Byte 5 is zero", "UTF-8"),
    "a PDF": (b"%PDF-1.7\n", "a PDF", "pdftotext"),
    "a large PDF": (b"%PDF-1.7\n" + bytes(documents.MOST_BYTES), "a PDF", "pdftotext"),
    "a PNG": (b"\x89PNG\r\n\x1a\n", "a PNG image", "`image`"),
    "a JPEG": (b"\xff\xd8\xff\xe0", "a JPEG image", "`image`"),
    "a DICOM file": (bytes(128) + b"DICM", "a DICOM file", "`image`"),
    "a Word document": (b"PK\x03\x04..word/document.xml", "DOCX", "plain text"),
    "a zip": (b"PK\x03\x04..report.txt", "a zip", "Unpack"),
    "rich text": (b"{\\rtf1\\ansi Befund}", "RTF", "plain text"),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_isnt_a_text_is_named_with_the_next_step(case: str) -> None:
    data, named, hint = SEEN[case]
    with pytest.raises(InputError, match=named) as caught:
        documents.decode(data)
    assert hint in caught.value.hint


def test_documents_stand_before_the_question() -> None:
    assert documents.prepend("Normal?", []) == "Normal?"
    assert documents.prepend("Normal?", ["\nno effusion\n"]) == "Document:\nno effusion\n\nNormal?"
    assert documents.prepend("Which?", ["a", "b"]) == "Document 1:\na\n\nDocument 2:\nb\n\nWhich?"


def test_what_is_asked_is_found_below_documents() -> None:
    reports = ["no effusion\n\nheart normal", "a"]
    for count in range(3):
        assert documents.question_of(documents.prepend("Normal?", reports[:count])) == "Normal?"
    assert documents.question_of("Is it?\n\nNormal?") == "Is it?\n\nNormal?"
