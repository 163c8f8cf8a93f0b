"""From a Hugging Face checkpoint to quantized GGUF and projector, in one pass."""
