"""`pipeline`: a model with its tokenizer or processor, for one task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_med.compat import hub
from edge_med.compat.arguments import LOADING, refuse_unknown, take_loading
from edge_med.compat.auto_model import OPTIONS, Model
from edge_med.compat.generation_config import refuse_impossible
from edge_med.compat.tasks import CALLS, TASKS, ImageTextToText, TextGeneration
from edge_med.errors import UsageError


def pipeline(
    task: str | None = None,
    model: str | Path | Model | None = None,
    *,
    tokenizer: Any = None,
    processor: Any = None,
    model_kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> TextGeneration | ImageTextToText:
    """A model with its tokenizer or processor.

    Args:
        task: `text-generation` or `image-text-to-text`; by default what the model is made for.
        model: a hub id, a folder's name, a path, or a model that is loaded already.
        tokenizer: only the model's own can be had; so with `processor`.
        processor: see `tokenizer`.
        model_kwargs: more options of `from_pretrained`.
        options: as `AutoModelForCausalLM.from_pretrained` takes them, and what each call takes:
            those are kept for the calls that don't say.

    Raises:
        UsageError: there is no such task or model, or an argument is unknown or can't be had.
        ImageError: the model can't see, and should.
        MemoryShortError: the plan doesn't fit this machine.
    """
    if task is not None and task not in TASKS:
        raise UsageError(
            f"There is no pipeline '{task}' here.",
            f"Use {' or '.join(TASKS)}; a model goes into model='google/medgemma-4b-it'.",
        )
    if model is None:
        raise UsageError("A pipeline needs a model.", "Give model='google/medgemma-4b-it'.")
    refuse_unknown("pipeline", options, LOADING | {*OPTIONS} | CALLS)
    calls = {name: value for name, value in options.items() if name in _KEPT}
    refuse_impossible(calls)
    loading = {name: value for name, value in options.items() if name not in _KEPT}
    found = _model(model, {**(model_kwargs or {}), **loading})
    for own in (tokenizer, processor):
        _check_own(own, found)
    kind = task or ("image-text-to-text" if found.local.sees else "text-generation")
    return TASKS[kind](found, **calls)


_KEPT = CALLS - {"adapters"}  # scales, of a call; files, of the model


def _model(given: str | Path | Model, loading: Mapping[str, Any]) -> Model:
    """A model by its name, or one that is loaded already."""
    if not isinstance(given, Model):
        return Model(hub.find(given), **loading)
    if late := sorted(loading.keys() & {*OPTIONS, "adapters"}):
        raise UsageError(
            f"The model is loaded already, and {', '.join(late)} can't be changed.",
            "Give it to the model's from_pretrained.",
        )
    take_loading("pipeline", loading)
    return given


def _check_own(given: Any, model: Model) -> None:
    """Refuse another model's tokenizer or processor, or one of transformers'.

    Raises:
        UsageError: the tokenizer or processor isn't the model's own.
    """
    if given is None:
        return
    local = hub.find(given) if isinstance(given, str | Path) else getattr(given, "local", None)
    if not isinstance(local, hub.Local) or local.text.resolve() != model.local.text.resolve():
        raise UsageError(
            "That tokenizer or processor isn't the model's own, which alone can be used here.",
            "Leave it out, or open it with edge_med.compat's from_pretrained by the model's name.",
        )
