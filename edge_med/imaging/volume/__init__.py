"""Series of slices: what a folder holds, what is one volume, and which slices are shown."""
