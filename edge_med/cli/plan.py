"""`edge-med plan`: what a model takes on a machine, what goes where, and why."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.naming import QUANTS
from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.columns import columns
from edge_med.cli.options import TYPES, device_options
from edge_med.config import MOST_PARALLEL, LoadOptions
from edge_med.errors import UsageError

if TYPE_CHECKING:
    from edge_med.models.advice import Advice
    from edge_med.models.machine import Machine

_LOAD = LoadOptions()
SIZES = ("weights", "projector", "kv", "compute", "kept", "total", "room")
"""Of a share, in the order of the table's columns."""

SMALL = 0.01
"""GiB below which a third digit is told: micro's weights are 0.002."""


@click.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--quant",
    "quants",
    multiple=True,
    type=click.Choice(QUANTS, case_sensitive=False),
    help="Of the text model; several are planned one after the other.",
)
@click.option(
    "--context",
    type=TYPES["context"],
    default=_LOAD.context,
    show_default=True,
    help="Tokens of prompt and answer together.",
)
@click.option(
    "--kv",
    type=TYPES["kv"],
    default=_LOAD.kv,
    show_default=True,
    help="Type of the KV cache.",
)
@device_options
@click.option(
    "--parallel",
    type=click.IntRange(1, MOST_PARALLEL),
    default=_LOAD.parallel,
    show_default=True,
    help="Sequences at once.",
)
@click.option(
    "--machine", "described", metavar="TEXT", help="Another machine, such as 16GB,gpu=12GB."
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
    """Show what MODEL takes, what goes where, and why.

    Nothing is loaded or downloaded. MODEL is a GGUF file or a folder with one, a checkpoint's
    folder or config.json, or a name that edge-med models lists.
    """
    from edge_med.engine.llama.bindings import verdict
    from edge_med.engine.llama.gpu_help import require_gpus
    from edge_med.models import subjects
    from edge_med.models.advice import advise

    options = LoadOptions(**settings)
    if described is None:
        options = dataclasses.replace(options, copies=verdict().copies)
        require_gpus(options)
    machine = machine_for(described)
    found = [subjects.find(model, quant, machine.memory) for quant in quants or (None,)]
    advices = [
        advise(one, machine, options, subjects.smaller_models(one, machine.memory)) for one in found
    ]
    if as_json:
        click.echo(json.dumps(_json(machine, advices), indent=1))
        return
    for number, advice in enumerate(advices):
        click.echo("\n" * bool(number) + "\n".join(_lines(advice)))
        if advice.warning:
            click.echo(f"warning: {advice.warning}", err=True)


def machine_for(described: str | None) -> Machine:
    """The machine that is described, or this one with its devices.

    Raises:
        UsageError: the description can't be read, or this machine tells nothing of itself.
        EngineError: llama-cpp-python is missing or of another version.
    """
    from edge_med.models.machine import parse_machine, this_machine

    if described is not None:
        return parse_machine(described)
    from edge_med.engine.llama.devices import gpus

    machine = this_machine(gpus())
    if machine is None:
        raise UsageError(
            "This system doesn't tell how much memory it has.",
            "Describe the machine: --machine 16GB,gpu=12GB",
        )
    return machine


def _lines(advice: Advice) -> Iterator[str]:
    placement, subject = advice.placement, advice.subject
    options = placement.options
    yield safe_line(f"{subject.name} {subject.quant} on {_machine(advice.machine)}")
    yield (
        f"{options.context} tokens, KV cache {options.kv}"
        + (f", {options.parallel} sequences" if options.parallel > 1 else "")
        + ("" if subject.projector else ", without a projector")
    )
    yield ""
    yield from columns([("GiB", "layers", *SIZES), *map(_row, placement.shares)])
    if len(placement.shares) > 1:
        yield f"total {_gib(placement.total)} GiB"
    if kept := placement.kept:
        rest = _gib(placement.total - kept)
        yield f"kept is a budget that turns and images fill in time; {rest} GiB without it"
    yield ""
    yield from advice.reasons
    yield _largest(advice)
    if advice.tokens_per_second:
        yield f"At most {advice.tokens_per_second:.1f} tokens of an answer a second."
    if small := advice.smaller:
        where = f", {small.gpu_layers} layers on devices" if small.gpu_layers else ""
        yield f"Next smaller: {small.name} {small.quant}, {_gib(small.total)} GiB{where}."


def _largest(advice: Advice) -> str:
    if not advice.largest_context:
        return "Largest context: none fits."
    if advice.placement.fits and advice.largest_context < advice.placement.options.context:
        return f"Largest context: {advice.largest_context} tokens, which the model is made for."
    stays = advice.placement.fits and len(advice.placement.shares) > 1
    beside = ", everything staying where it is" if stays else ""
    return f"Largest context: {advice.largest_context} tokens{beside}."


def _row(share: Any) -> list[str]:
    sizes = (max(0, getattr(share, name)) for name in SIZES)
    return [share.device, str(share.layers), *(_gib(size) if size else "-" for size in sizes)]


def _machine(machine: Machine) -> str:
    memory = f"{_gib(machine.room)} of {_gib(machine.memory)} GiB free"
    devices = "".join(f", {d.name} {_gib(d.free)} GiB" for d in machine.devices)
    return f"{machine.name}: {memory}{devices}{', shared' if machine.unified else ''}"


def _gib(size: float) -> str:
    gib = size / (1 << 30)
    return f"{gib:.2f}" if gib >= SMALL else f"{gib:.3f}"


def _json(machine: Machine, advices: list[Advice]) -> dict[str, Any]:
    return {"machine": dataclasses.asdict(machine), "plans": list(map(_plan_json, advices))}


def _plan_json(advice: Advice) -> dict[str, Any]:
    placement, options = advice.placement, advice.placement.options
    shares = [{**dataclasses.asdict(share), "total": share.total} for share in placement.shares]
    return {
        "model": advice.subject.name,
        "quant": advice.subject.quant,
        "fits": placement.fits,
        "context": options.context,
        "kv": options.kv,
        "parallel": options.parallel,
        "gpu_layers": placement.gpu_layers,
        "layers": placement.layers,
        "projector_device": options.projector_device if advice.subject.projector else None,
        "shares": shares,
        "total": placement.total,
        "reasons": advice.reasons,
        "largest_context": advice.largest_context,
        "tokens_per_second": advice.tokens_per_second,
        "smaller": dataclasses.asdict(advice.smaller) if advice.smaller else None,
        "warning": advice.warning,
    }
