"""What wrote an answer, and when: in the answer itself, and in a conversation's records."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from edge_med import MedGemma, Options
from tests.conftest import Models


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("text", "F32"), isolation="thread") as opened:
        yield opened


def test_an_answer_says_which_file_wrote_it_and_when(tiny: MedGemma) -> None:
    before = datetime.datetime.now().astimezone().replace(microsecond=0)
    told = tiny.ask("x", options=Options(max_new_tokens=1)).to_dict()["provenance"]
    date = datetime.datetime.fromisoformat(told["date"])
    assert told["model"] == tiny.info.model.file
    assert date.utcoffset() is not None
    assert date.microsecond == 0
    assert before <= date <= datetime.datetime.now().astimezone()


def test_transcript_records_have_date_and_file_of_their_answers(
    tiny: MedGemma,
) -> None:
    chat = tiny.chat(options=Options(max_new_tokens=1))
    came = chat.send("x").provenance
    (record,) = chat.records
    assert record is not None
    assert (record.model, record.date) == (came.model, came.date)
