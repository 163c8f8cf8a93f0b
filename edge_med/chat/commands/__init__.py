"""The commands of the chat: one table, and a file for each subject."""
