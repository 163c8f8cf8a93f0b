"""DICOM files: read within limits, and made pictures by the rules of their modality."""
