"""This room alone may open sockets, and only to this machine; its tools must be there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from devtools.reference import require_tools
from tests.reference.programs import HOST

_ABROAD: list[object] = []


@pytest.fixture(scope="session", autouse=True)
def watched_sockets() -> None:
    """An audit hook sees every address that this process turns to."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.bind") and arguments[1][0] != HOST:
            _ABROAD.append(arguments[1])
        if event == "socket.getaddrinfo" and arguments[0] != HOST:
            _ABROAD.append(arguments[0])

    sys.addaudithook(hook)


@pytest.fixture(autouse=True)
def sealed() -> Iterator[None]:
    """In place of the rule for all other tests: sockets lead to this machine, and no further."""
    yield
    assert not _ABROAD


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """A missing tool fails every test here, and none is skipped."""
    require_tools()
