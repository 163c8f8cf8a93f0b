"""Synthetic chest X-rays: what the embedded model micro was trained on, and is shown.

A phantom is a drawing with the proportions of a frontal chest X-ray: body, lungs, heart, spine and
ribs, and findings of five kinds. It shows nobody, and resembles a patient's picture only so far
that a toy model can be asked about it. As in radiology, the patient's right is on the left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

SIDE = 224
"""Pixels of micro's pictures."""

Side = Literal["right", "left"]
Zone = Literal["upper", "middle", "lower"]
Device = Literal["pacemaker", "tube"]
Place = tuple[float, float, float, float]
"""y0, x0, y1, x1 in shares of the picture."""

Plane = npt.NDArray[np.float32]

SIDES: tuple[Side, ...] = ("right", "left")
ZONES: tuple[Zone, ...] = ("upper", "middle", "lower")
DEVICES: tuple[Device, ...] = ("pacemaker", "tube")
FINDINGS = ("opacity", "effusion", "enlarged heart", "pneumothorax", "device")
STRUCTURES = ("right lung", "left lung", "heart", "opacity", "effusion", "pneumothorax", "device")
"""Of which `render` can tell where they are."""

SHARES = {"opacity": 0.45, "effusion": 0.35, "heart": 0.4, "pneumothorax": 0.3, "device": 0.4}
"""How often each finding is drawn; about a tenth of the phantoms has none."""


@dataclass(frozen=True)
class Phantom:
    """What is to be seen in a phantom, and where.

    Attributes:
        seed: that it was drawn from; its noise comes from it too.
        opacity: side and zone of a round opacity.
        effusion: side of fluid at the bottom of a lung.
        enlarged: whether the heart is.
        pneumothorax: side of air around the top of a lung.
        device: a pacemaker, or a tube in the windpipe.
        places: of every structure that is there, as `where` gives them.
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
    """Draw a phantom's anatomy and findings by lot.

    Args:
        seed: the same one gives the same phantom.
        padded: share of phantoms whose picture isn't square, and has black bars.
    """
    lot = np.random.default_rng([seed, 1])
    there = {name: lot.random() < share for name, share in SHARES.items()}
    effusion, pneumothorax = _side(lot), _side(lot)
    opacity = (_side(lot), ZONES[int(lot.integers(3))])
    effusion_there, air_there = there["effusion"], there["pneumothorax"]
    if opacity[1] == "lower" and effusion_there:  # fluid and air hide what lies in them
        effusion = _other(opacity[0])
    if opacity[1] != "lower" and air_there:
        pneumothorax = _other(opacity[0])
    enlarged = bool(there["heart"])
    device = DEVICES[int(lot.integers(2))]
    geometry = _geometry(lot, opacity, enlarged=enlarged)
    narrow = float(lot.uniform(0.72, 1.0)) if lot.random() < padded else 1.0
    frame = (narrow, 1.0) if lot.random() < 0.7 else (1.0, narrow)
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


def _side(lot: np.random.Generator) -> Side:
    return SIDES[int(lot.integers(2))]


def _other(side: Side) -> Side:
    return "left" if side == "right" else "right"


def _geometry(lot: np.random.Generator, opacity: tuple[Side, Zone], *, enlarged: bool) -> Geometry:
    centre, top = lot.uniform(0.46, 0.54), lot.uniform(0.10, 0.17)
    width, height = lot.uniform(0.145, 0.175), lot.uniform(0.30, 0.36)
    offset = width + lot.uniform(0.045, 0.065)
    chest = 2 * (offset + width)
    # The heart is enlarged where it is wider than half the chest; the gap keeps it decidable.
    share = lot.uniform(0.58, 0.68) if enlarged else lot.uniform(0.38, 0.46)
    half = share * chest / 2
    bottom = top + 2 * height
    heart = (
        centre + half * lot.uniform(0.22, 0.32),
        bottom - height * lot.uniform(0.42, 0.52),
        half,
        height * lot.uniform(0.36, 0.42) * (1.12 if enlarged else 1.0),
    )
    third = ZONES.index(opacity[1])
    sign = -1 if opacity[0] == "right" else 1
    spot = (
        centre + sign * (offset + width * lot.uniform(-0.05, 0.35)),
        top + 2 * height * (third / 3 + lot.uniform(0.13, 0.21)),
        lot.uniform(0.05, 0.085),
    )
    can_side = -1 if lot.random() < 0.3 else 1
    can = (centre + can_side * offset * lot.uniform(1.0, 1.25), top + lot.uniform(0.0, 0.07))
    return Geometry(
        centre=float(centre),
        top=float(top),
        lung_width=float(width),
        lung_height=float(height),
        lung_offset=float(offset),
        heart=tuple(map(float, heart)),  # type: ignore[arg-type]
        opacity=tuple(map(float, spot)),  # type: ignore[arg-type]
        level=float(lot.uniform(0.62, 0.76)),
        collapse=float(lot.uniform(0.66, 0.78)),
        can=(float(can[0]), float(can[1])),
        tip=float(top + height * lot.uniform(0.55, 0.8)),
    )


def render(drawn: Phantom, side: int = SIDE) -> Plane:
    """A phantom's picture.

    Returns:
        brightness from 0 to 1, of shape (side, side): bone and metal bright, air dark.
    """
    picture = layers(drawn, side)["picture"]
    lot = np.random.default_rng([drawn.seed, 2])
    gain, gamma = lot.uniform(0.85, 1.1), lot.uniform(0.8, 1.25)
    inside = picture > 0
    slope = np.linspace(-1, 1, side, dtype=np.float32) * np.float32(lot.uniform(-0.06, 0.06))
    lit = (picture + slope[None, :] * inside) * np.float32(gain)
    noise = lot.standard_normal((side, side), np.float32) * np.float32(lot.uniform(0.005, 0.03))
    exposed = np.clip(lit + noise * inside, 0, 1) ** np.float32(gamma)
    return exposed.astype(np.float32)


def pixels(drawn: Phantom, side: int = SIDE) -> npt.NDArray[np.uint8]:
    """The same in eight bits."""
    return np.rint(render(drawn, side) * 255).astype(np.uint8)


def layers(drawn: Phantom, side: int = SIDE) -> dict[str, Plane]:
    """The picture without noise, and beside it how much of each structure is in each pixel."""
    g, (fx, fy) = drawn.geometry, drawn.frame
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    x = ((steps - 0.5) / np.float32(fx) + np.float32(0.5))[None, :]
    y = ((steps - 0.5) / np.float32(fy) + np.float32(0.5))[:, None]
    canvas = _Canvas(x, y, 1.0 / side)
    body = canvas.block(g.centre, 0.62, 2.75 * g.lung_width, 0.60, power=4)
    picture = 0.04 + 0.42 * body
    there = {}
    lungs = {}
    for name, sign in (("right", -1), ("left", 1)):
        lung = canvas.block(
            g.centre + sign * g.lung_offset,
            g.top + g.lung_height,
            g.lung_width,
            g.lung_height,
            power=2.5,
        )
        lungs[name] = lung
        picture = _laid(picture, lung, 0.17)
    in_lungs = lungs["right"] + lungs["left"]
    picture = picture + 0.10 * canvas.ribs(g) * body * (0.35 + 0.65 * in_lungs)
    picture = picture + 0.13 * canvas.strip(g.centre, 0.035) * body
    for name, layer, shade in _findings(canvas, drawn, lungs):
        there[name] = layer
        picture = picture + layer * shade if name == "opacity" else _laid(picture, layer, shade)
    for line in _lines(canvas, drawn):
        picture = _laid(picture, line, 0.95)
    in_frame = ((np.abs(x - 0.5) <= 0.5) & (np.abs(y - 0.5) <= 0.5)).astype(np.float32)
    lung_layers = {f"{name} lung": lung for name, lung in lungs.items()}
    return {"picture": (picture * in_frame).astype(np.float32), **lung_layers, **there}


def _findings(
    canvas: _Canvas, drawn: Phantom, lungs: dict[str, Plane]
) -> Iterator[tuple[str, Plane, float]]:
    """Name, layer and brightness of what lies in the chest, from back to front."""
    g = drawn.geometry
    if drawn.pneumothorax:
        x, y, rx, ry = _collapsed(g, drawn.pneumothorax)
        yield "pneumothorax", lungs[drawn.pneumothorax] * (1 - canvas.block(x, y, rx, ry)), 0.03
    yield "heart", canvas.block(*g.heart), 0.60
    if drawn.opacity:
        x, y, radius = g.opacity
        yield "opacity", canvas.blob(x, y, radius), 0.34
    if drawn.effusion:
        level = g.top + 2 * g.lung_height * g.level
        yield "effusion", lungs[drawn.effusion] * canvas.below(level), 0.66
    if drawn.device == "pacemaker":
        yield "device", canvas.block(*g.can, 0.045, 0.038, power=4), 1.0
    elif drawn.device == "tube":
        yield "device", canvas.line(g.centre, 0.0, g.centre, g.tip, 0.014), 0.98


def _collapsed(g: Geometry, side: str) -> tuple[float, float, float, float]:
    """What is left of a lung: smaller, and drawn towards heart and diaphragm."""
    sign = -1 if side == "right" else 1
    keep = g.collapse
    x = g.centre + sign * (g.lung_offset - g.lung_width * (1 - keep))
    y = g.top + g.lung_height * (1 + (1 - keep))
    return x, y, g.lung_width * keep, g.lung_height * keep


def _lines(canvas: _Canvas, drawn: Phantom) -> Iterator[Plane]:
    g = drawn.geometry
    if drawn.device == "pacemaker":  # its lead into the heart
        yield canvas.line(*g.can, g.centre, g.top + g.lung_height * 0.6, 0.007)
        yield canvas.line(g.centre, g.top + g.lung_height * 0.6, *g.heart[:2], 0.007)


def _laid(picture: Plane, layer: Plane, shade: float) -> Plane:
    return picture + layer * (np.float32(shade) - picture)


class _Canvas:
    """Soft-edged shapes in the coordinates of the body's picture."""

    def __init__(self, x: Plane, y: Plane, pixel: float) -> None:
        self.x, self.y, self.edge = x, y, 2 * pixel

    def block(self, x: float, y: float, rx: float, ry: float, power: float = 2.0) -> Plane:
        """A superellipse: 2 is an ellipse, larger powers come nearer to a rectangle."""
        across = np.abs((self.x - x) / rx) ** np.float32(power)
        down = np.abs((self.y - y) / ry) ** np.float32(power)
        distance = 1 - (across + down) ** np.float32(1 / power)
        return np.clip(distance * (min(rx, ry) / self.edge) + 0.5, 0, 1)

    def blob(self, x: float, y: float, radius: float) -> Plane:
        """Round, dense in the middle, and fading."""
        square = ((self.x - x) ** 2 + (self.y - y) ** 2) / np.float32(radius * radius)
        return np.exp(-(np.minimum(square, 12) ** 2) * np.float32(0.7))

    def below(self, level: float) -> Plane:
        return np.clip((self.y - level) / self.edge + 0.5, 0, 1)

    def strip(self, x: float, half: float) -> Plane:
        return np.clip((half - np.abs(self.x - x)) / self.edge + 0.5, 0, 1)

    def line(self, x0: float, y0: float, x1: float, y1: float, half: float) -> Plane:
        """A straight stroke of a width."""
        dx, dy = x1 - x0, y1 - y0
        share = ((self.x - x0) * dx + (self.y - y0) * dy) / np.float32(dx * dx + dy * dy)
        share = np.clip(share, 0, 1)
        distance = np.hypot(self.x - (x0 + share * dx), self.y - (y0 + share * dy))
        return np.clip((half - distance) / self.edge + 0.5, 0, 1)

    def ribs(self, g: Geometry) -> Plane:
        """Seven pairs of arcs that fall to the sides."""
        fall = 0.9 * (self.x - g.centre) ** 2
        phase = (self.y - fall - g.top) / np.float32(2 * g.lung_height / 7)
        wave = np.cos(phase * np.float32(2 * np.pi))
        return np.clip((wave - 0.55) * 4, 0, 1)


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
        found = (y - 0.038, x - 0.045, y + 0.038, x + 0.045)
    elif structure == "device" and drawn.device == "tube":
        found = (0.0, g.centre - 0.014, g.tip, g.centre + 0.014)
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
