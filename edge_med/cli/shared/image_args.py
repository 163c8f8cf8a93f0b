"""Images of the command line, opened for a model, and what the user should know of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from edge_med import documents
from edge_med.cli.render.wrapping import say
from edge_med.cli.shared.hints import in_flags
from edge_med.errors import ImageError, blind

if TYPE_CHECKING:
    from edge_med.api import MedGemma
    from edge_med.cli.render.status_line import StatusLine
    from edge_med.config import Options
    from edge_med.imaging import Picture, Study


class ImageSource(click.ParamType["Path | bytes"]):
    """A path, or a `file:` or `data:` URL."""

    name = "image"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> Path | bytes:
        """The path of an image, or its bytes; errors are those of an image."""
        from edge_med.imaging.files.addresses import resolve

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
    live: StatusLine,
    *,
    force: bool,
) -> list[Picture | Study]:
    """Open images for a model; what is chosen or odd is reported on stderr.

    Args:
        paths: paths of files, folders or zips, or bytes of a file.
        model: model that will see them.
        options: options of the answer.
        settings: values of `threads` and of the flags of `series_options`.
        live: status line; where it is quiet, only what isn't shown whole is reported.
        force: whether images that show nothing are accepted.

    Raises:
        ImageError: one can't be read or shows nothing, or the model can't see.
        UsageError: slices or a frame are wanted of what has none.
    """
    from edge_med import imaging
    from edge_med.imaging.volume.unused_options import USED, check_used, unused_windows

    if paths and model.info.projector is None:
        raise blind()
    room = model.slice_budget(options)
    how = {name: settings[name] for name in ("slices", "windows", "frame", "series", "order")}
    found = imaging.open_all(paths, room=room, fit=options.fit, side=model.side, **how)
    check_used(found, **{name: settings[name] for name in USED})
    if (unused := unused_windows(found, settings["windows"])) and not live.quiet:
        say(unused)
    if not force:
        refuse_doubtful(found)
    for image in found:
        for notice in incomplete(image) if live.quiet else notices(image):
            say(notice)
    for notice in together(found):
        say(notice)
    live.expect_images(found)
    return found


def with_tags(prompt: str, images: Sequence[Picture | Study]) -> str:
    """A prompt below what its images' files say of modality, body part and view."""
    return documents.prepend_facts(prompt, [image.about.prompt_line() for image in images])


def notices(image: Picture | Study) -> Iterator[str]:
    """What the user should know of an image."""
    from edge_med.imaging import picture, picture_notices
    from edge_med.imaging.volume.study import all_pictures

    if not isinstance(image, picture.Picture):
        yield f"{image.plan}."
        yield from filter(None, [image.plan.which, in_flags(image.plan.more)])
        yield from image.notices
        yield from filter(None, [image.summary])
    among = picture_notices.among(all_pictures([image]))
    yield from (notice.text for notice in among if notice.code != "series")


def together(images: Sequence[Picture | Study]) -> Iterator[str]:
    """Sentences about several images together, which are shown even if all is quiet."""
    from edge_med.imaging import picture_notices
    from edge_med.imaging.volume.study import all_pictures

    if len(images) > 1:
        yield from (notice.text for notice in picture_notices.together(all_pictures(images)))


def refuse_doubtful(images: Sequence[Picture | Study]) -> None:
    """Refuse images that show nothing, or too little: an answer about them would be invented.

    Raises:
        ImageError: there is one.
    """
    from edge_med.imaging import picture_notices
    from edge_med.imaging.volume.study import all_pictures

    for number, image in enumerate(images, 1):
        if doubt := picture_notices.doubt(all_pictures([image])):
            which = f" It is image {number} of {len(images)}." if len(images) > 1 else ""
            raise ImageError(doubt.text + which, "Give another image, or ask anyway with --force")


def incomplete(image: Picture | Study) -> Iterator[str]:
    """What must be known of a series that isn't shown whole; nothing of others."""
    plan = getattr(image, "plan", None)
    if plan and plan.which:
        yield from filter(None, (f"{plan}.", plan.which, in_flags(plan.more)))


def image_facts(images: Sequence[Picture | Study]) -> dict[str, list[Any]]:
    """Of each image its slices from 1 on, series, direction and order; None without a series."""
    from edge_med.imaging import Study

    series = [image if isinstance(image, Study) else None for image in images]
    facts = {
        name: [getattr(study, attribute) or None if study else None for study in series]
        for name, attribute in (
            ("series", "series"),
            ("direction", "direction"),
            ("order", "order"),
        )
    }
    return {"slices": [[*study.numbers] if study else None for study in series], **facts}
