"""A llama.cpp for another processor is refused in words, and one for this processor answers.

The processors are emulated by qemu's user mode, which knows neither AVX-512 nor AMX. A child that
an emulated process starts would run on the real processor, so the interpreter is a script that
calls qemu again; each case first asserts by cpuid that its children are emulated too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from edge_med.native import native_library

pytestmark = pytest.mark.emulated

ROOT = Path(__file__).parents[2]
BUILDS = Path(os.environ.get("EDGE_MED_CPU_VARIANTS", ROOT / "work/cpu"))

SCRIPT = """#!/bin/sh
exec {qemu} -0 "$0" -cpu {processor} {python} "$@"
"""

CODE = """
import json, sys
sys.path[:0] = {path!r}
from edge_med._platform import children
done = children.run(children.command("tests.emulated.cpuid"), {{}}, 60)
print(json.dumps(children.reports(done.stdout)), flush=True)
sys.argv[1:] = {arguments!r}
from edge_med.cli import main
main()
"""

CAN = {"Nehalem": {"avx": False, "avx512": False}, "Haswell": {"avx": True, "avx512": False}}


def interpreter(processor: str, folder: Path) -> Path:
    """This Python on an emulated processor."""
    qemu = shutil.which("qemu-x86_64")
    assert qemu, "qemu-x86_64 is missing: apt-get install qemu-user"
    python = Path(sys.executable).resolve()
    (folder / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    script = folder / "python"
    script.write_text(SCRIPT.format(qemu=qemu, processor=processor, python=python))
    script.chmod(0o755)
    return script


def packages(build: str, folder: Path) -> Path:
    """A folder with the installed bindings, and a build's code for the CPU in them."""
    built = BUILDS / build / "bin"
    assert built.is_dir(), f"{build} is missing: scripts/build_cpu_variants.sh"
    installed = native_library("llama").parents[1]
    shutil.copytree(installed, folder / "llama_cpp")
    for target in (folder / "llama_cpp/lib").glob("libggml-*.so*"):
        name = target.name.partition(".")[0]
        if (built / f"{name}.so").exists():
            shutil.copyfile(built / f"{name}.so", target)
    return folder


def ask(processor: str, build: str, micro: Path, folder: Path) -> tuple[int, str, str]:
    """Exit code, answer and complaints of a question to micro."""
    (folder / "packages").mkdir()
    (folder / "home").mkdir()
    (folder / "interpreter").mkdir()
    path = [
        str(packages(build, folder / "packages")),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        str(ROOT),
    ]
    arguments = ["ask", "Is the heart enlarged?", "--model", str(micro / "micro-Q8_0.gguf")]
    code = CODE.format(path=path, arguments=[*arguments, "--quiet"])
    done = subprocess.run(
        [interpreter(processor, folder / "interpreter"), "-c", code],
        env={**os.environ, "EDGE_MED_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    cpuid, _, answer = done.stdout.partition("\n")
    assert json.loads(cpuid) == CAN[processor]
    return done.returncode, answer, done.stderr


@pytest.mark.parametrize(
    ("processor", "build"), [("Nehalem", "avx512"), ("Nehalem", "haswell"), ("Haswell", "avx512")]
)
def test_code_for_another_processor_is_refused_in_words(
    processor: str, build: str, micro: Path, tmp_path: Path
) -> None:
    code, answer, complaints = ask(processor, build, micro, tmp_path)
    assert (code, answer) == (6, "")
    assert "it crashes (SIGILL)" in complaints
    assert "built for another processor, and uses instructions that this one does not" in complaints
    assert 'CMAKE_ARGS="-DGGML_NATIVE=on' in complaints


@pytest.mark.parametrize(
    ("processor", "build"), [("Nehalem", "nehalem"), ("Haswell", "haswell"), ("Haswell", "nehalem")]
)
def test_code_for_this_processor_answers(
    processor: str, build: str, micro: Path, tmp_path: Path
) -> None:
    code, answer, _complaints = ask(processor, build, micro, tmp_path)
    assert code == 0
    assert answer.strip()
