"""Objects of a checkpoint's JSON files, read with types; other kinds of values are refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edge_med.errors import CheckpointError

DAMAGED = "Download config.json and the preprocessor's file again."
REFUSED = "llama.cpp would run this model differently; only unchanged Gemma 3 settings convert."


class Section:
    """One object of config.json."""

    def __init__(self, data: Any, name: str) -> None:
        if not isinstance(data, Mapping):
            raise CheckpointError(f"{name} in config.json isn't an object.", DAMAGED)
        self._data = data

    def get(self, key: str) -> Any:
        """Whatever is there."""
        return self._data.get(key)

    def integer(self, key: str, default: int, limit: int = (1 << 31) - 1) -> int:
        """A number above 0."""
        value = self._data.get(key, default)
        if type(value) is not int or not 0 < value <= limit:
            raise CheckpointError(
                f"{key} in config.json is {short(value)}, not a number from 1 to {limit}.",
                DAMAGED,
            )
        return value

    def number(self, key: str, default: float) -> float:
        """A finite number above 0."""
        value = self._data.get(key, default)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise CheckpointError(
                f"{key} in config.json is {short(value)}, not a positive number.", DAMAGED
            )
        return float(value)

    def section(self, key: str) -> Section | None:
        """An object inside, or None if it isn't there."""
        value = self._data.get(key)
        return None if value is None else Section(value, key)

    def known(self, *keys: str) -> None:
        """Refuse an object that holds other keys: what isn't understood must not be dropped.

        A key that is null isn't there.
        """
        for key in {key for key, value in self._data.items() if value is not None} - set(keys):
            raise CheckpointError(f"{short(key)} in config.json isn't known here.", REFUSED)

    def flag(self, key: str, default: bool) -> bool:  # noqa: FBT001 - it is the value itself
        """Yes or no; null counts as missing."""
        value = self._data.get(key, default)
        return bool(default if value is None else value)


def short(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
