"""Pictures for the model: the one place where image files are opened."""

from edge_med.config import Fit
from edge_med.imaging.fit import FITS
from edge_med.imaging.picture import Picture, Pixels, Source, open

__all__ = ["FITS", "Fit", "Picture", "Pixels", "Source", "open"]
