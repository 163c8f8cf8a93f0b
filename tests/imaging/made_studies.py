"""Studies as clinics hand them over, made by code: what each holds, and what is right to show.

All names and numbers in them are invented.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pydicom.uid as uids

from devtools.images.dicom import body, compressed, dicom, elements, ramp, written
from devtools.images.enhanced import enhanced, frame_groups
from tests.imaging.made import (
    ALL,
    DERIVED,
    DOWN,
    MR,
    PLANES,
    SCOUT,
    TEN,
    UP,
    Files,
    Made,
    names,
    series,
    stack,
)


def scouts() -> Iterator[Made]:
    """Scouts and what they are called."""
    views = stack("s", [0.0], "coronal", **series(1), ImageType=SCOUT)
    views |= stack("t", [0.0], "sagittal", **series(1), ImageType=SCOUT)
    derived = stack("a", TEN, **series(2), ImageType=DERIVED)
    yield Made(
        "scouts called originals, a volume called derived", views | derived, ALL, ["2 images"]
    )
    inside = stack("a", TEN, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    scout = stack("s", [0.0], "coronal", ImageType=SCOUT, InstanceNumber=11)
    yield Made("a scout in the volume's series", inside | scout, ALL, ["1 scout image is left"])
    silent = stack("s", [0.0], "coronal", InstanceNumber=11)
    yield Made("a scout that doesn't say so", inside | silent, ALL, ["of another orientation"])
    wrong = stack("a", TEN, **series(1), ImageType=SCOUT) | stack("b", [0.0], **series(2))
    yield Made("a volume that calls itself a scout", wrong, ALL, ["1 image of the others"])
    planes = [stack(p, [0.0, 5.0, 10.0], p, **series(1), **MR) for p in PLANES]
    volume = stack("a", [*TEN, 10.0, 11.0], **series(2), **MR)
    mixed = {name: data for part in [*planes, volume] for name, data in part.items()}
    yield Made("a localizer of three planes", mixed, names("a", range(12)), ["9 images"])
    alone = {name: data for part in planes for name, data in part.items()}
    yield Made("nothing but a localizer", alone, refused="The series has slices of several")
    chosen = names("coronal", range(3))
    yield Made("a plane of it", alone, chosen, direction="front to back", how={"series": "1.2"})


def others_than_axial() -> Iterator[Made]:
    """Bolus tracking, reformats, kernels, sizes."""
    volume = stack("a", TEN, **series(2))
    bolus = stack("b", [5.0] * 15, **series(1), AcquisitionNumber=lambda n: n)
    yield Made("bolus tracking by acquisitions", bolus | volume, ALL, ["15 images of the others"])
    bolus = stack("b", [5.0] * 15, **series(1))
    yield Made("bolus tracking by numbers", bolus | volume, ALL, ["15 images of the others"])
    coronal = stack("c", [float(n) for n in range(30)], "coronal", **series(3), ImageType=DERIVED)
    yield Made("coronal reformats, more than slices", volume | coronal, ALL, ["30 images"])
    sagittal = stack("c", [float(n) for n in range(30)], "sagittal", **series(3))
    yield Made("reformats called originals", volume | sagittal, ALL, ["axial slices are preferred"])
    thick = stack("t", TEN[::2], **series(3), ImageType=DERIVED)
    yield Made("thick slices that were computed", volume | thick, ALL, ["5 images"])
    maximum = stack("m", TEN, **series(1), ImageType=DERIVED)
    yield Made("a projection of as many slices", maximum | volume, ALL, ["were computed"])
    thin = stack("t", [n / 2 for n in range(15)], **series(3))
    yield Made("thin slices beside thick ones", volume | thin, names("t", range(15)), ["the most"])
    soft, lung = (stack(k, TEN, **series(n)) for n, k in ((1, "soft"), (2, "lung")))
    yield Made("two kernels", soft | lung, names("soft", range(10)), ["first of several alike"])
    chosen = names("lung", range(10))
    yield Made("the other kernel", soft | lung, chosen, ["10 images"], how={"series": 2})
    one = stack("a", TEN, ConvolutionKernel="B30f")
    one |= stack("b", TEN, ConvolutionKernel="B70f", InstanceNumber=lambda n: n + 11)
    yield Made("two kernels in a series", one, ALL, ["Kernel 1 of 2 is shown"])
    head = stack("a", [5.0 * n for n in range(10)], **series(2))
    many = stack("m", [n / 2 for n in range(110)], "sagittal", **series(3), ImageType=DERIVED)
    yield Made("thick axial slices beside many reformats", head | many, ALL, ["axial slices"])
    large = {f"l{n}": dicom(ramp(12, 24, 24), **_places(float(n)), **series(3)) for n in range(10)}
    yield Made("a series of larger slices", volume | large, names("l", range(10)), ["largest"])


def computed() -> Iterator[Made]:
    """Screenshots, reformats of MRs, maps in colours."""
    captured = {**MR, **series(3), "ImageType": [*DERIVED[:2], "SCREEN SAVE"]}
    nowhere: dict[str, Any] = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    screens = stack("s", [0.0] * 25, **captured, **nowhere)
    brain = stack("a", TEN, **MR, **series(2))
    yield Made("more screenshots than slices", brain | screens, ALL, ["others have no positions"])
    planes = stack("m", [n / 2 for n in range(24)], "coronal", **MR, **series(3), ImageType=DERIVED)
    yield Made("reformats of an MR, more than slices", brain | planes, ALL, ["were computed"])
    views = stack("s", [0.0, 5.0, 10.0], "coronal", **MR, **series(1))
    made = views | stack("a", TEN, **MR, **series(2), ImageType=DERIVED)
    yield Made("an MR that was computed, and an original scout", made, ALL, ["the most"])
    maps = {f"m{n}": dicom(COLOURS, **_places(float(n)), **series(1)) for n in range(20)}
    slices = maps | stack("a", TEN, **series(2))
    yield Made("more maps in colours than slices", slices, ALL, ["others are in colours"])


COLOURS = np.stack([ramp(8, 16, 16)] * 3, axis=-1).astype(np.uint8)


def _places(depth: float) -> dict[str, Any]:
    return {
        "Modality": "CT",
        "InstanceNumber": int(depth) + 1,
        "ImagePositionPatient": [0, 0, depth],
        "ImageOrientationPatient": list(PLANES["axial"]),
    }


def passes() -> Iterator[Made]:
    """Several slices in one place."""

    def twice(**second: Any) -> Files:
        return stack("a", TEN, **MR) | stack(
            "b", TEN, **MR, InstanceNumber=lambda n: n + 11, **second
        )

    told = "10 images in the same places are left out"
    yield Made("two acquisitions", twice(AcquisitionNumber=2), ALL, [told])
    yield Made("two echoes", twice(EchoNumbers=2), ALL, [told])
    yield Made("two moments", twice(TemporalPositionIdentifier=2), ALL, [told])
    yield Made("two phases of the heart", twice(TriggerTime=400), ALL, [told])
    yield Made("magnitude and phase", twice(ImageType=["ORIGINAL", "PRIMARY", "P"]), ALL, [told])
    yield Made("two b-values", twice(DiffusionBValue=1000.0), ALL, ["B-value", told])
    yield Made("two passes by number alone", twice(), ALL, ["Pass 1 of 2 is shown", told])
    how = {"series": "1.2"}
    diffusion = twice(DiffusionBValue=1000.0)
    yield Made("the other b-value", diffusion, names("b", range(10)), ["B-value 1000"], how=how)
    for maker, tag in (("Siemens", _siemens), ("GE", _ge)):
        files = stack("a", TEN, **MR) | {
            name: tag(data) for name, data in stack("b", TEN, **MR).items()
        }
        yield Made(f"b-values as {maker} writes them", files, ALL, ["B-value"])
    both = twice(EchoNumbers=2) | stack("c", TEN, **MR, ImageType=["ORIGINAL", "PRIMARY", "P"])
    yield Made("echoes and kinds of image", both, ALL, ["Echo 1 of 2, kind of image 1 of 2"])
    ways = twice(DiffusionBValue=1000.0) | stack(
        "c", TEN, **MR, DiffusionBValue=1000.0, InstanceNumber=lambda n: n + 21
    )
    yield Made("directions of diffusion", ways, ALL, ["20 images in the same places"])


def _siemens(data: bytes) -> bytes:
    return _private(data, 0x0019, "SIEMENS MR HEADER", 0x0C, "IS", "1000")


def _ge(data: bytes) -> bytes:
    return _private(data, 0x0043, "GEMS_PARM_01", 0x39, "IS", [1000001000, 8, 0, 0])


def _private(data: bytes, group: int, creator: str, at: int, kind: str, value: Any) -> bytes:
    read = pydicom.dcmread(io.BytesIO(data))
    read.private_block(group, creator, create=True).add_new(at, kind, value)
    return written(read)


def over_time() -> Iterator[Made]:
    """fMRI and dynamic series."""
    scan = stack("a", [float(n % 5) for n in range(40)], **MR)
    first = names("a", range(5))
    yield Made("fMRI, numbered volume after volume", scan, first, ["Pass 1 of 8", "35 images"])
    broken = {name: scan[name] for name in names("a", range(37))}
    yield Made("fMRI that was broken off", broken, first, ["Pass 1 of 8", "32 images"])
    across = stack("a", [float(n // 8) for n in range(40)], **MR)
    yield Made("fMRI, numbered place after place", across, names("a", range(0, 40, 8)), ["35"])
    how = {"series": "1.3"}
    yield Made("its third volume", scan, names("a", range(10, 15)), ["Pass 3 of 8"], how=how)
    phases = stack("a", TEN, **MR, **series(1)) | stack("b", TEN, **MR, **series(2))
    yield Made("phases in series of their own", phases, ALL, ["10 images of the others"])
    depths = (0.0, 1.0, 2.0) * 2
    groups = [frame_groups(d, TemporalPositionIndex=1 + n // 3) for n, d in enumerate(depths)]
    yield Made("moments in one file", {"a": enhanced(depths, groups)}, [1, 2, 3], ["3 images"])


def series_of_their_own() -> Iterator[Made]:
    """Files of which each has a series of its own, and acquisitions."""

    def own(**tags: Any) -> Files:
        return stack("a", TEN, SeriesInstanceUID=lambda n: f"1.2.{n}", **tags)

    told = ["10 series of one image each are shown as one"]
    yield Made(
        "a series each, one number", own(SeriesNumber=3, FrameOfReferenceUID="1.7"), ALL, told
    )
    yield Made("a series each, in one space", own(FrameOfReferenceUID="1.7"), ALL, told)
    refused = "10 images have a series of their own each"
    yield Made("a series each, and nothing else", own(), refused=refused)
    doubled = own(SeriesNumber=3) | stack(
        "b", TEN, SeriesNumber=3, SeriesInstanceUID=lambda n: f"1.3.{n}"
    )
    yield Made("two volumes in series each", doubled, refused="20 images have a series")
    number: dict[str, Any] = {"AcquisitionNumber": lambda n: n + 1}
    yield Made("an acquisition for each slice", stack("a", TEN, **number), ALL)
    halves = stack("a", TEN, AcquisitionNumber=lambda n: 1 + n // 5)
    yield Made("acquisitions one after the other", halves, ALL)
    over = halves | stack("b", [4.0], AcquisitionNumber=2, InstanceNumber=99)
    yield Made("acquisitions that overlap", over, ALL, ["1 image in the same position as another"])
    copied = stack("a", TEN, SOPInstanceUID=lambda n: f"1.9.{n}")
    copied["copy"] = copied["a3"]
    yield Made("a copy of a file", copied, ALL, ["1 copy of an image is left out"])
    uneven = stack("a", TEN) | stack("b", TEN[:6], InstanceNumber=None)
    yield Made("doubles without a difference", uneven, refused="Several slices of the series")


def mosaics() -> Iterator[Made]:
    """Siemens' pictures of many slices."""
    kinds: dict[str, Any] = {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}
    several = stack("a", [0.0] * 4, **MR, **kinds)
    yield Made("mosaics over time", several, ["a0"], ["a mosaic of slices", "3 images"])
    frames = enhanced(tags={"ImageType": kinds["ImageType"]})
    yield Made("frames that keep the word", {"a": frames}, [2, 5, 1, 4, 3], direction=UP)


def geometry() -> Iterator[Made]:
    """Tilts, distances, directions."""
    tilt = math.radians(20)
    leaning = [1.0, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt)]
    tilted: dict[str, Any] = {"ImageOrientationPatient": leaning}
    told = ["The gantry was tilted by 20 degrees"]
    yield Made("a tilted gantry", stack("a", TEN, **tilted), ALL, told, direction=UP)
    down: dict[str, Any] = {"InstanceNumber": lambda n: 10 - n}
    back = ALL[::-1]
    yield Made(
        "tilted, from head to feet", stack("a", TEN, **tilted, **down), back, told, direction=DOWN
    )
    yield Made("numbered from head to feet", stack("a", TEN, **down), back, direction=DOWN)
    how = {"order": "position"}
    yield Made("the same by position", stack("a", TEN, **down), ALL, direction=UP, how=how)
    odd: dict[str, Any] = {"InstanceNumber": lambda n: [1, 6, 2, 7, 3, 8, 4, 9, 5, 10][n]}
    yield Made("numbered every second first", stack("a", TEN, **odd), ALL, direction=UP)
    yield Made("without numbers", stack("a", TEN, InstanceNumber=None), ALL, direction=UP)
    sides = stack("a", TEN, "sagittal", **MR)
    yield Made("sagittal slices", sides, ALL, direction="left to right")
    bare = stack("a", TEN, ImagePositionPatient=None)
    yield Made("without positions", bare, ALL, ["in the order of their numbers"])
    zeros = stack("a", TEN, ImageOrientationPatient=[0.0] * 6)
    yield Made("orientations of zeros", zeros, ALL, direction=UP)
    lost = stack("a", TEN, ImagePositionPatient=[0.0] * 3)
    yield Made("positions of zeros", lost, refused="All 10 images of the series have the same")
    page = stack("p", [0.0], ImagePositionPatient=None, InstanceNumber=99)
    yield Made(
        "a page without a place", stack("a", TEN) | page, ALL, ["1 image without a position"]
    )
    head = [*(4.0 * n for n in range(5)), 17.08, *(17.08 + 7.0 * n for n in range(1, 5))]
    told = ["Slices are 4 mm apart at first and 7 mm later"]
    yield Made("a head whose distance changes", stack("a", head), ALL, told)
    growing = [n * (n + 3) / 4 for n in range(10)]
    yield Made("distances that grow", stack("a", growing), ALL, ["Slices are 1 to 5 mm apart"])
    gone = [n for n in range(11) if n != 5]
    hole = stack("a", [float(n) for n in gone], InstanceNumber=lambda n: gone[n] + 1)
    yield Made("a slice that is missing", hole, ALL, ["About 1 slice is missing"])
    renumbered = stack("a", [float(n) for n in gone])
    yield Made("the same, numbered anew", renumbered, ALL, ["About 1 slice is missing"])


def unreadable() -> Iterator[Made]:
    """Files that can't be read among good ones."""
    volume = stack("a", TEN)
    cut = stack("x", [10.0], InstanceNumber=11)["x0"]
    told = ["1 file is left out. The DICOM file ends before its image does"]
    yield Made("a slice without its last pixels", volume | {"x": cut[:-30]}, ALL, told)
    yield Made("a slice that is cut in its header", volume | {"x": cut[:420]}, ALL, told)
    frame = bytes(imagecodecs.jpegls_encode(ramp(12)))
    coded = compressed([frame], ramp(12), uids.JPEGLSLossless, **_places(10.0))
    yield Made("a compressed slice cut short", volume | {"x": coded[:-40]}, ALL, told)
    other = cut.replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.9")
    told = ["1 file is left out. The DICOM image's transfer syntax isn't read"]
    yield Made("a slice in a syntax that isn't read", volume | {"x": other}, ALL, told)
    data = elements(np.zeros((4, 4), np.uint8), {})
    data.SOPClassUID = uids.MediaStorageDirectoryStorage
    disc = {"DICOMDIR": written(data), "README": b"nothing"}
    yield Made("a disc's list and a text", volume | disc, ALL, ["2 files aren't images"])
    pieces = {"x": cut[:420], "y": cut[:-30], "z": body(cut)}
    yield Made("nothing but pieces", pieces, refused="The DICOM file ends before its image does")


def pictures() -> Iterator[Made]:
    """X-rays, patients, studies."""

    def x_ray(number: int, **tags: Any) -> bytes:
        given = {"Modality": "DX", "InstanceNumber": number, "SeriesNumber": number, **tags}
        return dicom(ramp(12, 20, 20 + number), **given)

    two = {"b": x_ray(1), "a": x_ray(2)}
    yield Made("two X-rays of a series", two, ["b", "a"])
    thrice = {name: x_ray(1, SOPInstanceUID="1.9.1") for name in "acd"}
    lateral = {"b": x_ray(1, SOPInstanceUID="1.9.2")}
    told = ["2 copies of images are left out"]
    yield Made("an X-ray three times, and another", thrice | lateral, ["a", "b"], told)
    named = {"b": x_ray(1, SOPInstanceUID="1.9"), "a": x_ray(2, SOPInstanceUID="1.9")}
    yield Made("two X-rays under one name", named, ["b", "a"])
    apart = {"b": x_ray(1), "a": x_ray(2, SeriesInstanceUID="1.2.4")}
    yield Made("two X-rays in two series", apart, ["b", "a"])
    page = dicom(ramp(8), Modality="CT", SeriesInstanceUID="1.2.4", SeriesNumber=9)
    yield Made("two X-rays, and a page of a CT", two | {"c": page}, ["b", "a", "c"])
    yield Made("a page of a CT, and a copy", {"c": page, "d": page}, ["c"], ["1 copy of an image"])
    how = {"series": 2}
    yield Made("one of them", apart, ["a"], ["1 image of other series is left out"], how=how)
    beside = stack("a", TEN) | {"x": x_ray(1, SeriesInstanceUID="1.2.4")}
    yield Made("an X-ray beside a CT", beside, ALL, ["1 image of the others is left out"])
    mine, yours = ({"PatientID": name, "PatientName": name} for name in ("A", "B"))
    people = stack("a", TEN, **mine, **series(1)) | stack("b", TEN, **yours, **series(2))
    yield Made("two patients", people, refused="The images come from 2 patients")
    shown = names("b", range(10))
    yield Made("one of two patients", people, shown, ["from 2 patients. Only"], how={"series": 2})
    same = stack("a", TEN, **mine) | stack("b", TEN, **yours)
    yield Made("two patients in one series", same, refused="The images come from 2 patients")
    before = stack("a", TEN, StudyInstanceUID="1.5") | stack("b", TEN, StudyInstanceUID="1.6")
    yield Made("two studies", before, refused="The images come from 2 studies")
    days = {"x": x_ray(1, StudyDate="20250101"), "y": x_ray(2, StudyDate="20260101")}
    yield Made("X-rays of two days", days, refused="The images come from 2 days")


KINDS: tuple[Callable[[], Iterator[Made]], ...] = (
    scouts,
    others_than_axial,
    computed,
    passes,
    over_time,
    series_of_their_own,
    mosaics,
    geometry,
    unreadable,
    pictures,
)
