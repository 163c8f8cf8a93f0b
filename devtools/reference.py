"""Run llama.cpp's own converter and quantizer, as its users do: BF16 first, then the types."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("EDGE_MED_REFERENCE", "work/reference"))
"""Where scripts/build_reference_tools.sh has put source and build."""

SOURCE = FOLDER / "source/vendor/llama.cpp"
BIN = FOLDER / "build/bin"
CONVERTER = SOURCE / "convert_hf_to_gguf.py"
LORA_CONVERTER = SOURCE / "convert_lora_to_gguf.py"
PROGRAMS = ("llama-quantize", "llama-mtmd-cli", "llama-perplexity", "llama-server")


ENVIRONMENT = {"PYTHONPATH": str(SOURCE / "gguf-py"), "HF_HUB_OFFLINE": "1"}
"""What its tools run with besides: the gguf package of the same source, and no network."""


def require_tools() -> None:
    """Check that llama.cpp's tools are where they should be.

    Raises:
        FileNotFoundError: one is missing; the message says how to make it.
    """
    for path in (CONVERTER, *(BIN / program for program in PROGRAMS)):
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; run scripts/build_reference_tools.sh.")


def convert_command(
    checkpoint: Path, outtype: str, target: Path, *, mmproj: bool = False
) -> list[str]:
    """The command line of its converter."""
    command = [sys.executable, str(CONVERTER), str(checkpoint)]
    extra = ["--mmproj"] if mmproj else []
    return [*command, "--outtype", outtype.lower(), "--outfile", str(target), *extra]


def convert_lora_command(adapter: Path, checkpoint: Path, outtype: str, target: Path) -> list[str]:
    """The command line of its converter of PEFT's adapters."""
    command = [sys.executable, str(LORA_CONVERTER), str(adapter), "--base", str(checkpoint)]
    return [*command, "--outtype", outtype.lower(), "--outfile", str(target)]


def quantize_command(
    source: Path, target: Path, quant: str, overrides: tuple[str, ...] = (), threads: int = 2
) -> list[str]:
    """The command line of its quantizer."""
    extra = [part for override in overrides for part in ("--tensor-type", override)]
    return [str(BIN / "llama-quantize"), *extra, str(source), str(target), quant, str(threads)]


def run(command: list[str]) -> None:
    """Run a command quietly.

    Raises:
        RuntimeError: it failed; the message is the end of what it printed.
    """
    done = subprocess.run(
        command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-2000:]}")


def reference_files(
    checkpoint: Path,
    folder: Path,
    quants: tuple[str, ...],
    mmproj: tuple[str, ...],
    *,
    bf16_source: bool,
) -> dict[str, Path]:
    """Make the reference's files of a checkpoint: by quantization, and `mmproj-TYPE`.

    From a BF16 source every type goes through the BF16 file, as from the hub. From others, F32 and
    F16 are converted directly: the way through BF16 would throw away what was asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Path] = {}
    middle = folder / "through-bf16.gguf"
    run(convert_command(checkpoint, "bf16", middle))
    for quant in quants:
        made[quant] = folder / f"{quant}.gguf"
        if quant in ("F32", "F16") and not bf16_source:
            run(convert_command(checkpoint, quant, made[quant]))
        else:
            run(quantize_command(middle, made[quant], quant))
    for kind in mmproj:
        made[f"mmproj-{kind}"] = folder / f"mmproj-{kind}.gguf"
        run(convert_command(checkpoint, kind, made[f"mmproj-{kind}"], mmproj=True))
    return made
