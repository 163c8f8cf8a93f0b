"""How the embedded model micro is made: its shape, its training, and the exam it is held to."""
