"""What a model takes on a machine and what goes where, decided before anything is loaded."""
