"""The image processor's settings that an adapter brings, where pictures differ from the base's.

TRL and others save them with the adapter. A model that was trained on pictures with other greys
must see the same from now on; what edge-med can't prepare so is refused, as of a whole checkpoint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from converters.checkpoint import Checkpoint
from converters.image_processor import NAMES, read_processor
from converters.lora.adapter_files import blamed, folder_with
from converters.small_files import PROCESSOR, SmallFiles
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter
from edge_med.artifacts.file_names import called
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.normalization import Channels, read_normalization


def with_processor(
    checkpoint: Checkpoint, adapters: Sequence[OpenedAdapter]
) -> tuple[Checkpoint, tuple[Finding, ...]]:
    """A checkpoint with the image processor's settings of the last adapter that has its own.

    Args:
        checkpoint: the base, which has a vision tower.
        adapters: adapters in their order.

    Raises:
        CheckpointError: an adapter's settings are damaged, or can't be honoured.
    """
    base, small, warnings = _pictures(checkpoint.small), checkpoint.small, list[Finding]()
    for where in filter(None, (folder_with(a.folder, PROCESSOR.one_of) for a in adapters)):
        own = {file: ("adapter", where / file) for file in PROCESSOR.one_of}
        files = dataclasses.replace(checkpoint.small, elsewhere={**small.elsewhere, **own})
        with blamed("The image processor's file", where):
            theirs = _pictures(files) if _says_something(files) else base
        if theirs != base:
            small = files
            text = (
                f"Images are prepared by the settings in {called(where)}, which aren't the base's."
            )
            warnings.append(Finding("adapter_processor", text))
    return dataclasses.replace(checkpoint, small=small), tuple(warnings)


def _says_something(files: SmallFiles) -> bool:
    """Whether there is more than how many tokens an image takes."""
    return bool(read_processor(files)[0].keys() - NAMES)


def _pictures(files: SmallFiles) -> tuple[Channels, Channels]:
    """What the settings make of a picture's greys."""
    return read_normalization(read_processor(files)[0])
