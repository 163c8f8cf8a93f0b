"""What was given: a path, a folder, a zip, an address or bytes, and what it begins with."""
