"""Arguments that change nothing: named once in a warning; unknown ones: refused.

Warnings point at the line of whoever called, outside of this project.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from edge_med.errors import UsageError

DOCS = "See docs/guide/compat.md for what each call takes."

LOADING = frozenset(
    [
        "attn_implementation",
        "cache_dir",
        "device",
        "device_map",
        "dtype",
        "force_download",
        "local_files_only",
        "low_cpu_mem_usage",
        "max_memory",
        "offload_folder",
        "quantization_config",
        "revision",
        "token",
        "torch_dtype",
        "trust_remote_code",
        "use_auth_token",
        "use_fast",
        "use_safetensors",
        "load_in_4bit",
        "load_in_8bit",
        "framework",
        "batch_size",
        "num_workers",
        "padding_side",
        "variant",
    ]
)
"""Of `from_pretrained` and `pipeline`. Numbers, device and place were decided at conversion, or are
decided by `MedGemma.load`; nothing is downloaded, and no remote code is run."""

_named: set[str] = set()


class Few:
    """Has some of the names that transformers' has; the error of another one says so."""

    called = "It"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.called} has no {name} here. {DOCS}")


class IgnoredWarning(UserWarning):
    """An argument was accepted and has no effect."""


class CutWarning(UserWarning):
    """An answer ended where the context is full."""


class DoubledWarning(UserWarning):
    """A text begins with `<bos>`, and has another put before it."""


class PictureWarning(UserWarning):
    """What the user should know of a picture, as that it shows nothing, or that none is shown."""


class ModelWarning(UserWarning):
    """What the user should know of a model, such as that it is a toy."""


class TemplateWarning(UserWarning):
    """The model's chat template is missing, or isn't Gemma's."""


def warn(message: str, kind: type[Warning]) -> None:
    """Warn, at the caller's line."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("edge_med."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)


def say(names: Collection[str], why: str) -> None:
    """Warn of arguments without effect; of each only once in a process."""
    fresh = sorted(set(names) - _named)
    if fresh:
        _named.update(fresh)
        warn(f"edge_med.compat ignores {', '.join(fresh)}: {why}.", IgnoredWarning)


def take_loading(call: str, given: Mapping[str, Any]) -> None:
    """Accept what only concerns how transformers would load a model.

    Raises:
        UsageError: an argument is unknown.
    """
    refuse_unknown(call, given, LOADING)
    say(given, "weights and device are those of the converted model")


def refuse_unknown(call: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Nothing is dropped silently; what is None counts as absent.

    Raises:
        UsageError: an argument is unknown.
    """
    if unknown := sorted(key for key in given if key not in known and given[key] is not None):
        raise UsageError(f"{call} takes no {', '.join(unknown)}.", DOCS)
