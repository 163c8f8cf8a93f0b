"""A phantom's picture: soft-edged shapes on top of each other, with a random exposure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_med.demo.phantom import CAN, SIDE, TUBE, Geometry, Phantom

Plane = npt.NDArray[np.float32]


def render(drawn: Phantom, side: int = SIDE) -> Plane:
    """A phantom's picture.

    Returns:
        brightness from 0 to 1, of shape (side, side): bone and metal bright, air dark.
    """
    picture = layers(drawn, side)["picture"]
    rng = np.random.default_rng([drawn.seed, 2])
    gain, gamma = rng.uniform(0.85, 1.1), rng.uniform(0.8, 1.25)
    inside = picture > 0
    slope = np.linspace(-1, 1, side, dtype=np.float32) * np.float32(rng.uniform(-0.06, 0.06))
    lit = (picture + slope[None, :] * inside) * np.float32(gain)
    noise = rng.standard_normal((side, side), np.float32) * np.float32(rng.uniform(0.005, 0.03))
    exposed = np.clip(lit + noise * inside, 0, 1) ** np.float32(gamma)
    return exposed.astype(np.float32)


def pixels(drawn: Phantom, side: int = SIDE) -> npt.NDArray[np.uint8]:
    """The same in eight bits."""
    return np.rint(render(drawn, side) * 255).astype(np.uint8)


def layers(drawn: Phantom, side: int = SIDE) -> dict[str, Plane]:
    """The picture without noise, and how much of each structure is in each pixel."""
    g, (fx, fy) = drawn.geometry, drawn.frame
    x, y = _axis(side, fx)[None, :], _axis(side, fy)[:, None]
    canvas = Canvas(x, y, 1.0 / side)
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


def _axis(side: int, share: float) -> Plane:
    """Positions of the square's pixels in the body's picture, which takes a share of it."""
    steps = (np.arange(side) + 0.5) / side
    return ((steps - 0.5) / share + 0.5).astype(np.float32)


def _findings(
    canvas: Canvas, drawn: Phantom, lungs: dict[str, Plane]
) -> Iterator[tuple[str, Plane, float]]:
    """Name, layer and brightness of the structures in the chest, from back to front."""
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
        yield "device", canvas.block(*g.can, *CAN, power=4), 1.0
    elif drawn.device == "tube":
        yield "device", canvas.line(g.centre, 0.0, g.centre, g.tip, TUBE), 0.98


def _collapsed(g: Geometry, side: str) -> tuple[float, float, float, float]:
    """What is left of a lung: smaller, and drawn towards heart and diaphragm."""
    sign = -1 if side == "right" else 1
    keep = g.collapse
    x = g.centre + sign * (g.lung_offset - g.lung_width * (1 - keep))
    y = g.top + g.lung_height * (1 + (1 - keep))
    return x, y, g.lung_width * keep, g.lung_height * keep


def _lines(canvas: Canvas, drawn: Phantom) -> Iterator[Plane]:
    g = drawn.geometry
    if drawn.device == "pacemaker":  # its lead into the heart
        yield canvas.line(*g.can, g.centre, g.top + g.lung_height * 0.6, 0.007)
        yield canvas.line(g.centre, g.top + g.lung_height * 0.6, *g.heart[:2], 0.007)


def _laid(picture: Plane, layer: Plane, shade: float) -> Plane:
    return picture + layer * (np.float32(shade) - picture)


def _clipped(distance: npt.NDArray[Any]) -> Plane:
    """How much of a pixel is inside, by its distance from the edge in edges' widths."""
    inside: Plane = np.clip(distance + np.float32(0.5), 0, 1)
    return inside


class Canvas:
    """Soft-edged shapes in the coordinates of the body's picture."""

    def __init__(self, x: Plane, y: Plane, pixel: float) -> None:
        self.x, self.y, self.edge = x, y, 2 * pixel

    def block(self, x: float, y: float, rx: float, ry: float, power: float = 2.0) -> Plane:
        """A superellipse: 2 is an ellipse, larger powers come nearer to a rectangle."""
        across = np.abs((self.x - x) / rx) ** np.float32(power)
        down = np.abs((self.y - y) / ry) ** np.float32(power)
        distance = 1 - (across + down) ** np.float32(1 / power)
        return _clipped(distance * np.float32(min(rx, ry) / self.edge))

    def blob(self, x: float, y: float, radius: float) -> Plane:
        """Round, dense in the middle, and fading."""
        square = ((self.x - x) ** 2 + (self.y - y) ** 2) / np.float32(radius * radius)
        faded: Plane = np.exp(-(np.minimum(square, 12) ** 2) * np.float32(0.7))
        return faded

    def below(self, level: float) -> Plane:
        """Everything under a level."""
        return _clipped((self.y - np.float32(level)) / np.float32(self.edge))

    def strip(self, x: float, half: float) -> Plane:
        """An upright stripe."""
        return _clipped((half - np.abs(self.x - np.float32(x))) / np.float32(self.edge))

    def line(self, x0: float, y0: float, x1: float, y1: float, half: float) -> Plane:
        """A straight stroke of a width."""
        dx, dy = x1 - x0, y1 - y0
        share = ((self.x - x0) * dx + (self.y - y0) * dy) / np.float32(dx * dx + dy * dy)
        share = np.clip(share, 0, 1)
        distance = np.hypot(self.x - (x0 + share * dx), self.y - (y0 + share * dy))
        return _clipped((half - distance) / np.float32(self.edge))

    def ribs(self, g: Geometry) -> Plane:
        """Seven pairs of arcs that fall to the sides."""
        fall = 0.9 * (self.x - g.centre) ** 2
        phase = (self.y - fall - g.top) / np.float32(2 * g.lung_height / 7)
        wave = np.cos(phase * np.float32(2 * np.pi))
        arcs: Plane = np.clip((wave - 0.55) * 4, 0, 1)
        return arcs
