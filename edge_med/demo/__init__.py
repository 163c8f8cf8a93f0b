"""What `edge-med demo` shows, and the real weights that it shows it on."""
