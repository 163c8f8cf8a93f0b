"""LoRA adapters of PEFT's, merged into their base or written for llama.cpp."""
