"""The only room that knows llama.cpp: load a model, read a prompt, choose tokens."""
