"""Of each study that a clinic may hand over, the volume that was meant is shown, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import Study, picture_notices
from tests.imaging.made import Made
from tests.imaging.made_differences import DIFFERENCES
from tests.imaging.made_studies import KINDS

STUDIES = [made for kind in (*KINDS, *DIFFERENCES) for made in kind()]
SHOWN = [made for made in STUDIES if not made.refused]


def opened(made: Made, folder: Path) -> Study:
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    found = imaging.open(folder, side=16, **{"slices": "all", **made.how})
    assert isinstance(found, Study)
    return found


@pytest.mark.parametrize("made", SHOWN, ids=lambda made: made.name)
def test_what_was_meant_is_shown_and_what_was_not_is_told(made: Made, tmp_path: Path) -> None:
    study = opened(made, tmp_path)
    files = [Path(str(file)).name for file, _frame in study.origins]
    frames = [frame for _file, frame in study.origins]
    assert (frames if isinstance(made.shown[0], int) else files) == [*made.shown]
    assert study.direction == (made.direction or study.direction)
    notices = (notice.text for notice in picture_notices.among(study.pictures))
    told = " ".join([*study.notices, *notices])
    assert [part for part in made.notices if part not in told] == []
    assert {*files} == {*made.files} or "left out" in told or "aren't images" in told


@pytest.mark.parametrize(
    "made", [made for made in STUDIES if made.refused], ids=lambda made: made.name
)
def test_where_nothing_is_clear_nothing_is_shown(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        opened(made, tmp_path)
    assert caught.value.message.startswith(made.refused)
    assert caught.value.hint


def test_there_are_sixty_studies() -> None:
    assert len({made.name for made in STUDIES}) == len(STUDIES) >= 60
