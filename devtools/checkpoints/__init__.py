"""Checkpoints that tests and golden data are made from: seeded, and the same on every machine."""
