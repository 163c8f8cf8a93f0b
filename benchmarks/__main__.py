"""Run benchmarks: a table on stdout, and JSON in the contract's form where it is asked for."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    adapters,
    amx,
    busy,
    convert,
    device,
    followup,
    imaging,
    isolation,
    linear,
    run,
    share,
    structured,
    trial,
)
from devtools import report

SHAPES = Path("work/checkpoints")
"""Where CONTRIBUTING.md has one make the checkpoints."""


def main() -> int:
    """Run what was asked for; the exit code is the number of bars that aren't kept."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder) / "files"
        results = BENCHMARKS[options.name](options, work)
    print(report.machine(), f"\n\n{report.table(results)}")
    if options.json:
        options.json.write_text(json.dumps(report.as_data(results), indent=1) + "\n")
    return sum(not result.ok for result in results)


BENCHMARKS = {
    "convert": lambda o, work: convert.run(o.checkpoint[0], work, o.runs, not o.no_several),
    "adapters": lambda o, work: adapters.run(o.checkpoint[0], work, o.runs),
    "linear": lambda o, work: linear.run(o.checkpoint, work, o.runs),
    "run": lambda o, work: run.run(o.model, work, o.runs),
    "imaging": lambda o, work: imaging.run(work, o.runs),
    "amx": lambda o, work: amx.run(o.model, work, o.runs),
    "trial": lambda o, work: trial.run(work, o.runs),
    "busy": lambda o, work: busy.run(o.model, work, o.runs),
    "share": lambda o, work: share.run(o.model, work, o.runs),
    "memory": lambda o, work: run.memory(o.model, work, o.runs),
    "structured": lambda o, work: structured.run(o.model, work, o.runs),
    "isolation": lambda o, work: isolation.run(o.model, work, o.runs),
    "growth": lambda o, work: isolation.growth(o.model[0], work, o.runs),
    "device": lambda o, work: device.run(
        o.model[0], work, o.runs, device=o.device, new=o.new, read=o.read
    ),
    "followup": lambda o, work: followup.run(o.model[0], work, o.runs),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument(
        "--checkpoint", type=Path, nargs="+", default=[SHAPES / "4b"], help=f"in {SHAPES}: 4b"
    )
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=[],
        help="text models; of device, followup and growth a folder",
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--no-several", action="store_true", help="convert: leave three types at once out"
    )
    parser.add_argument("--device", help="device: llama.cpp's name of it; its first if not given")
    parser.add_argument("--new", type=int, default=128, help="device: tokens written")
    parser.add_argument("--read", type=int, default=512, help="device: tokens read")
    parser.add_argument("--work", type=Path, help="folder with 20 GB to spare")
    parser.add_argument("--json", type=Path, help="also write the results here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
