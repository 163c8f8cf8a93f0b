"""Store what llama.cpp's own tools make of the tiny checkpoints, as tests/golden/manifests/*.json.

python -m scripts.make_golden_manifests

Needs the [golden] extra and scripts/build_reference_tools.sh. Run it again after the pinned
llama-cpp-python or a tiny checkpoint has changed.
"""

from __future__ import annotations

import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.golden.manifests import CASES, FOLDER, OVERRIDDEN, OVERRIDES, PROJECTORS, describe
from devtools.reference import quantize_command, reference_files, run


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            files = make(name, Path(temporary))
        tools = {p: version(p) for p in ("llama-cpp-python", "transformers", "torch")}
        golden = {"made_with": {**tools, "machine": platform.machine()}, "files": files}
        (FOLDER / f"{name}.json").write_text(json.dumps(golden, indent=0) + "\n")
        print(name, len(files), "files")


def make(name: str, folder: Path) -> dict[str, object]:
    tiny = TINY[name]
    checkpoint = write_tiny(tiny, folder / name)
    projectors = PROJECTORS if tiny.vision else ()
    made = reference_files(
        checkpoint,
        folder / "reference",
        CASES[name],
        projectors,
        bf16_source=tiny.dtype == "BF16",
    )
    if name == OVERRIDDEN[0]:
        made["overridden"] = folder / "overridden.gguf"
        middle = folder / "reference/through-bf16.gguf"
        run(quantize_command(middle, made["overridden"], OVERRIDDEN[1], OVERRIDES))
    return {key: describe(path) for key, path in made.items()}


if __name__ == "__main__":
    main()
