"""The embedded model, what it is asked, and what it answers."""
