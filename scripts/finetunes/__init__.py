"""Adapters of every kind, merged by us and held against PEFT and transformers."""
