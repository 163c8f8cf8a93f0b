"""`edge-med demo`: the whole way from checkpoint to answer, offline."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edge_med.answers import DISCLAIMER
from edge_med.cli.commands import demo_images, demo_text
from edge_med.cli.shared.options import threads_option

FOLDER = Path("edge-med-demo")

NEXT = """\
Next:
  edge-med chat --model {model}     talk to the toy about {picture}
  edge-med convert path/to/medgemma-4b-it --out models/medgemma --quant Q4_K_M
                                    the same with MedGemma itself, once you have its checkpoint:
                                    https://huggingface.co/google/medgemma-4b-it
  docs/guide/tutorial.md            an X-ray, a CT, and a report that becomes JSON"""


@click.command(short_help="Try it now without MedGemma: a toy model, no internet.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for all files. Without it, only the small files are kept, in edge-med-demo.",
)
@threads_option
def demo(*, keep: Path | None, threads: int | None) -> None:
    """Try it now without MedGemma: a toy model, no internet, under two minutes.

    A toy model that comes with edge-med is converted and asked about a drawing of an X-ray. If the
    package of the [demo] extra is there, Gemma 3 270M, with real weights, continues a text.
    """
    began = time.perf_counter()
    click.echo(DISCLAIMER)
    folder = keep or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    model, picture = demo_images.show(folder, threads)
    if demo_text.is_installed():
        demo_text.show(keep, threads)
    else:
        click.echo(f"\nTo try real weights too: {demo_text.INSTALL}")
    click.echo(f"\nDone in {time.perf_counter() - began:.0f} s; the files are in {folder}.")
    click.echo(NEXT.format(model=model, picture=picture))
