"""`python -m edge_med` is `edge-med`."""

from edge_med.cli import main

main()
