"""Hints of errors in the words of the command line: options are flags there."""

from __future__ import annotations

import re

from edge_med.errors import AS_IMAGE, AS_LIST, AS_MESSAGES, FROM_JSON, LISTED, LOOK, TEXT

FLAGS = {
    "adapters": "--adapter",
    "base": "--base",
    "context": "--context",
    "device": "--device",
    "force": "--force",
    "frame": "--frame",
    "gpu_layers": "--gpu-layers",
    "grammar": "--grammar",
    "image": "--image",
    "kv": "--kv",
    "max_new_tokens": "--max-new-tokens",
    "memory": "--memory",
    "model": "--model",
    "order": "--order",
    "schema": "--schema",
    "series": "--series",
    "slices": "--slices",
    "tensor_overrides": "--tensor-override",
    "tensor_split": "--tensor-split",
}
"""The flag of each option that a hint names, by its name in Python."""

_LOOK = "See why with --verbose"

_TEXT = "the answer is on stdout"

_AS_IMAGE = "Save it as a file, and give that: --image chest.png, or /image chest.png in the chat"

_LISTED = "edge-med view PATH --list shows them"

_OPTION = re.compile(r'`(\w+)(?:="?([\w.]+)"?)?`')

_ALONE = "Ask the question alone: images go with --image, a system text with --system"

_WORDS = (
    *((LOOK, _LOOK), (TEXT, _TEXT), (AS_IMAGE, _AS_IMAGE), (LISTED, _LISTED)),
    *((words, _ALONE) for words in (FROM_JSON, AS_LIST, AS_MESSAGES)),
)


def in_flags(hint: str) -> str:
    """A hint with flags in place of options between backticks; others stay as they are."""
    for ours, theirs in _WORDS:
        hint = hint.replace(ours, theirs)
    return _OPTION.sub(_flag, hint)


def _flag(found: re.Match[str]) -> str:
    name, value = found.groups()
    if name not in FLAGS:
        return found[0]
    return f"{FLAGS[name]} {value}" if value else FLAGS[name]
