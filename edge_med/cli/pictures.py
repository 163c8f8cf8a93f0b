"""Images of the command line, opened for a model, and what the user should know of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.shell_completion import CompletionItem

from edge_med.artifacts.safe_text import safe_line
from edge_med.errors import ImageError, blind

if TYPE_CHECKING:
    from edge_med.api import MedGemma
    from edge_med.config import Options
    from edge_med.imaging import Picture, Study


class ImageSource(click.ParamType["Path | bytes"]):
    """A path, or a `file:` or `data:` URL."""

    name = "image"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> Path | bytes:
        """The path of an image, or its bytes; errors are those of an image."""
        from edge_med.imaging.addresses import resolve

        return resolve(value) if isinstance(value, str) else value

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files."""
        return [CompletionItem(incomplete, type="file")]


IMAGE = ImageSource()


def pictures_of(
    paths: Sequence[Path | bytes],
    model: MedGemma,
    options: Options,
    settings: Mapping[str, Any],
    *,
    quiet: bool,
    force: bool,
) -> list[Picture | Study]:
    """Open images for a model; what is chosen or odd is told on stderr.

    Args:
        paths: files, folders or zips, or the bytes of one.
        model: that they are for.
        options: of the answer.
        settings: with `threads`, and with `slices`, `windows` and `frame` of `series_options`.
        quiet: tell nothing.
        force: take images that show nothing as well.

    Raises:
        ImageError: one can't be read or shows nothing, or the model can't see.
    """
    from edge_med import imaging

    if paths and model.info.projector is None:
        raise blind()
    room = model.room(options)
    how = {
        "fit": options.fit,
        "side": model.side,
        "slices": settings["slices"],
        "windows": settings["windows"],
        "frame": settings["frame"],
    }
    found = imaging.open_all(paths, room=room, **how)
    if not force:
        refuse_doubtful(found)
    if not quiet:
        for notice in (notice for image in found for notice in notices(image)):
            click.echo(safe_line(notice), err=True)
    return found


def with_tags(prompt: str, images: Sequence[Picture | Study]) -> str:
    """A prompt below what its images' files say of modality, body part and view."""
    lines = [told for image in images if (told := image.about.told())]
    return "\n".join([*lines, "", prompt]) if lines else prompt


def notices(image: Picture | Study) -> Iterator[str]:
    """What the user should know of an image."""
    from edge_med.imaging import remarks

    if plan := getattr(image, "plan", None):
        yield f"{plan}."
        yield from image.notices
    yield from (notice.text for notice in remarks.among(_pictures(image)))


def refuse_doubtful(images: Sequence[Picture | Study]) -> None:
    """Refuse images that show nothing, or too little: an answer about them would be invented.

    Raises:
        ImageError: there is one.
    """
    from edge_med.imaging import remarks

    for number, image in enumerate(images, 1):
        if doubt := remarks.doubt(_pictures(image)):
            which = f" It is image {number} of {len(images)}." if len(images) > 1 else ""
            raise ImageError(doubt.text + which, "Give another; to ask all the same: --force")


def _pictures(image: Picture | Study) -> Sequence[Picture]:
    """What is shown of an image: itself, or its slices."""
    slices: Sequence[Picture] | None = getattr(image, "pictures", None)
    return [cast("Picture", image)] if slices is None else slices
