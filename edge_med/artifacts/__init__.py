"""The contract between conversion and run time: files, names, headers, manifest."""
