"""LoRA adapters as PEFT saves them: recognised, read without their numbers, and described."""
