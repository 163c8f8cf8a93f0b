"""What teaches micro's eyes before it can speak, and is thrown away when it can."""

from __future__ import annotations

import torch
from torch.nn import functional

from devtools.micro.files import SHAPE
from devtools.micro.pictures import Batch
from devtools.micro.questions import LOCATED, place_of
from edge_med.demo.phantom import DEVICES, SIDES, STRUCTURES, ZONES, Phantom

FLAGS = len(SIDES) * len(ZONES) + len(SIDES) + 1 + len(SIDES) + len(DEVICES) + 1


class Heads(torch.nn.Module):  # type: ignore[misc]
    """What the eyes are taught with: structures by patch; findings and boxes by all tokens."""

    def __init__(self) -> None:
        super().__init__()
        shape = SHAPE
        assert shape.vision
        self.patches = torch.nn.Linear(shape.vision.hidden, len(STRUCTURES))
        self.flags = torch.nn.Linear(shape.text.hidden, FLAGS)
        self.boxes = torch.nn.Linear(shape.text.hidden, 4 * len(LOCATED))
        self.digits = torch.nn.Linear(shape.text.hidden, 4 * len(LOCATED) * 2 * 10)

    def loss(self, seen: torch.Tensor, tokens: torch.Tensor, batch: Batch) -> torch.Tensor:
        """How far the eyes are off: patches, findings and boxes."""
        seen, tokens = seen.float(), tokens.float()
        masks = torch.from_numpy(batch.masks).float().div(255).flatten(2).transpose(1, 2)
        patches = functional.binary_cross_entropy_with_logits(self.patches(seen), masks)
        mean = tokens.mean(1)  # what attention can read without knowing which token it is
        flags = torch.tensor([_flags(drawn) for drawn in batch.phantoms])
        findings = functional.binary_cross_entropy_with_logits(self.flags(mean), flags)
        there, true = _boxes(batch)
        return patches + findings + self._off(mean, there, true) + self._misread(mean, there, true)

    def _misread(self, mean: torch.Tensor, there: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Both digits of each corner, since those are what has to be written."""
        hundredths = (true * 100).round().long().clamp(max=99)
        digits = torch.stack([hundredths // 10, hundredths % 10], -1)[there.bool()]
        guess = self.digits(mean).view(*there.shape, 4, 2, 10)[there.bool()]
        return functional.cross_entropy(guess.reshape(-1, 10), digits.reshape(-1))

    def _off(self, mean: torch.Tensor, there: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Corners, in shares of their boxes' sizes."""
        guess = self.boxes(mean).view(true.shape)
        size = (true[..., 2:] - true[..., :2]).repeat(1, 1, 2).clamp(min=0.02)
        apart = (guess - true) / size  # what overlap suffers from, for small boxes as for large
        off = functional.smooth_l1_loss(apart, torch.zeros_like(apart), beta=0.1, reduction="none")
        off = off.mean(-1)
        return (off * there).sum() / there.sum().clamp(min=1)


def _boxes(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Which structures are there, and where."""
    places = [[place_of(drawn, name) for name in LOCATED] for drawn in batch.phantoms]
    there = torch.tensor([[place is not None for place in row] for row in places]).float()
    return there, torch.tensor([[place or (0.0,) * 4 for place in row] for row in places])


def _flags(drawn: Phantom) -> list[float]:
    spots = [(side, zone) for side in SIDES for zone in ZONES]
    return [
        *[float(drawn.opacity == spot) for spot in spots],
        *[float(drawn.effusion == side) for side in SIDES],
        float(drawn.enlarged),
        *[float(drawn.pneumothorax == side) for side in SIDES],
        *[float(drawn.device == name) for name in DEVICES],
        float(not drawn.findings),
    ]
