"""Model files on this machine: which ones are meant, and the memory that they take."""
