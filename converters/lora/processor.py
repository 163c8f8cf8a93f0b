"""The image processor's settings that an adapter brings, where pictures differ from the base's.

TRL and others save them beside the adapter. A model that was trained on pictures with other greys
must see the same from now on; what edge-med can't prepare so is refused, as of a whole checkpoint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from converters.checkpoint import Checkpoint
from converters.processor import NAMES, read_processor
from converters.small import PROCESSOR, SmallFiles
from converters.told import Told
from edge_med.artifacts.naming import called
from edge_med.artifacts.normalization import Channels, read_normalization
from edge_med.artifacts.peft.adapter import Adapter
from edge_med.artifacts.peft.finding import folders
from edge_med.errors import CheckpointError


def with_processor(
    checkpoint: Checkpoint, adapters: Sequence[Adapter]
) -> tuple[Checkpoint, tuple[Told, ...]]:
    """A checkpoint with the image processor's settings of the last adapter that has its own.

    Args:
        checkpoint: the base, which has a vision tower.
        adapters: in their order.

    Raises:
        CheckpointError: an adapter's settings are damaged, or can't be honoured.
    """
    base, small, told = _pictures(checkpoint.small), checkpoint.small, list[Told]()
    for where in filter(None, (_folder(adapter) for adapter in adapters)):
        name = called(where)
        own = {file: ("adapter", where / file) for file in PROCESSOR.one_of}
        files = dataclasses.replace(checkpoint.small, elsewhere={**small.elsewhere, **own})
        try:
            theirs = _pictures(files)
        except CheckpointError as error:
            raise CheckpointError(
                f"The image processor's settings in {name}, beside the adapter, can't be used: "
                f"{error}",
                f"If the adapter wasn't trained with them, take them out of {name}.",
            ) from None
        if theirs != base:
            small = files
            text = f"Images are prepared by the settings in {name}, which aren't the base's."
            told.append(Told("adapter_processor", text))
    return dataclasses.replace(checkpoint, small=small), tuple(told)


def _folder(adapter: Adapter) -> Path | None:
    """Where the settings of an adapter lie, if it has any that say how greys are counted."""
    there = (f for f in folders(adapter.folder) if _says_something(SmallFiles(f)))
    return next(there, None)


def _says_something(files: SmallFiles) -> bool:
    return bool(read_processor(files)[0].keys() - NAMES)


def _pictures(files: SmallFiles) -> tuple[Channels, Channels]:
    """What the settings make of a picture's greys."""
    return read_normalization(read_processor(files)[0])
