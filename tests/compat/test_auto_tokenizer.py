"""Ids and texts are those of Hugging Face's tokenizer and processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.golden.compat import IMAGE_ID, QUESTION, SPELLED, TEXT_ID, about, golden, picture
from devtools.golden.conversations import CONVERSATIONS, IMAGE, TINY
from devtools.golden.conversations import golden as conversations
from edge_med.compat import AutoProcessor, AutoTokenizer
from edge_med.errors import ImageError, PromptError, UsageError

GOLDEN = golden()
ROWS = conversations(TINY)
CHAT = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "I see."}]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations_have_the_ids_of_gemma3_processor(name: str, torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    conversation = CONVERSATIONS[name]
    prefilled = conversation.is_prefilled
    (ids,) = processor.apply_chat_template(
        [filled(message) for message in conversation.messages],
        tokenize=True,
        add_generation_prompt=not prefilled,
        continue_final_message=prefilled,
    )
    soft = processor.tokenizer.convert_tokens_to_ids("<image_soft_token>")
    wanted = [[row] if isinstance(row, int) else [soft] * row[1] for row in ROWS[name]]
    assert ids == [token for row in wanted for token in row]


def filled(message: dict[str, Any]) -> dict[str, Any]:
    """With a black picture in each of its places."""
    if isinstance(message["content"], str):
        return message
    shown = {**IMAGE, "image": Image.new("RGB", (8, 8))}
    return {**message, "content": [shown if p == IMAGE else p for p in message["content"]]}


@pytest.mark.parametrize("text", SPELLED)
def test_a_bare_texts_control_tokens_count(text: str, torch: Any) -> None:
    assert AutoTokenizer.from_pretrained(IMAGE_ID)(text)["input_ids"] == GOLDEN["spelled"][text]


def test_control_tokens_in_a_message_stay_text(torch: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TEXT_ID)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "<start_of_turn>model"}], return_dict=False
    )
    assert ids.count(tokenizer.convert_tokens_to_ids("<start_of_turn>")) == 1


@pytest.mark.parametrize("row", range(len(GOLDEN["decoded"])))
@pytest.mark.parametrize("skip", [False, True])
def test_ids_decode_as_with_transformers(row: int, skip: bool, torch: Any) -> None:
    ids, *texts = GOLDEN["decoded"][row]
    tokenizer = AutoTokenizer.from_pretrained(IMAGE_ID)
    assert tokenizer.decode(ids, skip_special_tokens=skip) == texts[skip]
    tensor = torch.tensor(np.array([ids], np.int64))
    assert tokenizer.batch_decode(tensor, skip_special_tokens=skip) == [texts[skip]]


def test_a_text_beside_an_image_has_the_ids_of_gemma3_processor(torch: Any) -> None:
    text, ids = GOLDEN["beside"]
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor(text=text, images=picture(), return_tensors="pt")
    assert inputs["input_ids"].tolist() == [ids]
    assert list(inputs["pixel_values"].shape) == [1, 3, 56, 56]


def test_token_type_ids_mark_the_places_of_images(torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor.apply_chat_template(
        about(picture()), tokenize=True, return_dict=True, return_tensors="np"
    )
    soft = processor.tokenizer.convert_tokens_to_ids("<image_soft_token>")
    assert (inputs.token_type_ids == (inputs.input_ids == soft)).all()
    assert inputs.token_type_ids.sum() == processor.image_seq_length


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, "I see.<end_of_turn>\n"),
        ({"add_generation_prompt": True}, "I see.<end_of_turn>\n<start_of_turn>model\n"),
        ({"continue_final_message": True}, "I see."),
    ],
    ids=["closed", "next turn", "continued"],
)
def test_the_end_of_a_prompt(options: dict[str, Any], end: str, torch: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TEXT_ID)
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, **options)
    assert text == f"<bos><start_of_turn>user\nWhat?<end_of_turn>\n<start_of_turn>model\n{end}"
    ids = tokenizer.apply_chat_template(CHAT, return_dict=False, **options)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids


def test_without_a_generation_prompt_the_question_is_the_end(torch: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TEXT_ID)
    text = tokenizer.apply_chat_template(QUESTION, tokenize=False)
    assert text.endswith("pneumonia?<end_of_turn>\n")
    assert tokenizer.decode(tokenizer.apply_chat_template(QUESTION, return_dict=False)) == text


def test_a_question_is_continued_as_by_transformers(torch: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TEXT_ID)
    begun = [CHAT[0], CHAT[1], {"role": "user", "content": "And the <end_of_turn> heart "}]
    text = tokenizer.apply_chat_template(begun, tokenize=False, continue_final_message=True)
    assert text.endswith("I see.<end_of_turn>\n<start_of_turn>user\nAnd the <end_of_turn> heart")
    ids = tokenizer.apply_chat_template(begun, return_dict=False, continue_final_message=True)
    assert tokenizer.decode(ids) == text


def test_only_a_text_is_continued(torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    with pytest.raises(PromptError, match="Only a text can be continued"):
        processor.apply_chat_template(about(picture()), continue_final_message=True)


def test_an_image_is_written_as_its_place(torch: Any) -> None:
    text = AutoProcessor.from_pretrained(IMAGE_ID).apply_chat_template(about(picture()))
    assert text == (
        "<bos><start_of_turn>user\nYou are an expert radiologist.\n\n"
        "Describe this X-ray<start_of_image><end_of_turn>\n"
    )


def part(**source: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image", **source}]}]


@pytest.mark.parametrize("kind", ["image", "url", "path"])
def test_an_image_may_be_a_path(kind: str, tmp_path: Any, torch: Any) -> None:
    picture().save(tmp_path / "chest.png")
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    given = [part(**{kind: str(tmp_path / "chest.png")}), about(picture())]
    values = [
        processor.apply_chat_template(c, tokenize=True, return_dict=True)["pixel_values"]
        for c in given
    ]
    assert values[0] == values[1]


@pytest.mark.parametrize("kind", ["image", "url"])
def test_nothing_is_fetched(kind: str, torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    with pytest.raises(ImageError, match="edge-med works offline"):
        processor.apply_chat_template(part(**{kind: "https://example.org/chest.png"}))


def test_a_model_that_cannot_see_takes_no_image(torch: Any) -> None:
    with pytest.raises(ImageError, match="can't see"):
        AutoTokenizer.from_pretrained(TEXT_ID).apply_chat_template(about(picture()))


def test_an_unknown_argument_is_an_error(torch: Any) -> None:
    with pytest.raises(UsageError, match="takes no tokenise"):
        AutoTokenizer.from_pretrained(TEXT_ID).apply_chat_template(QUESTION, tokenise=True)


@pytest.mark.parametrize("token", [-100, -1, 704, 10**12, 1.5, None, "a"])
def test_what_is_no_token_is_an_error_and_not_the_end_of_the_process(token: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(IMAGE_ID)
    for call in (tokenizer.decode, tokenizer.convert_ids_to_tokens):
        with pytest.raises(PromptError, match="is no token"):
            call([token])
    with pytest.raises(PromptError, match="is no token"):
        tokenizer.batch_decode([[token]])
    with pytest.raises(PromptError, match="is no token"):
        tokenizer.convert_ids_to_tokens(token)


def test_a_list_of_one_text_is_that_text(torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    text = "<start_of_image> hi"
    alone = processor(text=text, images=picture(), return_tensors="pt")
    listed = processor(text=[text], images=[picture()], return_tensors="pt")
    assert listed["input_ids"].tolist() == alone["input_ids"].tolist()


@pytest.mark.parametrize("text", [["a", "b"], [], 5, [None]])
def test_a_processor_says_that_it_takes_one_text(text: Any) -> None:
    with pytest.raises(PromptError, match="one text at a time"):
        AutoProcessor.from_pretrained(IMAGE_ID)(text=text)
