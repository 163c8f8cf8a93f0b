"""The contract between conversion and run time: files, their names, their headers, their manifest."""
