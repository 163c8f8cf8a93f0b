"""Conversations in the forms of other programs, and values that come with them."""
