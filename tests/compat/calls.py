"""Calls of other people's scripts, with transformers' names: those that docs/guide/compat.md lists.

Each is found in public code or in a library's own documentation; only imports are changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from devtools.golden.compat import IMAGE_ID, QUESTION, TEXT_ID
from edge_med import compat
from edge_med.errors import ArtifactError, EdgeMedError, PromptError, UsageError
from tests.compat.kit import (
    FEW,
    PLACE,
    Kit,
    adapted,
    load,
    loaded,
    new,
    part,
    peft,
    pipe,
    repeated,
    same,
    shown,
    stopped,
    streamed,
    two_steps,
)

Outcome = Literal["works", "without effect", "refused"]


@dataclass(frozen=True)
class Call:
    """A row of the table.

    Attributes:
        text: as docs/guide/compat.md writes it.
        outcome: what comes of it.
        run: makes it; where it works, it checks what came.
        words: of the error or the warning.
        error: its kind.
    """

    text: str
    outcome: Outcome
    run: Callable[[Kit], Any]
    words: str = ""
    error: type[Exception] = UsageError


def works(text: str, run: Callable[[Kit], Any]) -> Call:
    return Call(text, "works", run)


def idle(text: str, run: Callable[[Kit], Any], words: str) -> Call:
    return Call(text, "without effect", run, words)


def refused(
    text: str, run: Callable[[Kit], Any], words: str, error: type[Exception] = UsageError
) -> Call:
    return Call(text, "refused", run, words, error)


CALLS = (
    works(
        "`TextIteratorStreamer(tokenizer, skip_prompt=True)`, `Thread(target=model.generate, …)`",
        streamed,
    ),
    works(
        "`generate(…, streamer=TextStreamer(tokenizer))`",
        lambda k: k.generate(streamer=compat.TextStreamer(k.tokenizer)),
    ),
    works("`generate(…, stopping_criteria=StoppingCriteriaList([…]))`", stopped),
    works(
        "`generate(…, generation_config=GenerationConfig(max_new_tokens=3))`",
        lambda k: same(
            k.generate(
                max_new_tokens=None, generation_config=compat.GenerationConfig(**FEW)
            ).tolist(),
            k.generate().tolist(),
        ),
    ),
    works("`set_seed(7)`, `generate(…, do_sample=True)`", repeated(lambda k: compat.set_seed(7))),
    works(
        "`torch.manual_seed(7)`, `generate(…, do_sample=True)`",
        repeated(lambda k: k.torch.manual_seed(7) and None),
    ),
    works("`generate(…, do_sample=True, seed=7)`", repeated(lambda k: {"seed": 7})),
    works(
        "`Gemma3ForConditionalGeneration.from_pretrained(name)`",
        lambda k: same(
            compat.Gemma3ForConditionalGeneration.from_pretrained(IMAGE_ID).config.model_type,
            "gemma3",
        ),
    ),
    works(
        "`pipeline(task, model=name, max_new_tokens=3, return_full_text=False)`",
        lambda k: same(
            pipe(TEXT_ID, return_full_text=False, **FEW)(QUESTION),
            k.writer(QUESTION, return_full_text=False, **FEW),
        ),
    ),
    works(
        "`pipeline(model=name)`",
        lambda k: same(
            [compat.pipeline(model=name).task for name in (TEXT_ID, IMAGE_ID)],
            ["text-generation", "image-text-to-text"],
        ),
    ),
    works(
        "`pipeline(task, model=model, tokenizer=tokenizer)`",
        lambda k: pipe(k.model, tokenizer=k.tokenizer)(QUESTION, **FEW),
    ),
    works(
        "`pipe.task`, `pipe.device`, `pipe.framework`",
        lambda k: same(
            (k.writer.task, str(k.writer.device), k.writer.framework),
            ("text-generation", "cpu", "pt"),
        ),
    ),
    works(
        "`pipe([text, text])`", lambda k: same(len(k.writer(["The heart", "The lung"], **FEW)), 2)
    ),
    works(
        "`pipe(text=messages, images=[image])`, a place for each",
        lambda k: same(
            new(k.seer(text=PLACE, images=[k.image], **FEW)), new(k.seer(text=shown(k), **FEW))
        ),
    ),
    works(
        "`apply_chat_template(messages, tokenize=False)`, then `processor(text=…, images=…)`",
        two_steps,
    ),
    works(
        '`processor(text="<start_of_image> findings:", images=image)`',
        lambda k: k.processor(text="<start_of_image> findings:", images=k.image),
    ),
    works(
        '`{"type": "image", "url": "chest.png"}`',
        lambda k: k.processor.apply_chat_template(part(url=str(k.path)), tokenize=True),
    ),
    works(
        "`generated[0, n:].detach().cpu().tolist()`",
        lambda k: same(len(k.generate()[0, -3:].detach().cpu().tolist()), 3),
    ),
    works(
        "`isinstance(value, torch.Tensor)`",
        lambda k: same(all(isinstance(v, k.torch.Tensor) for v in k.inputs.values()), True),
    ),
    works("`torch.cuda.memory_allocated()`", lambda k: same(k.torch.cuda.memory_allocated(), 0)),
    works(
        "`tokenizer.batch_decode(generated, skip_special_tokens=True)`",
        lambda k: same(len(k.tokenizer.batch_decode(k.generate(), skip_special_tokens=True)), 1),
    ),
    works(
        "`model.eval()`, `generate(…, num_beams=1)`",
        lambda k: k.model.eval().generate(**k.inputs, num_beams=1, **FEW),
    ),
    works(
        '`from_pretrained(name, adapters="chest.gguf")`',
        adapted(lambda k: load(adapters=k.adapter)),
    ),
    works(
        '`PeftModel.from_pretrained(model, "chest.gguf")`', adapted(lambda k: peft(k, k.adapter))
    ),
    works('`model.load_adapter("chest.gguf")`', adapted(loaded)),
    idle(
        "`BitsAndBytesConfig(load_in_4bit=True)`",
        lambda k: compat.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=k.torch.bfloat16
        ),
        "ignores BitsAndBytesConfig",
    ),
    idle(
        "`from_pretrained(name, quantization_config=config)`",
        lambda k: load(quantization_config=object()),
        "ignores quantization_config",
    ),
    idle(
        '`from_pretrained(name, padding_side="left", use_fast=True)`',
        lambda k: compat.AutoTokenizer.from_pretrained(
            IMAGE_ID, padding_side="left", use_fast=True
        ),
        "ignores padding_side, use_fast",
    ),
    idle(
        '`generate(…, cache_implementation="static")`',
        lambda k: k.generate(cache_implementation="static"),
        "ignores cache_implementation",
    ),
    idle(
        "`pipe(messages, temperature=0.1)`",
        lambda k: k.writer(QUESTION, temperature=0.1, top_p=None, **FEW),
        "ignores temperature: without do_sample=True",
    ),
    idle(
        "`pipe([…], batch_size=2)`",
        lambda k: k.writer([QUESTION], batch_size=2, **FEW),
        "ignores batch_size",
    ),
    idle(
        "`pipeline(task, model=name, batch_size=2)`",
        lambda k: pipe(TEXT_ID, batch_size=2)(QUESTION, **FEW),
        "ignores batch_size",
    ),
    idle(
        "`model.merge_and_unload()`",
        lambda k: k.model.merge_and_unload(),
        "ignores merge_and_unload",
    ),
    refused(
        "`generate(…, repetition_penalty=1.1)`",
        lambda k: k.generate(repetition_penalty=1.1),
        r"repetition_penalty can't be 1\.1",
    ),
    refused(
        "`generate(…, num_return_sequences=3)`",
        lambda k: k.generate(num_return_sequences=3),
        "num_return_sequences can't be 3",
    ),
    refused(
        "`generate(…, output_scores=True)`",
        lambda k: k.generate(output_scores=True),
        "output_scores can't be True",
    ),
    refused(
        "`pipeline(task, model=name, num_beams=4)`",
        lambda k: pipe(TEXT_ID, num_beams=4),
        "num_beams can't be 4",
    ),
    refused(
        "`pipeline(task, model=name, torch_type=…)`",
        lambda k: pipe(TEXT_ID, torch_type=1),
        "pipeline takes no torch_type",
    ),
    refused(
        "`pipeline(task, model=model, context=512)`",
        lambda k: pipe(k.model, context=512),
        "loaded already, and context can't be changed",
    ),
    refused(
        "`pipeline(task, model=model, tokenizer=another)`",
        lambda k: pipe(k.model, tokenizer=TEXT_ID),
        "isn't the model's own",
    ),
    refused(
        "`model(**inputs).logits`", lambda k: k.model(**k.inputs), "no logits and no hidden states"
    ),
    refused(
        "`model.get_input_embeddings()`",
        lambda k: k.model.get_input_embeddings(),
        "no get_input_embeddings",
        AttributeError,
    ),
    refused(
        "`processor(text=[a, b], images=[[a], [b]], padding=True)`",
        lambda k: k.processor(text=["<start_of_image>"] * 2, images=[[k.image]] * 2),
        "one text at a time",
        PromptError,
    ),
    refused(
        "`processor.apply_chat_template([messages, messages])`",
        lambda k: k.processor.apply_chat_template([PLACE, PLACE]),
        "isn't a conversation",
        PromptError,
    ),
    refused(
        "`pipe(text=messages, images=[image, image])`, one place",
        lambda k: k.seer(text=PLACE, images=[k.image] * 2),
        "given are 2, and the conversation has 1",
        PromptError,
    ),
    refused(
        "`pipe(text=messages)`, a place and no image",
        lambda k: k.seer(text=PLACE),
        "place for an image, and there is no image for it",
        PromptError,
    ),
    refused(
        '`{"type": "image", "url": "https://…"}`',
        lambda k: k.seer(text=part(url="https://example.org/a.png")),
        "edge-med works offline",
        EdgeMedError,
    ),
    refused(
        '`PeftModel.from_pretrained(model, "peft-folder")`',
        lambda k: peft(k, k.peft),
        "peft",
        ArtifactError,
    ),
    refused(
        '`PeftModel.from_pretrained(model, "owner/adapter")`',
        lambda k: peft(k, "owner/adapter"),
        "nothing is downloaded",
    ),
    refused(
        '`model.load_adapter("second.gguf")`',
        lambda k: peft(k, k.adapter).load_adapter(k.adapter),
        "has an adapter already",
    ),
)
