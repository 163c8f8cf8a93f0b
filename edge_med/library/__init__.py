"""The model files on this disk: found, listed, known by name, checked, and loaded with adapters."""
