"""The code of MedGemma's model cards, with other imports and nothing else changed.

    from edge_med.compat import pipeline, torch

    pipe = pipeline(
        "image-text-to-text", model="google/medgemma-4b-it", torch_dtype=torch.bfloat16
    )
    output = pipe(text=messages, max_new_tokens=200)
    print(output[0]["generated_text"][-1]["content"])

The model is a converted one, found by its hub id in EDGE_MED_HOME. `torch` is the real one where it
is installed, and else a stand-in with the names that such code uses. The rest is in
docs/guide/compat.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_med.compat.arguments import CutWarning as CutWarning
    from edge_med.compat.arguments import DoubledWarning as DoubledWarning
    from edge_med.compat.arguments import IgnoredWarning as IgnoredWarning
    from edge_med.compat.arguments import ModelWarning as ModelWarning
    from edge_med.compat.arguments import PictureWarning as PictureWarning
    from edge_med.compat.arguments import TemplateWarning as TemplateWarning
    from edge_med.compat.auto_model import AutoModelForCausalLM as AutoModelForCausalLM
    from edge_med.compat.auto_model import (
        AutoModelForImageTextToText as AutoModelForImageTextToText,
    )
    from edge_med.compat.auto_model import Gemma3ForCausalLM as Gemma3ForCausalLM
    from edge_med.compat.auto_model import (
        Gemma3ForConditionalGeneration as Gemma3ForConditionalGeneration,
    )
    from edge_med.compat.auto_processor import AutoProcessor as AutoProcessor
    from edge_med.compat.auto_processor import Gemma3Processor as Gemma3Processor
    from edge_med.compat.auto_tokenizer import AutoTokenizer as AutoTokenizer
    from edge_med.compat.generation_config import GenerationConfig as GenerationConfig
    from edge_med.compat.peft_model import PeftModel as PeftModel
    from edge_med.compat.pipelines import pipeline as pipeline
    from edge_med.compat.quantization import BitsAndBytesConfig as BitsAndBytesConfig
    from edge_med.compat.seeds import set_seed as set_seed
    from edge_med.compat.stopping import StoppingCriteria as StoppingCriteria
    from edge_med.compat.stopping import StoppingCriteriaList as StoppingCriteriaList
    from edge_med.compat.streamers import TextIteratorStreamer as TextIteratorStreamer
    from edge_med.compat.streamers import TextStreamer as TextStreamer

    torch: Any

_DOORS = {
    "AutoModelForCausalLM": "auto_model",
    "AutoModelForImageTextToText": "auto_model",
    "AutoProcessor": "auto_processor",
    "AutoTokenizer": "auto_tokenizer",
    "BitsAndBytesConfig": "quantization",
    "CutWarning": "arguments",
    "DoubledWarning": "arguments",
    "TemplateWarning": "arguments",
    "Gemma3ForCausalLM": "auto_model",
    "Gemma3ForConditionalGeneration": "auto_model",
    "Gemma3Processor": "auto_processor",
    "GenerationConfig": "generation_config",
    "IgnoredWarning": "arguments",
    "ModelWarning": "arguments",
    "PeftModel": "peft_model",
    "PictureWarning": "arguments",
    "StoppingCriteria": "stopping",
    "StoppingCriteriaList": "stopping",
    "TextIteratorStreamer": "streamers",
    "TextStreamer": "streamers",
    "pipeline": "pipelines",
    "set_seed": "seeds",
}
"""Names that are imported when they are used first: torch alone takes seconds."""

__all__ = [
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoProcessor",
    "AutoTokenizer",
    "BitsAndBytesConfig",
    "CutWarning",
    "DoubledWarning",
    "Gemma3ForCausalLM",
    "Gemma3ForConditionalGeneration",
    "Gemma3Processor",
    "GenerationConfig",
    "IgnoredWarning",
    "ModelWarning",
    "PeftModel",
    "PictureWarning",
    "StoppingCriteria",
    "StoppingCriteriaList",
    "TemplateWarning",
    "TextIteratorStreamer",
    "TextStreamer",
    "pipeline",
    "set_seed",
    "torch",
]


def __getattr__(name: str) -> Any:
    if name == "torch":
        return importlib.import_module("edge_med.compat.tensors").torch()
    if name in _DOORS:
        return getattr(importlib.import_module(f"edge_med.compat.{_DOORS[name]}"), name)
    raise AttributeError(f"module 'edge_med.compat' has no attribute '{name}'")
