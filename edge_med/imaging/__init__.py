"""Pictures for the model: the one place where image files are opened."""

from edge_med.config import Fit
from edge_med.imaging.fit import FITS
from edge_med.imaging.opener import Source, contents, loaded, open, open_all
from edge_med.imaging.picture import Picture, Pixels
from edge_med.imaging.picture_facts import About
from edge_med.imaging.volume.contents import Contents
from edge_med.imaging.volume.slice_budget import SliceBudget
from edge_med.imaging.volume.study import Study

Room = SliceBudget  # its former name, which goes on working

__all__ = [
    "FITS",
    "About",
    "Contents",
    "Fit",
    "Picture",
    "Pixels",
    "SliceBudget",
    "Source",
    "Study",
    "contents",
    "loaded",
    "open",
    "open_all",
]
