"""What a user is told besides the answer."""

from __future__ import annotations

import numpy as np

from edge_med import MedGemma, Options
from tests.conftest import Models


def test_several_images_are_answered_with_one_notice_of_the_models_limits(model: Models) -> None:
    images = [np.full((8, 8, 3), shade, dtype=np.uint8) for shade in (0, 255)]
    short = Options(max_new_tokens=1)
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        counts = [tiny.ask("What is it?", images=images[:n], options=short) for n in (1, 2, 2)]
    assert [[notice.code for notice in answer.notices] for answer in counts] == [
        ["research_only"],
        ["single_image_single_turn"],
        [],
    ]
