"""What is drawn on a terminal: text while it is written, bars, tables, previews."""
