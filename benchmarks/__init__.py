"""Side by side with the rivals, in one run on one machine: `python -m benchmarks --help`."""
