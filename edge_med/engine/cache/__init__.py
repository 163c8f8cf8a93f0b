"""What the KV cache holds, and the places that it can go back to."""
