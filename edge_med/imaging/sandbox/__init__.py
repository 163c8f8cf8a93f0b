"""The processes that decode images, so that a damaged file can't take the program down."""
