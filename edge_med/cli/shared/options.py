"""Flags that several commands share, and what becomes of them: one table a group."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from edge_med.artifacts.file_names import path_and_scale
from edge_med.config import (
    LONGEST_ANSWER,
    LONGEST_CONTEXT,
    MOST_LAYERS,
    MOST_THREADS,
    GpuLayers,
    LoadOptions,
    Options,
)
from edge_med.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_LOAD, _ANSWER = LoadOptions(), Options()

MACHINE = "Another machine, such as 16GB,gpu=12GB, or 16GB,unified for a Mac."
CONTEXT = "How much text and images fit (tokens; an image about 260, a page about 700)."
KV = "Memory format of the conversation: q8_0 needs about half of f16."
FIT = "Non-square images: add black borders (pad) or distort (stretch)."

TYPES: dict[str, click.ParamType[Any]] = {
    "model": click.STRING,
    "context": click.IntRange(16, LONGEST_CONTEXT),
    "kv": click.Choice(["f16", "q8_0"]),
    "memory": click.Choice(["plan", "warn", "ignore"]),
    "threads": click.IntRange(1, MOST_THREADS),
    "fit": click.Choice(["pad", "stretch"]),
    "think": click.Choice(["off", "auto", "on"]),
    "max_new_tokens": click.IntRange(1, LONGEST_ANSWER),
}
"""Flags that may also be in config.toml, by their keys there."""

ENVIRONMENT = {"model": "EDGE_MED_MODEL", "threads": "EDGE_MED_THREADS"}
"""Environment variables of flags, which count before config.toml."""

memory_option = click.option(
    "--memory",
    type=TYPES["memory"],
    default=_LOAD.memory,
    show_default=True,
    help="If memory is too small: refuse (plan), warn, or try anyway (ignore).",
)

threads_option = click.option(
    "--threads",
    type=TYPES["threads"],
    envvar=ENVIRONMENT["threads"],
    help="Number of compute threads. Default: all usable performance cores.",
)


def _known_models(
    _ctx: click.Context, _option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names in the models' folder, and files."""
    from edge_med.library import store

    names = (name for name in store.names() if name.startswith(incomplete))
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


model_option = click.option(
    "--model",
    type=TYPES["model"],
    shell_complete=_known_models,
    envvar=ENVIRONMENT["model"],
    metavar="NAME|PATH",
    help="Model file, folder or name. Default: the one that is installed.",
)


class Layers(click.ParamType[GpuLayers]):
    """A number of layers, or `auto`."""

    name = "layers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GpuLayers:
        """The number, or `auto`."""
        if value == "auto" or isinstance(value, int):
            return cast("GpuLayers", value)
        if not value.isdecimal():
            self.fail(f"'{value}' is neither auto nor a number of layers.", param, ctx)
        return int(click.IntRange(0, MOST_LAYERS).convert(value, param, ctx))


class NumberList(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them."""

    name = "parts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The numbers; whether they can be parts is said by `LoadOptions`."""
        if isinstance(value, tuple):  # the default
            return value
        try:
            return tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"'{value}' isn't a list of numbers, such as 3,1.", param, ctx)


_DEVICES: tuple[Decorator, ...] = (
    click.option(
        "--device",
        default=_LOAD.device,
        show_default=True,
        metavar="auto|cpu|NAME",
        help="Compute on the CPU or a GPU (names: edge-med doctor).",
    ),
    click.option(
        "--gpu-layers",
        type=Layers(),
        default=_LOAD.gpu_layers,
        show_default=True,
        metavar="auto|N",
        help="How many of the model's layers go on the GPU.",
    ),
    click.option(
        "--tensor-split",
        type=NumberList(),
        default=_LOAD.tensor_split,
        metavar="A,B,…",
        help="Proportions of the layers on each device, such as 3,1. Default: one device "
        "after the other is filled.",
    ),
    click.option(
        "--tensor-override",
        "tensor_overrides",
        multiple=True,
        metavar="REGEX=DEVICE",
        help="Place the layers' tensors whose name matches REGEX on DEVICE or cpu. May be "
        "given several times.",
    ),
    click.option(
        "--projector-device",
        default=_LOAD.projector_device,
        show_default=True,
        metavar="auto|cpu|NAME",
        help="Where images are processed.",
    ),
)

context_option = click.option(
    "--context",
    type=TYPES["context"],
    default=_LOAD.context,
    show_default=True,
    help=CONTEXT,
)

_MODEL: tuple[Decorator, ...] = (
    model_option,
    click.option(
        "--adapter",
        "adapters",
        multiple=True,
        metavar="PATH[=SCALE]",
        help="LoRA adapter to apply, with its scale (default 1). May be given several times.",
    ),
    context_option,
    click.option(
        "--kv",
        type=TYPES["kv"],
        default=_LOAD.kv,
        show_default=True,
        help=KV,
    ),
    *_DEVICES,
    memory_option,
    threads_option,
)

_ANSWERS: tuple[Decorator, ...] = (
    click.option("--system", help="Instructions for the model, sent before the conversation."),
    click.option(
        "--fit",
        type=TYPES["fit"],
        default=_ANSWER.fit,
        show_default=True,
        help=FIT,
    ),
    click.option(
        "--think",
        type=TYPES["think"],
        default=_ANSWER.think,
        show_default=True,
        help="Let the model reason first: off, auto, on.",
    ),
    click.option(
        "--think-budget",
        type=click.IntRange(0, LONGEST_ANSWER),
        default=_ANSWER.think_budget,
        show_default=True,
        help="Longest reasoning, in tokens.",
    ),
    click.option(
        "--max-new-tokens",
        type=TYPES["max_new_tokens"],
        default=_ANSWER.max_new_tokens,
        show_default=True,
        help="Longest answer, in tokens (1024 is about 750 words).",
    ),
    click.option(
        "--temperature",
        type=float,
        default=0.0,
        help="Randomness; 0 (default) gives the same answer each time.",
    ),
    click.option(
        "--top-k",
        type=int,
        default=0,
        help="Consider only the K most likely words; 0 (default): all.",
    ),
    click.option(
        "--top-p",
        type=float,
        default=1.0,
        help="Consider only the most likely words that together have this probability; 1 "
        "(default): all.",
    ),
    click.option(
        "--min-p",
        type=float,
        default=0.0,
        help="Leave out words with less than this share of the best word's probability; 0 "
        "(default): none.",
    ),
    click.option(
        "--seed",
        type=int,
        help="Number that makes random answers repeatable. Default: a new one each time.",
    ),
    click.option(
        "--stop",
        multiple=True,
        metavar="TEXT",
        help="Text that ends the answer. May be given several times.",
    ),
)

_OUTPUT: tuple[Decorator, ...] = (
    click.option(
        "--quiet",
        is_flag=True,
        help="Leave out notices, except that an answer is incomplete or means nothing.",
    ),
    click.option("--verbose", is_flag=True, help="Show the model's thoughts and llama.cpp's log."),
)


def together(options: tuple[Decorator, ...]) -> Decorator:
    """One decorator of several."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):  # so that --help has them in the table's order
            command = option(command)
        return command

    return decorate


device_options = together(_DEVICES)
"""What computes: a command that loads no model has these without `model_options`."""

model_options = together(_MODEL)
"""Which model, and how it is loaded; `load_settings` takes them."""

answer_options = together(_ANSWERS)
"""How an answer is written; `answer_settings` takes them, besides `system`."""

output_options = together(_OUTPUT)
"""`quiet` and `verbose`."""


def load_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """What `MedGemma.load` is called with besides the model.

    Args:
        settings: values of a command's flags by name; others are ignored.
    """
    return {**_of(LoadOptions, settings), "adapters": list(_scales(settings["adapters"]))}


def answer_settings(settings: dict[str, Any]) -> Options:
    """How answers are written; `settings` are those of `load_settings`."""
    scales = {path.stem: scale for path, scale in _scales(settings["adapters"]).items()}
    return Options(**{**_of(Options, settings), "adapters": scales})


def _of(kind: type[LoadOptions | Options], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that belong to one kind of options."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in settings.items() if name in names}


def _scales(adapters: tuple[str, ...]) -> dict[Path, float]:
    """The adapters' files, each with its scale."""
    scales: dict[Path, float] = {}
    for path, scale in map(path_and_scale, adapters):
        if path in scales:
            raise UsageError(
                f"--adapter names {path.name} twice.", "Give each adapter once, with its scale."
            )
        scales[path] = scale
    return scales
