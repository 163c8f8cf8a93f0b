"""What a prompt is read for: an answer, a score, a continuation, a test."""
