"""`edge-med doctor`: what this machine and this installation are good for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli import styled
from edge_med.cli.render.table import columns
from edge_med.cli.render.wrapping import say
from edge_med.units import gib

if TYPE_CHECKING:
    from edge_med.doctor import MachineReport

_GPUS = ("gpu", "igpu")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> None:
    """Check this machine and this installation, and say what would make them better.

    It measures for two seconds. Nothing in what it prints is personal.
    """
    from edge_med.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps(_json(report), indent=1))
        return
    for name, value in _facts(report):
        say(value, err=False, first=f"{name:<16} ", indent=" " * 17)
    if report.speeds:
        click.echo("\nEstimated speed on the CPU, in tokens of the answer a second")
        rows = [(s.model, s.quant, f"{s.tokens_per_second:.1f}") for s in report.speeds]
        click.echo("\n".join(map(safe_line, columns(rows, left=(0, 1)))))
    click.echo()
    for finding in report.findings:
        say(finding.problem, err=False, first=f"{styled('could be better:', 'yellow')} ")
        click.echo(f"{styled('to do:', 'cyan')} {safe_line(finding.cure)}")
    if not report.findings:
        click.echo("Nothing needs to be done.")


def _facts(report: MachineReport) -> Iterator[tuple[str, str]]:
    yield "edge-med", report.edge_med
    yield "Python", f"{report.python} on {report.system}"
    wheel = report.llama_cpp_python
    yield "llama.cpp", f"of llama-cpp-python {wheel}" if wheel else "can't be used"
    if wheel:
        yield "built with", " ".join((*report.backends, *report.built_with))
        copied = f", weights copied to {' '.join(report.copies)}" if report.copies else ""
        code = f"{report.cpu_code}{copied}" if report.cpu_code else "none works on this processor"
        yield "CPU code", code
        yield (
            "unused",
            " ".join(report.unused)
            or "nothing: llama.cpp was built with all features of this processor",
        )
    for one in report.devices:
        text = f"{one.description}, {gib(one.free, 1)} of {gib(one.memory, 1)} GiB free"
        yield one.name, text if one.kind in _GPUS else one.description
    if not any(one.kind in _GPUS for one in report.devices):
        there = ", ".join(report.graphics)
        unused = f"none is used, though this machine has graphics from {there}"
        yield "GPU", unused if there else "none"
    yield "cores", f"{report.cores}"
    if report.memory is not None and report.free_memory is not None:
        yield "memory", f"{gib(report.free_memory, 1)} of {gib(report.memory, 1)} GiB free"
    if report.free_disk is not None:
        yield "disk", f"{gib(report.free_disk, 1)} GiB free in the folder of models"
    yield "models", ", ".join(report.models) or "none yet"
    if report.rates:
        rates = (f"{name} {rate / 1e9:.0f}" for name, rate in report.rates.items())
        yield "weights, GB/s", ", ".join(rates)


def _json(report: MachineReport) -> dict[str, object]:
    rates = [{"type": name, "bytes_per_second": rate} for name, rate in report.rates.items()]
    return {**dataclasses.asdict(report), "rates": rates}
