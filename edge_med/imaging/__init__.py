"""Pictures for the model: the one place where image files are opened."""

from edge_med.config import Fit
from edge_med.imaging.about import About
from edge_med.imaging.contents import Contents
from edge_med.imaging.fit import FITS
from edge_med.imaging.opening import Source, contents, loaded, open, open_all
from edge_med.imaging.picture import Picture, Pixels
from edge_med.imaging.slices import Room
from edge_med.imaging.study import Study

__all__ = [
    "FITS",
    "About",
    "Contents",
    "Fit",
    "Picture",
    "Pixels",
    "Room",
    "Source",
    "Study",
    "contents",
    "loaded",
    "open",
    "open_all",
]
