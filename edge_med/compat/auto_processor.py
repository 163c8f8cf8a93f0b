"""`AutoProcessor`: Gemma 3's processor for text and images, out of a converted model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_med import imaging
from edge_med.compat import hub
from edge_med.compat.arguments import Few, PictureWarning, take_loading, warn
from edge_med.compat.auto_tokenizer import Tokenizer, take_without_effect
from edge_med.compat.inputs import Inputs, as_inputs, as_values
from edge_med.compat.template_input import Turns, blind, check_template, read_messages, tell_unseen
from edge_med.compat.tokens import END_OF_IMAGE, SOFT, START_OF_IMAGE
from edge_med.errors import PromptError
from edge_med.imaging import Picture, picture_notices


class AutoProcessor:
    """Opens processors by a hub id, a folder's name or a path."""

    @staticmethod
    def from_pretrained(name: str | Path, **ignored: Any) -> Processor:
        """The processor of a model; no weights are read.

        Raises:
            UsageError: there is no such model here, or an argument is unknown.
            ArtifactError: its file is damaged.
        """
        take_loading("from_pretrained", ignored)
        return Processor(hub.find(name))


Gemma3Processor = AutoProcessor


class Processor(Few):
    """Texts and images to ids and pixel values, and ids back to texts."""

    called = "A processor"

    def __init__(self, local: hub.Local) -> None:
        """Open the vocabulary of a model."""
        self.local = local
        self.tokenizer = Tokenizer(local)
        self.image_seq_length = local.image_tokens
        self.decode = self.tokenizer.decode
        self.batch_decode = self.tokenizer.batch_decode

    def __call__(
        self,
        images: Any = None,
        text: Any = None,
        *,
        add_special_tokens: bool = True,
        return_tensors: str | None = None,
        **ignored: Any,
    ) -> Inputs:
        """The ids of a text, and the values of the images whose `<start_of_image>` is in it.

        Raises:
            PromptError: the images aren't as many as their places, or it isn't one text.
            ImageError: one can't be read.
            UsageError: an argument is unknown.
        """
        take_without_effect("The processor", ignored)
        pictures = self._pictures(images)
        places = [START_OF_IMAGE] * len(pictures)
        text = " ".join(places) if text is None else _only(text)
        if text.count(START_OF_IMAGE) != len(pictures):
            raise PromptError(
                f"The images given are {len(pictures)}, and the text hasn't got as many places.",
                f"Write {START_OF_IMAGE} where each of them stands.",
            )
        if not pictures:
            tell_unseen(text, self.local)
        block = f"\n\n{START_OF_IMAGE}{SOFT * self.local.image_tokens}{END_OF_IMAGE}\n\n"
        spelled = text.replace(START_OF_IMAGE, block)
        ids = self.tokenizer.encode(spelled, add_special_tokens=add_special_tokens)
        return self._inputs(ids, pictures, return_tensors)

    def apply_chat_template(
        self,
        conversation: Any,
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = None,
        **ignored: Any,
    ) -> Any:
        """A conversation as the model's prompt.

        Raises:
            PromptError: the argument is no conversation.
            ImageError: an image can't be read, or the model can't see.
            UsageError: an argument is unknown.
        """
        take_without_effect("apply_chat_template", ignored)
        check_template(self.local)
        messages = read_messages(conversation, self.local, text_only=not tokenize)
        turns = Turns(messages, add_generation_prompt, continue_final_message)
        if not tokenize:
            return turns.text()
        tell_unseen(messages, self.local)
        ids = turns.ids(self.tokenizer.texts, self.local.image_tokens)
        inputs = self._inputs(ids, turns.pictures, return_tensors)
        return inputs if return_dict else inputs["input_ids"]

    def post_process_image_text_to_text(
        self,
        generated: Any,
        skip_special_tokens: bool = True,  # noqa: FBT001, FBT002 - as transformers has it
        **ignored: Any,
    ) -> Any:
        """What each row of generated ids says.

        Raises:
            UsageError: an argument is unknown.
        """
        return self.batch_decode(generated, skip_special_tokens, **ignored)

    def _inputs(self, ids: list[int], pictures: Sequence[Picture], kind: str | None) -> Inputs:
        for notice in picture_notices.among(pictures):
            warn(notice.text, PictureWarning)
        soft = self.tokenizer.texts.id(SOFT)
        pixels = as_values(pictures) if pictures else None
        return as_inputs(ids, kind, soft=-1 if soft is None else soft, pixels=pixels)

    def _pictures(self, images: Any) -> list[Picture]:
        if images is None:
            return []
        if not self.local.sees:
            raise blind(self.local)
        given = images if isinstance(images, list | tuple) else [images]
        flat = [i for image in given for i in (image if isinstance(image, list) else [image])]
        side = self.local.side
        return [imaging.open(i, fit="stretch", side=side) for i in flat]


def _only(text: Any) -> str:
    """The text, which may be the only one of a list."""
    texts = text if isinstance(text, list | tuple) else [text]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise PromptError("The processor takes one text at a time.", "Give several one by one.")
    return texts[0]
