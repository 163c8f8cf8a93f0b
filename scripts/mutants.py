"""Open thousands of damaged images, and print the table of docs/evidence/images.md.

python -m scripts.mutants [--dicom 5000] [--photos 3000] [--only ROW…]

Each is a picture, or refused with an error of ours, within two seconds; anything else ends this.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator

from devtools.images.mutants import DICOM, dicom_mutant, photo_mutant, timed
from devtools.images.photos import DEEP, FILES
from edge_med.imaging.sandbox.pool import POOL

Mutant = Callable[[bytes, random.Random], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dicom", type=int, default=5000)
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--only", nargs="+", default=[""], help="rows that begin so")
    options = parser.parse_args()
    wanted = tuple(options.only)
    print("| mutants of | | opened | refused | longest, s |\n|---|---|---|---|---|")
    for name, files, change, count in lots(options.dicom, options.photos):
        if name.startswith(wanted):
            print(row(name, files, change, count), flush=True)
    POOL.close()


def lots(dicom: int, photos: int) -> Iterator[tuple[str, list[bytes], Mutant, int]]:
    """What each row is of: DICOM by its samples, photos by their formats."""
    for name, data in DICOM.items():
        yield f"DICOM, {name}", [data], dicom_mutant, -(-dicom // len(DICOM))
    samples = {**FILES, **DEEP}
    for kind in dict.fromkeys(name.split()[0] for name in samples):
        files = [data for name, data in samples.items() if name.split()[0] == kind]
        yield (
            f"{kind}, {len(files)} kinds",
            files,
            photo_mutant,
            -(-photos * len(files) // len(samples)),
        )


def row(name: str, samples: list[bytes], change: Mutant, count: int) -> str:
    """Open so many mutants of some samples."""
    lot, found, longest = random.Random(name), 0, 0.0
    for number in range(count):
        mutant = change(samples[number % len(samples)], lot)
        image, seconds = timed(mutant)
        found += image is not None
        longest = max(longest, seconds)
    return f"| {name} | {count} | {found} | {count - found} | {longest:.2f} |"


if __name__ == "__main__":
    main()
