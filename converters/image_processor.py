"""The image processor's settings, from the files that may hold them.

transformers 4 keeps them in preprocessor_config.json, transformers 5 inside processor_config.json,
which counts alone where it has them (`get_image_processor_dict` in image_processing_base.py). How
many tokens an image takes is the processor's own setting, and has stood in either file.
"""

from __future__ import annotations

from typing import Any

from converters.findings import listed
from converters.small_files import SmallFiles
from edge_med.artifacts.json_section import short
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError

ALONE, WHOLE, INSIDE = "preprocessor_config.json", "processor_config.json", "image_processor"
TOKENS = "image_seq_length"
NAMES = {"processor_class", "image_processor_type", "feature_extractor_type", TOKENS}
"""What says nothing of a picture, or is compared by itself."""


def read_processor(files: SmallFiles) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The settings that count, and what of the others contradicts them.

    Raises:
        CheckpointError: a file is damaged, or they differ in how many tokens an image takes.
    """
    alone, whole = files.json(ALONE), files.json(WHOLE)
    nested = whole.get(INSIDE)
    if nested is not None and not isinstance(nested, dict):
        raise CheckpointError(
            f"{INSIDE} in {WHOLE} is {short(nested)}, not an object.", "Download the file again."
        )
    counts = alone if nested is None else nested
    settings = counts | _tokens({WHOLE: whole, f"{INSIDE} in {WHOLE}": nested or {}, ALONE: alone})
    if nested is None:
        return settings, ()
    differ = sorted(
        key
        for key, value in alone.items()
        if key not in NAMES and value is not None and value != nested.get(key)
    )
    if not differ:
        return settings, ()
    text = (
        f"{INSIDE} in {WHOLE} counts, as for transformers 5; {ALONE} says otherwise of "
        f"{listed(differ, 9)}."
    )
    return settings, (Finding("processor", text),)


def _tokens(places: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How many tokens an image takes, if a file says it: everywhere the same."""
    values = {name: data[TOKENS] for name, data in places.items() if data.get(TOKENS) is not None}
    (first, value), *others = [*values.items()] or [("", None)]
    for name, other in others:
        if other != value:
            raise CheckpointError(
                f"{TOKENS} in {first} is {short(value)}, and in {name} {short(other)}.",
                "Take both files from the model that config.json is of.",
            )
    return {TOKENS: value}
