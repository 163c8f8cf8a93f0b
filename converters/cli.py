"""`edge-med convert`: parse, convert, say what was done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_med.artifacts.file_names import PROJECTOR_TYPES, QUANTS, path_and_scale
from edge_med.artifacts.safe_text import safe_line
from edge_med.units import show_size


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files; it is made if missing.",
)
@click.option(
    "--quant",
    "quants",
    multiple=True,
    type=click.Choice(QUANTS, case_sensitive=False),
    help="Quant of the text model. May be given several times; the checkpoint is read only once.",
)
@click.option(
    "--mmproj",
    default="F16",
    show_default=True,
    type=click.Choice(PROJECTOR_TYPES, case_sensitive=False),
    help="Type of the vision projector, if the model has one.",
)
@click.option("--name", default="", help="Name of the new model; by default the folder's name.")
@click.option(
    "--tensor-type",
    "tensor_types",
    multiple=True,
    metavar="REGEX=TYPE",
    help="Another type for tensors whose GGUF name matches, such as 'attn_v=Q8_0'.",
)
@click.option(
    "--source-id",
    default="",
    help="Name of the source for the records, such as google/medgemma-4b-it.",
)
@click.option("--revision", default="", help="Revision of the source, for the records.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    envvar="EDGE_MED_THREADS",
    help="Number of threads that quantize; by default the number of usable cores.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder of the base model, which supplies the small files that a fine-tune lacks.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="FOLDER[=SCALE]",
    help="Folder of a PEFT LoRA adapter to merge; several are merged in their order.",
)
@click.option(
    "--as-gguf",
    is_flag=True,
    help="Write no model, but the text part of each --adapter as a GGUF file for ask and chat.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress, and no times of the stages.")
@click.option("--verbose", is_flag=True, help="List every tensor, with --dry-run or --as-gguf.")
@click.pass_context
def convert(
    ctx: click.Context,
    /,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    as_gguf: bool,
    **options: Any,
) -> None:
    """Turn a downloaded MedGemma folder into files edge-med can run.

    CHECKPOINT is the folder, as Hugging Face has it. A multimodal model's vision
    projector comes with them, and a manifest with all hashes.
    """
    # Imported here so that `edge-med --help` stays light.
    from converters.conversion_plan import make_plan
    from converters.pipeline import run
    from converters.request import ConversionRequest

    options["source"] = options.pop("checkpoint")
    options["adapters"] = tuple(map(path_and_scale, options.pop("adapters")))
    if as_gguf:
        from converters.adapter_cli import convert_adapters

        convert_adapters(options, _given(ctx), dry_run=dry_run, as_json=as_json, verbose=verbose)
        return
    if not options["quants"]:
        raise click.MissingParameter(ctx=ctx, param=_parameter(ctx, "quants"))
    with _waiting("reading the checkpoint", hidden=quiet):
        plan = make_plan(ConversionRequest(**options))
    if dry_run:
        _print_plan(plan, as_json=as_json, verbose=verbose)
        return
    with _progress(plan.checkpoint.data_size, hidden=quiet) as advance:
        done = run(plan, advance)
    _print_result(done, plan, as_json=as_json, quiet=quiet)


def _given(ctx: click.Context) -> dict[str, str]:
    """The options that stand on the command line, with their flags."""
    return {
        str(one.name): one.opts[0]
        for one in ctx.command.params
        if ctx.get_parameter_source(str(one.name)) is ParameterSource.COMMANDLINE
    }


def _parameter(ctx: click.Context, name: str) -> click.Parameter:
    return next(one for one in ctx.command.params if one.name == name)


def _waiting(what: str, *, hidden: bool) -> AbstractContextManager[object]:
    """A sign of life on stderr for the seconds in which nothing can be counted."""
    from rich.console import Console

    console = Console(stderr=True)
    return nullcontext() if hidden or not console.is_terminal else console.status(what)


@contextmanager
def _progress(total: int, *, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with rate and time left; nothing where stderr isn't a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("converting"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    silent = hidden or not console.is_terminal
    with Progress(*columns, console=console, disable=silent, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, _total: bar.update(task, completed=done)


def _print_result(done: Any, plan: Any, *, as_json: bool, quiet: bool) -> None:
    seconds = {stage: round(spent, 2) for stage, spent in done.seconds.items()}
    folder = plan.request.folder
    files = [
        {"path": e.path, "role": e.role, "quant": e.quant, "size": e.size, "sha256": e.sha256}
        for e in done.manifest.files
        if e.path in done.written
    ]
    if as_json:
        result = {"folder": str(folder), "files": files, "recovered": done.recovered}
        result |= {"seconds": seconds, "notice": plan.notice, "warnings": _warnings(plan)}
        click.echo(json.dumps(result, indent=1))
        return
    for name in done.recovered:
        click.echo(f"recovered from an interrupted run: {safe_line(name)}", err=True)
    for file in files:
        click.echo(f"{show_size(file['size'])}  {safe_line(str(folder / file['path']))}")
    if not quiet:
        work = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
        click.echo(f"work of all threads: {work}", err=True)
    _print_warnings(plan)
    click.echo(plan.notice, err=True)
    if not plan.licence:
        click.echo(
            "The checkpoint doesn't say which terms apply; --source-id can say it.", err=True
        )


def _print_plan(plan: Any, *, as_json: bool, verbose: bool) -> None:
    from converters.estimate import estimate_seconds, memory_bound

    seconds = estimate_seconds(plan)
    if as_json:
        click.echo(json.dumps(_plan_as_data(plan, seconds), indent=1))
        return
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    click.echo(
        f"{show_size(plan.size)} in {files}, from {show_size(plan.checkpoint.size)}; about "
        f"{max(1, round(seconds))} s on this machine, {show_size(memory_bound(plan))} of memory at "
        "the most. Nothing was written."
    )
    _print_warnings(plan)
    adapters = _adapters(plan)
    for one in adapters:
        click.echo(f"{safe_line(one.name)}  strength {one.strength:g}  sha256 {one.sha256}")
    for file in plan.files:
        click.echo(f"{file.name}  {show_size(file.size)}  {len(file.tensors)} tensors")
        for t in file.tensors if verbose else ():
            shape = "x".join(map(str, t.shape))
            source = safe_line(t.source.name)
            mark = _mark(adapters, t.name) if t.change else ""
            click.echo(f"  {t.name:<32} {t.type.name:<7} {shape:>14} {t.size:>12,}  {source}{mark}")


def _adapters(plan: Any) -> Any:
    """What the manifest will say of the adapters."""
    from converters.lora.records import records
    from converters.slabs import source_files

    return records(plan.adapters, source_files(plan.checkpoint.adapter_files))


def _mark(adapters: Any, tensor: str) -> str:
    """What each adapter does with a tensor, and how strongly."""
    of = [touched for one in adapters for touched in one.tensors if touched.name == tensor]
    return "  merged: " + ", ".join(f"{one.how} {one.scale:g}" for one in of)


def _plan_as_data(plan: Any, seconds: float) -> dict[str, Any]:
    from converters.estimate import memory_bound

    files = [
        {
            "path": file.name,
            "role": file.role,
            "quant": file.quant,
            "size": file.size,
            "tensors": [
                {
                    "name": t.name,
                    "source": t.source.name,
                    "shape": t.shape,
                    "type": t.type.name,
                    "size": t.size,
                }
                for t in file.tensors
            ],
        }
        for file in plan.files
    ]
    return {
        "files": files,
        "size": plan.size,
        "source_size": plan.checkpoint.size,
        "seconds": round(seconds, 3),
        "memory": memory_bound(plan),
        "notice": plan.notice,
        "warnings": _warnings(plan),
        "adapters": [dataclasses.asdict(one) for one in _adapters(plan)],
    }


def _warnings(plan: Any) -> list[dict[str, str]]:
    return [{"code": one.code, "text": one.text} for one in plan.warnings]


def _print_warnings(plan: Any) -> None:
    for one in plan.warnings:
        click.echo(f"note: {safe_line(one.text)}", err=True)
