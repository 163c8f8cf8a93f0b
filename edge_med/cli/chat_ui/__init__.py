"""The chat's two surfaces: a terminal, and a pipe."""
