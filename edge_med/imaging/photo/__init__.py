"""Photos: PNG, JPEG, TIFF and others, stripped of what surrounds their pixels, then decoded."""
