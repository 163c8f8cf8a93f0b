"""What other people's scripts have at hand, and longer things that they do with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from devtools.golden.compat import IMAGE_ID, TEXT_ID, about, picture
from edge_med import compat

PLACE: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}
]
FEW: dict[str, Any] = {"max_new_tokens": 3}


class Kit:
    """What scripts have at hand; opened once they use it."""

    def __init__(self, torch: Any, folder: Path, adapter: Path, peft: Path) -> None:
        self.torch, self.folder, self.adapter, self.peft = torch, folder, adapter, peft
        self.image = picture()
        self.path = folder / "chest.png"
        self.image.save(self.path)

    @property
    def model(self) -> Any:
        return compat.AutoModelForImageTextToText.from_pretrained(IMAGE_ID)

    @property
    def processor(self) -> Any:
        return compat.AutoProcessor.from_pretrained(IMAGE_ID)

    @property
    def tokenizer(self) -> Any:
        return compat.AutoTokenizer.from_pretrained(IMAGE_ID)

    @property
    def inputs(self) -> Any:
        return self.processor.apply_chat_template(
            about(self.image), tokenize=True, return_dict=True, return_tensors="pt"
        )

    @property
    def writer(self) -> Any:
        return compat.pipeline("text-generation", TEXT_ID)

    @property
    def seer(self) -> Any:
        return compat.pipeline("image-text-to-text", IMAGE_ID)

    def generate(self, **arguments: Any) -> Any:
        return self.model.generate(**self.inputs, **{**FEW, **arguments})


def streamed(kit: Kit) -> None:
    streamer = compat.TextIteratorStreamer(kit.tokenizer, skip_prompt=True, timeout=60)
    given = {**kit.inputs, **FEW, "streamer": streamer}
    thread = Thread(target=kit.model.generate, kwargs=given)
    thread.start()
    text = "".join(streamer)
    thread.join()
    new = kit.generate()[0][kit.inputs["input_ids"].shape[-1] :]
    assert text == kit.tokenizer.decode(new)


def stopped(kit: Kit) -> None:
    class Third(compat.StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> bool:
            return bool(input_ids.shape[-1] == len(kit.inputs["input_ids"][0]) + 3)

    criteria = compat.StoppingCriteriaList([Third()])
    ids = kit.generate(max_new_tokens=9, stopping_criteria=criteria)
    assert ids.shape[-1] == kit.inputs["input_ids"].shape[-1] + 3


def repeated(again: Callable[[Kit], Any]) -> Callable[[Kit], None]:
    """The same tokens after the same seed, and others after another draw."""

    def run(kit: Kit) -> None:
        hot = {"do_sample": True, "temperature": 9.0, "max_new_tokens": 9}
        given = again(kit) or {}
        first = kit.generate(**hot, **given).tolist()
        given = again(kit) or {}
        assert kit.generate(**hot, **given).tolist() == first
        assert kit.generate(**hot).tolist() != first

    return run


def two_steps(kit: Kit) -> None:
    text = kit.processor.apply_chat_template(PLACE, tokenize=False, add_generation_prompt=True)
    inputs = kit.processor(text=text, images=kit.image, add_special_tokens=False)
    at_once = kit.processor.apply_chat_template(
        shown(kit), tokenize=True, return_dict=True, add_generation_prompt=True
    )
    assert dict(inputs) == dict(at_once)


def adapted(load: Callable[[Kit], Any]) -> Callable[[Kit], None]:
    """Other tokens than without the adapter."""

    def run(kit: Kit) -> None:
        model = load(kit)
        ids = model.generate(**kit.inputs, max_new_tokens=9).tolist()
        assert list(model.adapters.values()) == [1.0]
        assert ids != kit.generate(max_new_tokens=9).tolist()

    return run


def load(name: str = IMAGE_ID, **options: Any) -> Any:
    return compat.AutoModelForCausalLM.from_pretrained(name, **options)


def pipe(model: Any, **options: Any) -> Any:
    return compat.pipeline("text-generation", model=model, **options)


def peft(kit: Kit, adapter: Any) -> Any:
    return compat.PeftModel.from_pretrained(kit.model, adapter)


def shown(kit: Kit) -> list[dict[str, Any]]:
    """The messages of `PLACE`, with their image."""
    place, text = PLACE[0]["content"]
    return [{"role": "user", "content": [{**place, "image": kit.image}, text]}]


def new(output: Any) -> Any:
    """What a pipeline wrote."""
    return output[0]["generated_text"][-1]["content"]


def loaded(kit: Kit) -> Any:
    model = kit.model
    model.load_adapter(kit.adapter)
    return model


def same(value: object, wanted: object) -> None:
    assert value == wanted


def part(**source: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image", **source}]}]
