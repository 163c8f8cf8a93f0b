"""LoRA adapters as PEFT saves them: read, merged into their base, or written for llama.cpp."""
