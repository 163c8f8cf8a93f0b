"""Images that tests and benchmarks make: photos, DICOM, damaged ones."""
