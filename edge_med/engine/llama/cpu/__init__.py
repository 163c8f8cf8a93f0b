"""Which of llama.cpp's code for the CPU is sound here: tried in a child before it is relied on."""
