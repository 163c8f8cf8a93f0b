"""What tests, benchmarks and scripts share: checkpoints, images, golden files, comparisons."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""

GOLDEN = ROOT / "tests/golden"
"""What the tools of others have said, stored by scripts."""
