"""`edge-med models`: what is here, what could be, how large it is, and whether it fits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.commands.plan import machine_for
from edge_med.cli.render.table import columns
from edge_med.cli.shared.options import MACHINE
from edge_med.units import gib, show_size

if TYPE_CHECKING:
    from edge_med.library.inventory import StoredModel
    from edge_med.library.registry import RegisteredModel
    from edge_med.planner.machine import Machine
    from edge_med.planner.placement_types import Placement

SHOWN = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS")
"""The columns, as many as 80 characters take; --json has all quants."""


@click.group(invoke_without_command=True)
@click.option(
    "--machine",
    "described",
    metavar="TEXT",
    help=MACHINE,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models(ctx: click.Context, *, described: str | None, as_json: bool) -> None:
    """List installed models, and which ones fit this machine."""
    if ctx.invoked_subcommand:
        return
    from edge_med.library.inventory import stored
    from edge_med.library.registry import registry

    machine, here = machine_for(described), stored()
    placements = {one.id: _placements(one, machine) for one in registry().values()}
    if as_json:
        click.echo(json.dumps(_json(here, placements), indent=1))
        return
    click.echo("\n".join((*_here(here), "", *_known(placements, machine))))


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
def rm(name: str, *, yes: bool) -> None:
    """Delete the model NAME from the models' folder."""
    from edge_med.library import inventory

    inventory.folder_of(name)
    size = next(one.size for one in inventory.stored() if one.name == name)
    if not yes:
        question = f"Delete {safe_line(name)}, {show_size(size)}?"
        if not click.confirm(question, err=True):
            click.echo("Nothing was deleted.", err=True)
            return
    left = inventory.remove(name)
    click.echo(f"Deleted {safe_line(name)}.", err=True)
    if left:
        click.echo(
            f"Not deleted, because these aren't a model's files: {safe_line(', '.join(left))}",
            err=True,
        )


@models.command()
def du() -> None:
    """Show how much each model takes on the disk."""
    from edge_med.library.inventory import stored

    sizes = {one.name: one.size for one in stored()}
    for name, size in (*sizes.items(), ("total", sum(sizes.values()))):
        click.echo(f"{show_size(size):>12}  {safe_line(name)}")


@models.command()
@click.argument("name", metavar="[NAME]", required=False)
def path(name: str | None) -> None:
    """Show where the models' folder is, or that of the model NAME."""
    from edge_med.library import inventory, store

    click.echo(safe_line(str(inventory.folder_of(name) if name else store.models_folder())))


def _placements(one: RegisteredModel, machine: Machine) -> dict[str, Placement]:
    """The model on the machine in every quant."""
    from edge_med.artifacts.file_names import QUANTS
    from edge_med.config import LoadOptions
    from edge_med.planner.model_spec import spec_of
    from edge_med.planner.placement import place

    return {quant: place(spec_of(one, quant), machine, LoadOptions()) for quant in QUANTS}


def _here(here: tuple[StoredModel, ...]) -> Iterator[str]:
    if not here:
        yield "No model installed. See docs/guide/first-answer.md."
        yield "To use a GGUF file that you have, give its path: edge-med chat --model FILE"
        return
    rows = [("here", "GiB", "quants")]
    for one in here:
        quants = " ".join(quant for quant, _ in one.quants)
        text = one.problem or quants + (", reads images" if one.projector else "")
        rows.append((safe_line(one.name), gib(one.size), safe_line(text)))
    yield from columns(rows, left=(0, 2))


def _known(placements: Mapping[str, Mapping[str, Placement]], machine: Machine) -> Iterator[str]:
    from edge_med.library.registry import registry

    rows: list[tuple[str, ...]] = [("known models, GiB", *SHOWN)]
    for name, by_quant in placements.items():
        one = registry()[name]
        best = one.quant_for(machine.memory)
        sizes = (_cell(one, quant, by_quant[quant], best) for quant in SHOWN)
        rows.append((name, *sizes))
    yield from columns(rows)
    yield f"(in brackets): too large for {machine.name}.  *: recommended."
    yield "Q4_K_M writes about 1.5 times as fast as Q8_0, which is nearer to the original."


def _cell(one: RegisteredModel, quant: str, placement: Placement, best: str) -> str:
    size = gib(file_size(one, quant))
    mark = "*" if quant == best else ""
    return f"{mark}{size}" if placement.fits else f"({mark}{size})"


def file_size(one: RegisteredModel, quant: str) -> int:
    """Bytes that the tensors of text model and projector take on the disk."""
    from edge_med.planner.model_spec import spec_of
    from edge_med.planner.sizes import tensor_bytes

    subject = spec_of(one, quant)
    projector = tensor_bytes(subject.projector) if subject.projector else 0
    return tensor_bytes(subject.text) + projector


def _json(
    here: tuple[StoredModel, ...], placements: Mapping[str, Mapping[str, Placement]]
) -> dict[str, Any]:
    from edge_med.library.registry import registry

    return {
        "installed": [
            {
                "name": one.name,
                "quants": [{"quant": quant, "size": size} for quant, size in one.quants],
                "projector": one.projector,
                "size": one.size,
                "problem": one.problem,
            }
            for one in here
        ],
        "registered": [
            _known_json(registry()[name], by_quant) for name, by_quant in placements.items()
        ],
    }


def _known_json(one: RegisteredModel, by_quant: Mapping[str, Placement]) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "hub": one.hub,
        "revision": one.revision,
        "licence": one.licence.name,
        "terms": one.licence.url,
        "recommended": [{"memory": size, "quant": quant} for size, quant in one.recommended],
        "scores": [{"name": name, "score": score} for name, score in one.scores.items()],
        "score_source": one.score_source,
        "quants": [
            {
                "quant": quant,
                "size": file_size(one, quant),
                "memory": placement.total,
                "fits": placement.fits,
                "gpu_layers": placement.gpu_layers,
            }
            for quant, placement in by_quant.items()
        ],
    }
