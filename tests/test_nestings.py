"""A picture anywhere in a conversation is seen or refused, in 2,000 that nobody has thought of."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from devtools.images.dicom import dicom
from devtools.images.photos import saved
from edge_med import imaging
from edge_med.errors import EdgeMedError
from edge_med.message_forms.keys import CONTENT, IMAGE_KEYS, IMAGE_TYPES, NEXT, SOURCES, TEXT_TYPES
from edge_med.message_forms.keys import WITHOUT_CONTENT as PASSED_OVER
from edge_med.messages import as_messages
from tests.test_reader import BASE64, FILE, RED, SHA, SIDE, URL, text

GREY_FILE = dicom(np.full((20, 20), 60, np.uint8))
SHAS = {SHA, imaging.open(GREY_FILE, side=SIDE).sha256}
PICTURES: dict[str, Callable[[], Any]] = {
    "Pillow's": lambda: RED,
    "an array": lambda: np.asarray(RED),
    "bytes": lambda: FILE,
    "an open file": lambda: io.BytesIO(FILE),
    "a data: URL": lambda: URL,
    "base64": lambda: BASE64,
    "an address in the web": lambda: "https://example.org/phantom.png",
    "BMP in base64": lambda: base64.b64encode(saved(RED, "BMP")).decode(),
    "DICOM in base64": lambda: base64.b64encode(GREY_FILE).decode(),
    "gzip in base64": lambda: base64.b64encode(gzip.compress(FILE)).decode(),
    "hex": FILE.hex,
    "bytes as numbers": lambda: [*FILE],
    "a picture": lambda: imaging.open(RED, side=SIDE),
}
KEYS = sorted({*CONTENT, *IMAGE_KEYS, *SOURCES, *PASSED_OVER, *NEXT, "text", "caption", "scan"})
OUTER = [*("content", "parts", "images", "image") * 30, *KEYS]
INNER = [*sorted(SOURCES) * 10, *KEYS]
TYPES = sorted(TEXT_TYPES | IMAGE_TYPES | {"file", "base64", "url"})
FILLERS: list[Any] = [None, "", "ask", 5, True, []]
KEY = st.sampled_from(INNER)
SMALL: list[dict[str, Any]] = [{}] * len(KEYS) + [
    {key: FILLERS[n % len(FILLERS)]} for n, key in enumerate(KEYS)
]
MORE = st.sampled_from(SMALL)
TYPE = st.sampled_from([{}, {}, {"type": "image"}, *({"type": kind} for kind in TYPES)])
OTHERS: list[list[Any]] = [[], [], [None], ["ask"], [text("ask")], [{"type": "image"}], [5]]
BESIDES = st.sampled_from(OTHERS)


@st.composite
def nestings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation with a picture in it, at any depth and under any keys."""
    value = PICTURES[draw(st.sampled_from(sorted(PICTURES)))]()
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            value = {**draw(MORE), **draw(TYPE), draw(KEY): value}
        else:
            value = [*draw(BESIDES), value, *draw(BESIDES)]
    message = {"role": "user", **draw(MORE), draw(st.sampled_from(OUTER)): value}
    content = {} if "content" in message or draw(st.booleans()) else {"content": "ask"}
    return [{**content, **message}]


def test_a_picture_in_any_nesting_is_seen_or_refused_and_never_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "phantom.png"
    path.write_bytes(FILE)
    monkeypatch.setitem(PICTURES, "a path", lambda: str(path))
    monkeypatch.setitem(PICTURES, "a path of its own class", lambda: path)
    monkeypatch.setitem(PICTURES, "a file: URL", path.as_uri)
    counts = {"seen": 0, "refused": 0}

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=2_000,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(nestings())
    def holds(prompt: list[dict[str, Any]]) -> None:
        try:
            (message,) = as_messages(prompt, side=SIDE)
        except EdgeMedError:
            counts["refused"] += 1
            return
        (picture,) = message.pictures
        assert picture.sha256 in SHAS
        counts["seen"] += 1

    holds()
    assert min(counts.values()) > 100, counts
