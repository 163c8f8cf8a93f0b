"""Of several files with the image processor's settings one counts, and the others are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.image_processor import read_processor
from converters.small_files import SmallFiles
from edge_med.errors import CheckpointError

ALONE = {"image_mean": [0.5] * 3, "size": {"height": 56, "width": 56}, "resample": 2}


def read(folder: Path, alone: object, whole: object) -> tuple[dict[str, Any], str]:
    for name, data in (("preprocessor_config.json", alone), ("processor_config.json", whole)):
        if data is not None:
            (folder / name).write_text(json.dumps(data), "utf-8")
    settings, warnings = read_processor(SmallFiles(folder))
    return settings, " ".join(f"{one.code}: {one.text}" for one in warnings)


def test_what_the_processor_has_inside_counts_alone_and_the_rest_is_reported(
    tmp_path: Path,
) -> None:
    inside = {"image_mean": [0.1] * 3, "size": ALONE["size"]}
    settings, warnings = read(tmp_path, ALONE, {"image_processor": inside})
    assert settings == inside | {"image_seq_length": None}
    assert warnings.startswith("processor: image_processor in processor_config.json counts")
    assert warnings.endswith("preprocessor_config.json says otherwise of image_mean, resample.")


@pytest.mark.parametrize("whole", [None, {}, {"image_seq_length": 4}, {"image_processor": ALONE}])
def test_files_that_agree_are_not_spoken_of(whole: object, tmp_path: Path) -> None:
    settings, warnings = read(tmp_path, ALONE, whole)
    assert settings.items() >= ALONE.items()
    assert not warnings


def test_two_numbers_of_tokens_are_refused_with_both(tmp_path: Path) -> None:
    alone = ALONE | {"image_seq_length": 16}
    with pytest.raises(CheckpointError, match=r"in processor_config\.json is 64, and in prepro"):
        read(tmp_path, alone, {"image_seq_length": 64})


def test_what_is_inside_must_be_an_object(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"image_processor in processor_config\.json is 3"):
        read(tmp_path, ALONE, {"image_processor": 3})
