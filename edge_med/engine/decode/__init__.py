"""From logits to an answer: sampling, text, thoughts, repetition."""
