"""Flags that say what is shown with a question, and how."""

from __future__ import annotations

from pathlib import Path

import click

from edge_med.cli.shared.image_args import IMAGE
from edge_med.cli.shared.options import Decorator, together

ORDERS = ("numbers", "position")
"""As `edge_med.imaging.volume.slice_order` has them, which isn't loaded for a help text."""

FILE = click.Path(path_type=Path)

_SERIES: tuple[Decorator, ...] = (
    click.option(
        "--series",
        metavar="N",
        help="Which series of a folder or zip; edge-med view PATH --list shows the numbers.",
    ),
    click.option(
        "--slices",
        default="auto",
        show_default=True,
        metavar="auto|all|N|A:B:C|A,B,…",
        help="Which CT/MR slices: auto, all, a number of them (20), first:last:step (12:12 is "
        "slice 12), or a list (3,5,7).",
    ),
    click.option(
        "--order",
        type=click.Choice(ORDERS),
        default=ORDERS[0],
        show_default=True,
        help="Order of the slices: as the scanner numbered them, or by position (from feet to "
        "head).",
    ),
    click.option(
        "--windows",
        default="medgemma",
        show_default=True,
        metavar="NAME|LOW:HIGH",
        help="CT window: a name (brain, lung, bone, ...) or LOW:HIGH in HU.",
    ),
    click.option(
        "--frame",
        type=click.IntRange(1),
        metavar="N",
        help="Which frame of a multi-frame DICOM file.",
    ),
)

_SHOWN: tuple[Decorator, ...] = (
    click.option(
        "--image",
        "images",
        multiple=True,
        type=IMAGE,
        metavar="PATH",
        help="Image, DICOM file, or folder/zip of a CT or MR. May be given several times.",
    ),
    click.option(
        "--file",
        "files",
        multiple=True,
        type=FILE,
        metavar="FILE",
        help="Text file, such as a report, sent before the question (UTF-8, or UTF-16 with a "
        "byte order mark). May be given several times.",
    ),
    *_SERIES,
    click.option(
        "--tags",
        is_flag=True,
        help="Tell the model modality, body part and view, as the image's file has them.",
    ),
)

series_options = together(_SERIES)
"""`series`, `slices`, `order`, `windows` and `frame`: how a series of slices is shown."""

shown_options = together(_SHOWN)
"""`images`, `files`, those of `series_options` and `tags`: what is shown, and how."""
