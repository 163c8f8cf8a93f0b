"""Arrays as the engine passes them on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
"""Logits, and rows of embeddings."""

Wide = npt.NDArray[np.float64]
"""What is computed of them."""

Ids = npt.NDArray[np.intp]
"""Tokens."""
