"""`BitsAndBytesConfig`: taken and without effect, for weights were quantized at the conversion."""

from __future__ import annotations

from typing import Any

from edge_med.compat.arguments import refuse_unknown, say

SETTINGS = frozenset(
    [
        "load_in_8bit",
        "load_in_4bit",
        "llm_int8_threshold",
        "llm_int8_skip_modules",
        "llm_int8_enable_fp32_cpu_offload",
        "llm_int8_has_fp16_weight",
        "bnb_4bit_compute_dtype",
        "bnb_4bit_quant_type",
        "bnb_4bit_use_double_quant",
        "bnb_4bit_quant_storage",
    ]
)


class BitsAndBytesConfig:
    """How transformers would quantize while loading; here for `quantization_config=` alone."""

    def __init__(self, **settings: Any) -> None:
        """Take transformers' settings, and say that they have no effect.

        Raises:
            UsageError: one is unknown.
        """
        refuse_unknown("BitsAndBytesConfig", settings, SETTINGS)
        say(["BitsAndBytesConfig"], "weights are quantized by edge-med convert --quant")
        vars(self).update(settings)
