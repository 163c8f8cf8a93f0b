"""A conversation: its turns, its file, its exports, and what of it the model is shown."""
