"""Build the wheel, install it in an empty environment outside the checkout, and run it there.

python -m scripts.check_wheel

llama-cpp-python comes out of pip's cache if it has been built on this machine before; otherwise it
is compiled, which takes some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from devtools.checkpoints.tiny import TINY, write_tiny


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = build(folder)
        command = install(wheel, folder / "environment")
        checkpoint = write_tiny(TINY["multimodal"], folder / "tiny")
        models = folder / "models"
        for arguments in (
            ["--version"],
            ["convert", checkpoint, "--out", models, "--quant", "Q4_K_M"],
            ["verify", models],
            ["plan", "medgemma-27b-text-it", "--machine", "16GB,gpu=12GB"],
            ["models"],
            ["doctor"],
            ["inspect", models / "tiny-Q4_K_M.gguf"],
            ["ask", "cough?", "--model", models / "tiny-Q4_K_M.gguf", "--max-new-tokens", "4"],
            ["ask", "What does the heart do?", "--model", "micro"],  # which the wheel carries
        ):
            run([command, *arguments], folder)


def build(folder: Path) -> Path:
    run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, "."], Path.cwd())
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> Path:
    """Install the wheel with what it asks for; returns the command that it brings."""
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    run([programs / "python", "-m", "pip", "install", "--quiet", wheel], environment)
    models = next(environment.rglob("edge_med/_models"))
    assert (models / "micro" / "model.safetensors").is_file()
    assert (models / "registry.toml").is_file()
    return programs / "edge-med"


def run(command: list[str | Path], folder: Path) -> None:
    print("$", *map(str, command), flush=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "EDGE_MED"))}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    clean["EDGE_MED_HOME"] = str(home)
    subprocess.run(command, cwd=folder, env=clean, check=True)


if __name__ == "__main__":
    main()
