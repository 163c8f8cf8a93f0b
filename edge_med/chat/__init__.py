"""A conversation by lines and commands; it knows nothing of the terminal that it is held in."""
