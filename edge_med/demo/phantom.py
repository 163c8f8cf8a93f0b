"""Synthetic chest X-rays: what the embedded model micro was trained on, and is shown.

A phantom is a drawing with the proportions of a frontal chest X-ray: body, lungs, heart, spine and
ribs, and findings of five kinds. It shows nobody, and resembles a patient's picture only so far
that a toy model can be asked about it. As in radiology, the patient's right is on the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

SIDE = 224
"""Pixels of micro's pictures."""

Side = Literal["right", "left"]
Zone = Literal["upper", "middle", "lower"]
Device = Literal["pacemaker", "tube"]
Place = tuple[float, float, float, float]
"""y0, x0, y1, x1 in shares of the picture."""

SIDES: tuple[Side, ...] = ("right", "left")
ZONES: tuple[Zone, ...] = ("upper", "middle", "lower")
DEVICES: tuple[Device, ...] = ("pacemaker", "tube")
FINDINGS = ("opacity", "effusion", "enlarged heart", "pneumothorax", "device")
STRUCTURES = ("right lung", "left lung", "heart", "opacity", "effusion", "pneumothorax", "device")
"""Structures whose boxes `where` knows."""

CAN, TUBE = (0.045, 0.038), 0.014
"""Half width and height of a pacemaker, and half the width of a tube."""

SHARES = {"opacity": 0.45, "effusion": 0.35, "heart": 0.4, "pneumothorax": 0.3, "device": 0.4}
"""How often each finding is drawn; about a tenth of the phantoms has none."""


@dataclass(frozen=True)
class Phantom:
    """What is to be seen in a phantom, and where.

    Attributes:
        seed: seed of the drawing and of its noise.
        opacity: side and zone of a round opacity.
        effusion: side of fluid at the bottom of a lung.
        enlarged: whether the heart is enlarged.
        pneumothorax: side of air around the top of a lung.
        device: a pacemaker, or a tube in the windpipe.
        places: boxes of all structures, as `where` gives them.
        frame: width and height of the body's picture in shares of the square; the rest is black,
            as with a picture that was padded.
    """

    seed: int
    opacity: tuple[Side, Zone] | None
    effusion: Side | None
    enlarged: bool
    pneumothorax: Side | None
    device: Device | None
    geometry: Geometry
    frame: tuple[float, float]

    @property
    def findings(self) -> tuple[str, ...]:
        """Those of `FINDINGS` that are there."""
        there = (self.opacity, self.effusion, self.enlarged, self.pneumothorax, self.device)
        return tuple(name for name, value in zip(FINDINGS, there, strict=True) if value)


@dataclass(frozen=True)
class Geometry:
    """Sizes and places, in shares of the body's picture."""

    centre: float
    top: float
    lung_width: float
    lung_height: float
    lung_offset: float
    heart: tuple[float, float, float, float]  # centre x and y, half width and half height
    opacity: tuple[float, float, float]  # centre x and y, radius
    level: float  # of an effusion, in shares of the lung's height from its top
    collapse: float  # how much of a lung's radius is left in a pneumothorax
    can: tuple[float, float]  # centre of a pacemaker
    tip: float  # lower end of a tube


def phantom(seed: int, *, padded: float = 0.3) -> Phantom:
    """Draw a phantom's anatomy and findings at random.

    Args:
        seed: seed; the same one gives the same phantom.
        padded: share of phantoms whose picture isn't square, and has black bars.
    """
    rng = np.random.default_rng([seed, 1])
    there = {name: rng.random() < share for name, share in SHARES.items()}
    effusion, pneumothorax = _side(rng), _side(rng)
    opacity = (_side(rng), ZONES[int(rng.integers(3))])
    effusion_there, air_there = there["effusion"], there["pneumothorax"]
    if opacity[1] == "lower" and effusion_there:  # fluid and air hide what lies in them
        effusion = _other(opacity[0])
    if opacity[1] != "lower" and air_there:
        pneumothorax = _other(opacity[0])
    enlarged = bool(there["heart"])
    device = DEVICES[int(rng.integers(2))]
    geometry = _geometry(rng, opacity, enlarged=enlarged)
    narrow = rng.uniform(0.72, 1.0) if rng.random() < padded else 1.0
    frame = (narrow, 1.0) if rng.random() < 0.7 else (1.0, narrow)
    return Phantom(
        seed=seed,
        opacity=opacity if there["opacity"] else None,
        effusion=effusion if effusion_there else None,
        enlarged=enlarged,
        pneumothorax=pneumothorax if air_there else None,
        device=device if there["device"] else None,
        geometry=geometry,
        frame=frame,
    )


def _side(rng: np.random.Generator) -> Side:
    return SIDES[int(rng.integers(2))]


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"


def _geometry(rng: np.random.Generator, opacity: tuple[Side, Zone], *, enlarged: bool) -> Geometry:
    centre, top = rng.uniform(0.46, 0.54), rng.uniform(0.10, 0.17)
    width, height = rng.uniform(0.145, 0.175), rng.uniform(0.30, 0.36)
    offset = width + rng.uniform(0.045, 0.065)
    chest = 2 * (offset + width)
    # The heart is enlarged where it is wider than half the chest; the gap keeps it decidable.
    share = rng.uniform(0.58, 0.68) if enlarged else rng.uniform(0.38, 0.46)
    half = share * chest / 2
    bottom = top + 2 * height
    heart = (
        centre + half * rng.uniform(0.22, 0.32),
        bottom - height * rng.uniform(0.42, 0.52),
        half,
        height * rng.uniform(0.36, 0.42) * (1.12 if enlarged else 1.0),
    )
    third = ZONES.index(opacity[1])
    sign = -1 if opacity[0] == "right" else 1
    spot = (
        centre + sign * (offset + width * rng.uniform(-0.05, 0.35)),
        top + 2 * height * (third / 3 + rng.uniform(0.13, 0.21)),
        rng.uniform(0.05, 0.085),
    )
    can_side = -1 if rng.random() < 0.3 else 1
    can = (centre + can_side * offset * rng.uniform(1.0, 1.25), top + rng.uniform(0.0, 0.07))
    return Geometry(
        centre=centre,
        top=top,
        lung_width=width,
        lung_height=height,
        lung_offset=offset,
        heart=heart,
        opacity=spot,
        level=rng.uniform(0.62, 0.76),
        collapse=rng.uniform(0.66, 0.78),
        can=can,
        tip=top + height * rng.uniform(0.55, 0.8),
    )


def where(drawn: Phantom, structure: str) -> Place | None:
    """Where a structure is in the square picture; None if it isn't there."""
    g = drawn.geometry
    found: Place | None = None
    if structure in ("heart", "enlarged heart"):
        x, y, rx, ry = g.heart
        found = (y - ry, x - rx, y + ry, x + rx)
    elif structure in ("right lung", "left lung"):
        found = _lung(g, structure.removesuffix(" lung"))
    elif structure == "opacity" and drawn.opacity:
        x, y, radius = g.opacity
        found = (y - radius, x - radius, y + radius, x + radius)
    elif structure == "effusion" and drawn.effusion:
        y0, x0, y1, x1 = _lung(g, drawn.effusion)
        found = (y0 + (y1 - y0) * g.level, x0, y1, x1)
    elif structure == "pneumothorax" and drawn.pneumothorax:
        y0, x0, y1, x1 = _lung(g, drawn.pneumothorax)
        found = (y0, x0, y0 + (y1 - y0) * 0.7, x1)
    elif structure == "device" and drawn.device == "pacemaker":
        x, y = g.can
        found = (y - CAN[1], x - CAN[0], y + CAN[1], x + CAN[0])
    elif structure == "device" and drawn.device == "tube":
        found = (0.0, g.centre - TUBE, g.tip, g.centre + TUBE)
    return _framed(found, drawn.frame) if found else None


def _lung(g: Geometry, side: str) -> Place:
    x = g.centre + (-1 if side == "right" else 1) * g.lung_offset
    return g.top, x - g.lung_width, g.top + 2 * g.lung_height, x + g.lung_width


def _framed(place: Place, frame: tuple[float, float]) -> Place:
    """From the body's picture into the square, cut off at its edges."""
    fx, fy = frame
    y0, x0, y1, x1 = place
    ys = [min(max((y - 0.5) * fy + 0.5, 0.0), 1.0) for y in (y0, y1)]
    xs = [min(max((x - 0.5) * fx + 0.5, 0.0), 1.0) for x in (x0, x1)]
    return ys[0], xs[0], ys[1], xs[1]
