"""`edge-med plan`: what a model takes on a machine, what goes where, and why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.file_names import QUANTS
from edge_med.cli.render.table import columns
from edge_med.cli.render.wrapping import say
from edge_med.cli.shared.options import CONTEXT, KV, MACHINE, TYPES, device_options
from edge_med.config import MOST_PARALLEL, LoadOptions, Options
from edge_med.errors import UsageError
from edge_med.units import MIB, gib, show_size

if TYPE_CHECKING:
    from edge_med.planner.explain import Advice
    from edge_med.planner.machine import Machine
    from edge_med.planner.placement_types import ModelSpec, Placement

_LOAD = LoadOptions()
COLUMNS = {
    **{name: name for name in ("weights", "projector", "kv", "compute")},
    "caches": "cache_budget",
    "total": "total",
    "budget": "budget",
}
"""Headings of the table's columns, each with the attribute of a device's plan."""

PAGE = 700
"""Tokens of a page of text: about 500 words."""


@click.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--quant",
    "quants",
    multiple=True,
    type=click.Choice(QUANTS, case_sensitive=False),
    help="Quantization of the text model. May be given several times.",
)
@click.option(
    "--context",
    type=TYPES["context"],
    default=_LOAD.context,
    show_default=True,
    help=CONTEXT,
)
@click.option(
    "--kv",
    type=TYPES["kv"],
    default=_LOAD.kv,
    show_default=True,
    help=KV,
)
@device_options
@click.option(
    "--parallel",
    type=click.IntRange(1, MOST_PARALLEL),
    default=_LOAD.parallel,
    show_default=True,
    help="Conversations at the same time.",
)
@click.option(
    "--machine",
    "described",
    metavar="TEXT",
    help=MACHINE,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    model: str,
    *,
    quants: tuple[str, ...],
    described: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Check whether a model fits this machine, and how much memory it uses.

    Nothing is loaded or downloaded. MODEL is a GGUF file or a folder with one, a checkpoint's
    folder or config.json, or a name that edge-med models lists.
    """
    from edge_med.engine.llama.bindings import verdict
    from edge_med.engine.llama.gpu_help import require_gpus
    from edge_med.planner import model_spec
    from edge_med.planner.explain import advise

    options = LoadOptions(**settings)
    if described is None:
        options = dataclasses.replace(options, copies=verdict().copies)
        require_gpus(options)
    machine = machine_for(described)
    found = [model_spec.find(model, quant, machine.memory) for quant in quants or (None,)]
    advices = [
        advise(one, machine, options, model_spec.smaller_models(one, machine.memory))
        for one in found
    ]
    if as_json:
        click.echo(json.dumps(_json(machine, advices), indent=1))
        return
    for number, advice in enumerate(advices):
        click.echo("\n" * bool(number), nl=False)
        _print(advice, model, elsewhere=described is not None)


def machine_for(described: str | None) -> Machine:
    """The machine that is described, or this one with its devices.

    Raises:
        UsageError: the description can't be read, or this machine's memory isn't known.
        EngineError: llama-cpp-python is missing or of another version.
    """
    from edge_med.planner.machine import parse_machine, this_machine

    if described is not None:
        return parse_machine(described)
    from edge_med.engine.llama.devices import gpus

    machine = this_machine(gpus())
    if machine is None:
        raise UsageError(
            "The size of this machine's memory isn't known.",
            "Describe the machine: --machine 16GB,gpu=12GB",
        )
    return machine


def _print(advice: Advice, model: str, *, elsewhere: bool) -> None:
    """The verdict, then the table, then the reasons."""
    for line in (_verdict(advice), *_head(advice, model)):
        say(line, err=False)
    if advice.warning:
        say(f"warning: {advice.warning}")
    click.echo("\n".join(("", *_table(advice.placement), "")))
    for line in _reasons(advice, elsewhere=elsewhere):
        say(line, err=False)


def _verdict(advice: Advice) -> str:
    placement = advice.placement
    if placement.fits and advice.largest_context < placement.options.context:
        own = advice.largest_context
        return f"Fits, but the model was trained with {own:,} tokens at most: --context {own}."
    if placement.fits:
        return "Fits."
    return f"Doesn't fit: {show_size(max(MIB, placement.missing))} short."


def _head(advice: Advice, model: str) -> Iterator[str]:
    """What was planned, where, and what it takes of memory and disk."""
    from edge_med.library.registry import registry
    from edge_med.planner.model_spec import in_quant

    placement, spec = advice.placement, advice.spec
    options = placement.options
    yield f"{spec.name} {spec.quant} on {_machine(advice.machine)}"
    yield (
        f"{options.context} tokens ({_worth(advice)}), KV cache {options.kv}"
        + (f", {options.parallel} sequences" if options.parallel > 1 else "")
        + ("" if spec.projector else ", without a projector")
    )
    files = show_size(_bytes(spec))
    known = in_quant(spec, "BF16") if model in registry() else None
    source = show_size(_bytes(known)) if known else ""
    disk = f", and {source} for its checkpoint until it is converted" if source else ""
    yield f"Memory: {show_size(placement.total)}. Disk: files of {files}{disk}."


def _worth(advice: Advice) -> str:
    """What so many tokens hold, besides an answer."""
    from edge_med.artifacts.vision_facts import vision_facts
    from edge_med.imaging.volume.slice_budget import AROUND, QUESTION

    free = advice.placement.options.context - Options().max_new_tokens - QUESTION
    pages = f"about {max(0, free) // PAGE} pages of text"
    if (projector := advice.spec.projector) is None:
        return pages
    images = max(0, free) // (vision_facts(projector).tokens + AROUND)
    return f"{pages}, or {images} images"


def _bytes(spec: ModelSpec) -> int:
    """Of its files' tensors."""
    from edge_med.planner.sizes import tensor_bytes

    projector = tensor_bytes(spec.projector) if spec.projector else 0
    return tensor_bytes(spec.text) + projector


def _table(placement: Placement) -> Iterator[str]:
    yield from columns([("GiB", "layers", *COLUMNS), *map(_row, placement.devices)])
    if len(placement.devices) > 1:
        yield f"total {show_size(placement.total)}"
    if caches := placement.cache_budget:
        rest = show_size(placement.total - caches)
        yield f"caches: grow with use up to this; {rest} at the start"


def _reasons(advice: Advice, *, elsewhere: bool) -> Iterator[str]:
    """The reasons, the longest context, the speed, and a smaller model."""
    yield from advice.reasons
    yield _largest(advice)
    if advice.tokens_per_second:
        yield f"Speed: at most {advice.tokens_per_second:.1f} tokens a second."
    elif not elsewhere:
        yield "Speed: not known. edge-med doctor measures it."
    if small := advice.smaller:
        where = f", {small.gpu_layers} layers on devices" if small.gpu_layers else ""
        yield f"Next smaller: {small.name} {small.quant}, {show_size(small.total)}{where}."


def _largest(advice: Advice) -> str:
    if not advice.largest_context:
        return "Longest context: none fits."
    if advice.placement.fits and advice.largest_context < advice.placement.options.context:
        return f"Longest context: {advice.largest_context:,} tokens, the model's own limit."
    stays = advice.placement.fits and len(advice.placement.devices) > 1
    moving = " without moving layers" if stays else ""
    return f"Longest context{moving}: {advice.largest_context:,} tokens."


def _row(share: Any) -> list[str]:
    sizes = (max(0, getattr(share, name)) for name in COLUMNS.values())
    return [share.device, str(share.layers), *(gib(size) if size else "-" for size in sizes)]


def _machine(machine: Machine) -> str:
    memory = f"{gib(machine.free_memory)} of {gib(machine.memory)} GiB free"
    devices = "".join(f", {d.name} {show_size(d.free)}" for d in machine.devices)
    return f"{machine.name}: {memory}{devices}{', shared' if machine.unified else ''}"


def _json(machine: Machine, advices: list[Advice]) -> dict[str, Any]:
    return {"machine": dataclasses.asdict(machine), "plans": list(map(_plan_json, advices))}


def _plan_json(advice: Advice) -> dict[str, Any]:
    placement, options = advice.placement, advice.placement.options
    devices = [{**dataclasses.asdict(one), "total": one.total} for one in placement.devices]
    return {
        "model": advice.spec.name,
        "quant": advice.spec.quant,
        "fits": placement.fits,
        "context": options.context,
        "kv": options.kv,
        "parallel": options.parallel,
        "gpu_layers": placement.gpu_layers,
        "layers": placement.layers,
        "projector_device": options.projector_device if advice.spec.projector else None,
        "devices": devices,
        "total": placement.total,
        "reasons": advice.reasons,
        "largest_context": advice.largest_context,
        "tokens_per_second": advice.tokens_per_second,
        "smaller": dataclasses.asdict(advice.smaller) if advice.smaller else None,
        "warning": advice.warning,
    }
