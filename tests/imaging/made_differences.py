"""Studies whose images differ in what makes a pass, made by code: they never lie in one volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from devtools.images.dicom import dicom
from devtools.images.enhanced import enhanced, frame_groups, group
from tests.imaging.made import ALL, MR, PLANES, TEN, UP, Files, Made, names, stack

TURNED = {"half": [-1, 0, 0, 0, -1, 0], "quarter": [0, 1, 0, -1, 0, 0]}
APART = [5 * depth for depth in TEN]
BETWEEN = [5 * depth + 2.5 for depth in TEN]


def _after(**tags: Any) -> dict[str, Any]:
    """Tags of images that are numbered after the others."""
    return {"InstanceNumber": lambda n: n + 101, **tags}


def within() -> Iterator[Made]:
    """Few images of another kind, numbered first, in some of the places."""
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "acquisition": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        "b-value": ({**MR, "DiffusionBValue": 1000.0}, {**MR, "DiffusionBValue": 0.0}),
        "kernel": ({"ConvolutionKernel": "B70f"}, {"ConvolutionKernel": "B30f"}),
        "echo": ({**MR, "EchoNumbers": 2}, {**MR, "EchoNumbers": 1}),
    }
    for name, (few, many) in kinds.items():
        files = stack("few", TEN[4:6], **few) | stack("a", TEN, **_after(**many))
        told = "with 10 slices; 2 images in the same places are left out"
        yield Made(f"a few places with another {name}", files, ALL, [told])


def alternating() -> Iterator[Made]:
    """Images of another kind between the others."""
    told = ["10 images are left out, 10 of them in other places"]
    others = ["10 images of the others are left out"]
    kinds: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
        ("AcquisitionNumber", {"AcquisitionNumber": 2}, told),
        ("ConvolutionKernel", {"ConvolutionKernel": "B70f"}, told),
        ("DiffusionBValue", {"DiffusionBValue": 1000.0, **MR}, told),
        ("ScanningSequence", {"ScanningSequence": "SE", **MR}, told),
        ("EchoNumbers", {"EchoNumbers": 2, **MR}, told),
        ("FrameOfReferenceUID", {"FrameOfReferenceUID": "1.8"}, others),
        ("SeriesNumber", {"SeriesNumber": 2}, others),
    )
    values = {"ConvolutionKernel": "B30f", "ScanningSequence": "GR", "FrameOfReferenceUID": "1.7"}
    for tag, second, said in kinds:
        first = {**second, tag: values.get(tag, 1)}
        files = stack("a", APART, **first) | stack("b", BETWEEN, **_after(**second))
        yield Made(f"alternating in {tag}", files, ALL, said)
    close = [depth + 0.02 for depth in TEN]
    echoes = stack("a", TEN, **MR, EchoNumbers=1)
    echoes |= stack("b", close, **_after(**MR, EchoNumbers=2))
    yield Made("echoes that lie a little apart", echoes, ALL, told)
    bare: dict[str, Any] = {"SeriesInstanceUID": None}
    later = stack("b", [depth + 10 for depth in TEN], **bare, SeriesNumber=2)
    files = stack("a", TEN, **bare, SeriesNumber=1) | later
    yield Made("series that have numbers alone", files, ALL, others)
    single: dict[str, tuple[str, Any, Any, dict[str, Any]]] = {
        "kernels": ("ConvolutionKernel", "B30f", "B70f", {}),
        "echoes": ("EchoNumbers", 1, 2, MR),
    }
    for name, (tag, one, other, common) in single.items():
        own: dict[str, Any] = {**common, "FrameOfReferenceUID": "1.7"}
        files = stack("a", APART, **own, **{tag: one}, SeriesInstanceUID=lambda n: f"1.2.{n}")
        files |= stack("b", BETWEEN, **own, **{tag: other}, SeriesInstanceUID=lambda n: f"1.3.{n}")
        yield Made(f"a series each, of two {name}", files, ALL, others)


def named() -> Iterator[Made]:
    """Images in the same places that say in words what they are: the first numbered are taken."""
    water, fat = (["ORIGINAL", "PRIMARY", "DIXON", name] for name in ("WATER", "FAT"))
    both = stack("a", TEN, **MR, ImageType=water)
    both |= stack("b", TEN, **_after(**MR, ImageType=fat))
    yield Made("water before fat", both, ALL, ["Kind of image 1 of 2 is shown"])
    phase = stack("b", TEN, **MR, ImageType=["ORIGINAL", "PRIMARY", "P"])
    both = phase | stack("a", TEN, **_after(**MR, ImageType=["ORIGINAL", "PRIMARY", "M"]))
    yield Made("phases before magnitudes", both, ALL, ["Kind of image 1 of 2 is shown"])
    sharp = stack("a", TEN, ConvolutionKernel="STANDARD")
    sharp |= stack("b", TEN, **_after(ConvolutionKernel="BONE"))
    yield Made("a standard kernel before bone", sharp, ALL, ["Kernel 1 of 2 is shown"])


def without_places() -> Iterator[Made]:
    """Images that say nowhere where they lie, of which half are of another kind."""
    nowhere: dict[str, Any] = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    kinds: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("echoes", {**MR, "EchoNumbers": 1}, {**MR, "EchoNumbers": 2}),
        ("b-values", {**MR, "DiffusionBValue": 0.0}, {**MR, "DiffusionBValue": 1000.0}),
        ("moments", {"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        ("kernels", {"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}),
    )
    for name, first, second in kinds:
        files = stack("a", TEN, **first, **nowhere) | stack("b", TEN, **_after(**second, **nowhere))
        told = ["with 10 slices; 10 images are left out.", "The slices have no positions"]
        yield Made(f"{name} without places", files, ALL, told)
    two = stack("a", TEN, AcquisitionNumber=1, **nowhere)
    two |= stack("b", TEN, **_after(AcquisitionNumber=2, **nowhere))
    refused = "The 2 acquisitions of the series have no positions"
    yield Made("acquisitions without places", two, refused=refused)
    yield Made("one of these acquisitions", two, names("b", range(10)), how={"series": "1.2"})
    each = stack("a", TEN, AcquisitionNumber=lambda n: n + 1, **nowhere)
    yield Made(
        "an acquisition for each slice without a place", each, ALL, ["The slices have no positions"]
    )


def turned() -> Iterator[Made]:
    """Images of another orientation or size in the plane, or in colours, after the others."""
    later = [depth + 10 for depth in TEN]
    for name, way in TURNED.items():
        files = stack("a", TEN) | stack("b", later, **_after(ImageOrientationPatient=way))
        refused = "The series has slices of several orientations: 10 axial, 10 axial turned."
        yield Made(f"turned by a {name}", files, refused=refused)
    one = stack("a", TEN) | stack("b", [10.0], **_after(ImageOrientationPatient=TURNED["half"]))
    yield Made("one that is turned", one, ALL, ["1 image of another orientation"])
    frames = [frame_groups(float(n)) for n in range(6)]
    frames[5].PlaneOrientationSequence = group(ImageOrientationPatient=TURNED["half"])
    file = {"a": enhanced([float(n) for n in range(6)], frames)}
    yield Made("a frame that is turned", file, [1, 2, 3, 4, 5], ["1 image of another orientation"])
    others = ["10 images of the others are left out"]
    files = stack("a", TEN, PixelSpacing=[0.3, 0.3])
    files |= stack("b", later, **_after(PixelSpacing=[0.9, 0.9]))
    yield Made("pixels of another size", files, ALL, others)
    frames = [frame_groups(float(n)) for n in range(6)]
    frames[5].PixelMeasuresSequence = group(PixelSpacing=[1, 1])
    file = {"a": enhanced([float(n) for n in range(6)], frames)}
    yield Made("frames of another size", file, [1, 2, 3, 4, 5], ["1 image of the others"])
    yield Made("maps in colours", stack("a", TEN) | _colours(), ALL, others)


def _colours() -> Files:
    found = {}
    for n in range(10):
        place: dict[str, Any] = {"ImagePositionPatient": [0, 0, n + 10], "InstanceNumber": n + 11}
        way: dict[str, Any] = {"ImageOrientationPatient": list(PLANES["axial"])}
        pixels = np.full((16, 16, 3), n, np.uint8)
        found[f"map{n}"] = dicom(pixels, Modality="CT", **place, **way)
    return found


def overlapping() -> Iterator[Made]:
    """Acquisitions that follow each other, more or less."""
    chest = stack("a", TEN, AcquisitionNumber=1)
    later = {"AcquisitionNumber": 2}
    below = stack("b", [depth + 7.5 for depth in TEN], **_after(**later))
    shown = [*ALL, *names("b", range(2, 10))]
    yield Made("ranges that overlap between places", chest | below, shown, ["2 images in the"])
    half = stack("b", [depth + 5 for depth in TEN], **_after(**later))
    told = ["10 images are left out, 5 of them in other places"]
    yield Made("ranges that overlap by half", chest | half, ALL, told)
    named = stack("a", TEN, SOPInstanceUID="1.9")
    yield Made("slices that share a name", named, ALL, direction=UP)
    echoes = [
        stack(name, TEN, SOPInstanceUID="1.9", EchoNumbers=number, **MR)
        for number, name in enumerate("ab", 1)
    ]
    told = ["Echo 1 of 2 is shown"]
    yield Made("echoes that share a name", echoes[0] | echoes[1], ALL, told, direction=UP)


def with_a_hole() -> Iterator[Made]:
    """A series over time that lacks an image."""
    scan = stack("a", [float(n % 5) for n in range(40)], **MR)
    del scan["a2"]
    told = ["Pass 2 of 8 is shown, with 5 slices; 34 images in the same places"]
    yield Made("fMRI that lacks a slice", scan, names("a", range(5, 10)), told)
    first = ["a0", "a1", "a3", "a4"]
    told = ["About 1 slice is missing"]
    yield Made("its first volume", scan, first, told, how={"series": "1.1"})
    across = stack("a", [float(n // 8) for n in range(40)], **MR)
    del across["a11"]
    refused = "Several slices of the series have the same position"
    yield Made("the same, numbered place after place", across, refused=refused)
    rows: dict[str, Any] = {"AcquisitionNumber": lambda n: 1 + n // 2}
    again: dict[str, Any] = {"AcquisitionNumber": lambda n: 6 + n // 2}
    files = stack("a", TEN, **rows) | stack("b", TEN, **_after(**again))
    yield Made("two passes of many acquisitions", files, ALL, ["Pass 1 of 2"])


DIFFERENCES: tuple[Callable[[], Iterator[Made]], ...] = (
    within,
    alternating,
    named,
    without_places,
    turned,
    overlapping,
    with_a_hole,
)
