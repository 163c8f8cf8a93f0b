"""What must never be committed is refused, whatever it is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devtools.unwanted import main

REFUSED = {
    "model.gguf": b"x",
    "weights.txt": b"GGUF\3\0\0\0",
    "scan.txt": bytes(128) + b"DICM",
    "chest.dcm": b"x",
    "head.nii.gz": b"x",
    "id": b"-----BEGIN OPENSSH PRIVATE KEY-----",
    "big.txt": b"x" * ((1 << 20) + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_weights_images_keys_and_large_files_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(REFUSED[name])
    assert main([str(path)]) == 1


def test_what_is_in_the_repository_is_allowed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    assert main([name for name in listed.stdout.split("\0") if name]) == 0
