"""`edge-med view --list`: the series of a folder, a zip or a file, and which would be taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.render.table import columns
from edge_med.cli.render.wrapping import say
from edge_med.errors import EdgeMedError
from edge_med.plain_json import plain

if TYPE_CHECKING:
    from edge_med.imaging import Contents
    from edge_med.imaging.slice_geometry import Slice
    from edge_med.imaging.volume.contents import Series
    from edge_med.imaging.volume.series_choice import SeriesChoice
    from edge_med.imaging.volume.stacks import Stack

_HEAD = ("", "series", "", "images", "size", "mm")

_MOST = 12
"""Stacks of a series that have a line each; of more, as of a series over time, the first do."""


def print_list(path: Path | bytes, wanted: str | None, *, as_json: bool) -> None:
    """Print what there is.

    Raises:
        ImageError: there is no DICOM image that can be read.
        UsageError: a series is wanted that isn't there.
    """
    from edge_med import imaging

    contents = imaging.contents(path)
    facts = list(_facts(contents))
    taken, why, notices = _taken(contents, wanted)
    notices += contents.left_out
    if as_json:
        data = {"series": facts, "chosen": taken, "reason": why, "notices": notices}
        click.echo(json.dumps(plain(data), indent=1))
        return
    people = len(contents.identities(0)) > 1 or len(contents.identities(1)) > 1
    shown = [fact for fact in facts if _place(fact) <= _MOST]
    rows = [_HEAD + (("patient", "study") if people else ())]
    lines = columns([*rows, *(_row(fact, taken, people=people) for fact in shown)], left=(0, 1, 2))
    width = max(map(len, lines))
    for line, more in zip(lines, ["", *map(_more, shown)], strict=True):
        click.echo(safe_line(f"{line:<{width}}  {more}".rstrip()))
    if left := len(facts) - len(shown):
        click.echo(f"{left} more aren't shown here. --json lists all.")
    for notice in notices:
        say(notice)


def _taken(there: Contents, wanted: str | None) -> tuple[str | None, str, list[str]]:
    """What would be taken, and what would be said of it, or against it."""
    from edge_med.imaging.volume import series_choice

    try:
        choice = series_choice.choose(there, wanted)
    except EdgeMedError as error:
        if wanted is not None:
            raise
        step = error.hint or ""
        if "`series`" in step:
            step = "Choose one, as with --series 1."
        return None, "", [f"{error.message} {step}".strip()]
    return choice.series or None, choice.why, [*_of_singles(choice), *choice.notices]


def _of_singles(choice: SeriesChoice) -> Iterator[str]:
    """What is taken where there is no volume."""
    from edge_med.imaging.volume.slice_selection import MOST

    count = len(choice.slices)
    if choice.volume or count == 1:
        return
    if count <= MOST[False]:
        yield f"The {count} images aren't a volume, so each is shown as a picture."
    else:
        yield f"The {count} images aren't a volume. Choose some of them, as with --slices 5."


def _facts(there: Contents) -> Iterator[dict[str, Any]]:
    """What is known of each series, and of each of its stacks if there are several."""
    ranks = [{word: n for n, word in enumerate(_first_seen(there, which), 1)} for which in (0, 1)]
    for one in there.series:
        identity = one.slices[0].identity
        known = {"patient": ranks[0].get(identity[0]), "study": ranks[1].get(identity[1])}
        stacks: tuple[Stack | None, ...] = one.stacks or (None,)
        for stack in stacks:
            slices = stack.slices if stack else one.slices
            yield {
                "number": one.name(stack) if stack else str(one.number),
                **_of_slices(one, slices),
                "description": stack.part if stack else "",
                "doubt": stack.doubt if stack else "",
                **known,
            }


def _first_seen(there: Contents, which: int) -> list[str]:
    """The patients or studies in their order; images without such a sign aren't one of them."""
    signs = (p.identity[which] for one in there.series for p in one.slices)
    return list(dict.fromkeys(sign for sign in signs if sign))


def _of_slices(one: Series, slices: tuple[Slice, ...]) -> dict[str, Any]:
    first = slices[0]
    return {
        "modality": one.modality or None,
        "plane": first.plane if one.stacks else "",
        "images": len(slices),
        "rows": first.rows,
        "columns": first.columns,
        "thickness": first.thickness,
        "kernel": first.kernel,
        "sequence": first.sequence,
    }


def _place(fact: dict[str, Any]) -> int:
    return int(fact["number"].partition(".")[2] or 1)


def _row(fact: dict[str, Any], taken: str | None, *, people: bool) -> tuple[str, ...]:
    kind = " ".join(filter(None, (fact["modality"] or "another modality", fact["plane"])))
    mm = "" if fact["thickness"] is None else f"{fact['thickness']:g}"
    size = f"{fact['columns']} x {fact['rows']}"
    identity = tuple(str(fact[sign] or "-") for sign in ("patient", "study")) if people else ()
    mark = "*" if fact["number"] == taken else ""
    return (mark, fact["number"], kind, str(fact["images"]), size, mm, *identity)


def _more(fact: dict[str, Any]) -> str:
    """What there is in words: kernel or sequence, and which of its series it is."""
    return ", ".join(filter(None, (fact["kernel"], fact["sequence"], fact["description"])))
