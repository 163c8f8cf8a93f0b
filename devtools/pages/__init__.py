"""The pages of docs/ as a site, and those that are written out of the sources."""
