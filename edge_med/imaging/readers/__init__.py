"""The kinds of image files: how each is recognised, described and decoded."""
