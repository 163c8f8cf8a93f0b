"""Store what transformers makes of the model cards' samples: tests/golden/compat.json.

python -m scripts.make_golden_compat TOKENIZER

Needs the [golden] extra, and a folder whose tokenizer_config.json has Gemma 3's chat template, as
for make_golden_conversations. The samples run as they are, on tiny checkpoints; only what decides
the numbers is changed: float32, eager attention, greedy, on the processor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers

from devtools.checkpoints.tiny import write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.golden.compat import CHECKPOINTS, IMAGE_ID, PATH, SAMPLES, SPELLED, Seen, picture
from edge_med.artifacts.gguf_facts import GEMMA_3_TEMPLATE

TORCH = SimpleNamespace(bfloat16=torch.float32, inference_mode=torch.inference_mode)
ENDS = [tiny_tokenizer().id(name) for name in ("<eos>", "<end_of_turn>")]
"""As in MedGemma's generation_config.json."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    config = parser.parse_args().tokenizer / "tokenizer_config.json"
    template = json.loads(config.read_text("utf-8"))["chat_template"]
    assert hashlib.sha256(template.encode()).hexdigest() == GEMMA_3_TEMPLATE
    with tempfile.TemporaryDirectory() as home:
        library = Library(Path(home), template)
        samples = {name: stored(library, run(library, TORCH)) for name, run in SAMPLES.items()}
        for kind in ("text", "image"):  # both ways are greedy
            assert (
                samples[f"pipeline_with_{kind}"]["text"] == samples[f"direct_with_{kind}"]["text"]
            )
        golden = {"made_with": made_with(), "samples": samples, **texts(library)}
    PATH.write_text(json.dumps(golden, separators=(",", ":")) + "\n", "utf-8")
    print(f"{PATH.name}: {PATH.stat().st_size:,} bytes")


def made_with() -> dict[str, str]:
    tools = {package: version(package) for package in ("transformers", "torch", "pillow")}
    return tools | {"dtype": "float32", "attention": "eager", "image_processor": "PIL"}


class Library:
    """transformers, with checkpoints of the tests under the names of the model cards."""

    def __init__(self, home: Path, template: str) -> None:
        self.folders = {name: home / name.replace("/", "-") for name in CHECKPOINTS}
        for name, folder in self.folders.items():
            write_tiny(CHECKPOINTS[name], folder)
            (folder / "chat_template.jinja").write_text(template, "utf-8")
            vision = CHECKPOINTS[name].vision
            if vision:
                processor: dict[str, Any] = {"image_seq_length": vision.image_tokens}
                processor |= {"processor_class": "Gemma3Processor"}
                (folder / "processor_config.json").write_text(json.dumps(processor))
        self.model: Any = None
        for name in ("AutoModelForCausalLM", "AutoModelForImageTextToText"):
            setattr(self, name, SimpleNamespace(from_pretrained=self._loader(name)))
        for name in ("AutoTokenizer", "AutoProcessor"):
            setattr(self, name, SimpleNamespace(from_pretrained=self._opener(name)))

    def _opener(self, kind: str) -> Any:
        return lambda name: getattr(transformers, kind).from_pretrained(self.folders[name])

    def _loader(self, kind: str) -> Any:
        def load(name: str, torch_dtype: Any, device_map: str) -> Any:
            assert device_map == "auto"
            self.model = getattr(transformers, kind).from_pretrained(
                self.folders[name], dtype=torch_dtype, attn_implementation="eager"
            )
            greedy(self.model.generation_config)
            return self.model

        return load

    def pipeline(self, task: str, model: str, torch_dtype: Any, device: str) -> Any:
        """A pipeline on the processor, whatever device is asked for."""
        assert device == "cuda"
        kwargs = {"attn_implementation": "eager"}
        folder = str(self.folders[model])
        pipe = transformers.pipeline(task, folder, dtype=torch_dtype, model_kwargs=kwargs)
        greedy(pipe.model.generation_config)
        return lambda text, max_new_tokens: pipe(text, max_new_tokens=max_new_tokens)


def greedy(config: Any) -> None:
    config.do_sample, config.eos_token_id = False, ENDS
    config.temperature = config.top_k = config.top_p = None


def stored(library: Library, seen: Seen) -> dict[str, Any]:
    """What a sample went through, and how sure the model was of each token."""
    if seen.inputs is None:
        return {"text": seen.text, "keys": sorted(seen.output[0])}
    assert seen.generated is not None
    ids = seen.inputs["input_ids"][0].tolist()
    margins = how_sure(library.model, seen.inputs, seen.generated)
    clear = next((n for n, margin in enumerate(margins) if margin < 0.05), len(margins))
    print(f"{len(ids)} ids; {len(margins)} new ones, of which {clear} before the first tie")
    return {
        "text": seen.text,
        "inputs": {name: shape_of(value) for name, value in seen.inputs.items()},
        "input_ids": ids,
        "pixels": hashes(seen.inputs),
        "generated": seen.generated,
        "margins": margins,
    }


def shape_of(value: Any) -> dict[str, Any]:
    return {"shape": list(value.shape), "dtype": str(value.dtype)}


def hashes(inputs: Any) -> str | None:
    """Of the pixel values, as float32."""
    if "pixel_values" not in inputs:
        return None
    return hashlib.sha256(inputs["pixel_values"].numpy().astype(np.float32).tobytes()).hexdigest()


@torch.no_grad()  # type: ignore[untyped-decorator]
def how_sure(model: Any, inputs: Any, generated: list[int]) -> list[float]:
    """By how many nats the best token led at each place."""
    out = model.generate(
        **inputs,
        max_new_tokens=200,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    length = inputs["input_ids"].shape[-1]
    assert out.sequences[0][length:].tolist() == generated
    best = [logits[0].double().log_softmax(-1).topk(2).values for logits in out.logits]
    return [round(float(first - second), 4) for first, second in best]


def texts(library: Library) -> dict[str, Any]:
    """Bare texts as ids, and ids as texts."""
    tokenizer = library._opener("AutoTokenizer")(IMAGE_ID)
    processor = library._opener("AutoProcessor")(IMAGE_ID)
    byte = tiny_tokenizer().id("<0xC3>")
    rows = [[*range(2, 700)], [byte, 630, byte, byte - 26, byte, byte, 628], []]
    text = "What is <start_of_image>?"
    beside = processor(text=text, images=picture(), return_tensors="pt")
    return {
        "spelled": {text: tokenizer(text)["input_ids"] for text in SPELLED},
        "decoded": [[row, tokenizer.decode(row), tokenizer.decode(row, True)] for row in rows],
        "beside": [text, beside["input_ids"][0].tolist()],
    }


if __name__ == "__main__":
    main()
