"""The commands: one file each, under the command's name."""
