"""A conversation by lines and commands, independent of the terminal."""
