"""Programs that have edge-med in them and aren't Python: frozen ones, and one in C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from PIL import Image

from devtools.images.photos import scene

pytestmark = pytest.mark.frozen

ROOT = Path(__file__).parents[2]

FREEZE = (
    *("--noconfirm", "--onedir", "--paths", str(ROOT), "--copy-metadata", "edge-med"),
    *("--collect-all", "llama_cpp", "--collect-all", "imagecodecs"),
    *("--collect-submodules", "edge_med", "--collect-submodules", "converters"),
    *("--add-data", f"{ROOT / 'models'}{os.pathsep}edge_med/_models"),
    *("--exclude-module", "torch", "--exclude-module", "transformers"),
)

COMMAND = "from edge_med.cli import main\nmain()\n"

VIEWER = """
import sys
print("main", flush=True)
from edge_med import MedGemma, Options
with MedGemma.load(sys.argv[1], context=1024) as model:
    answer = model.ask("is the heart large", image=sys.argv[2], options=Options(max_new_tokens=8))
    print(answer.usage.image, [notice.code for notice in answer.notices], flush=True)
"""

HOST = r"""
#include <Python.h>
int main(int argc, char **argv) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  PyConfig_SetBytesArgv(&config, argc, argv);
  Py_InitializeFromConfig(&config);
  FILE *file = fopen(argv[3], "r");
  return file ? PyRun_SimpleFile(file, argv[3]) : 9;
}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture in a file."""
    path: Path = tmp_path_factory.mktemp("image") / "picture.png"
    Image.fromarray(scene(300, 200)).save(path)
    return path


def frozen(folder: Path, name: str, code: str) -> Path:
    """A program of a name in a folder of its own."""
    script = folder / f"{name}_main.py"
    script.write_text(code)
    command = [sys.executable, "-m", "PyInstaller", *FREEZE, "--name", name, str(script)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "dist" / name / name


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """`edge-med` and a viewer, both frozen, each in its folder."""
    folder = tmp_path_factory.mktemp("frozen")
    return frozen(folder, "edge-med", COMMAND), frozen(folder, "viewer", VIEWER)


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_edge_med_itself_starts_its_processes(
    programs: tuple[Path, Path], micro: Path, image: Path
) -> None:
    said = run(programs[0], "ask", "is the heart large", "--image", image, "--model", micro)
    assert "inside this program" not in said


def test_frozen_program_without_edge_med_falls_back_to_a_thread(
    programs: tuple[Path, Path], micro: Path, image: Path
) -> None:
    said = run(programs[1], micro, image)
    assert said.count("main") == 1, "it isn't started again"
    assert "isolation" in said


def test_a_program_with_edge_med_beside_it_starts_that(
    programs: tuple[Path, Path], micro: Path, image: Path
) -> None:
    edge_med, viewer = programs
    both = shutil.copytree(edge_med.parent, viewer.parents[1] / "both")
    shutil.copytree(viewer.parent, both, dirs_exist_ok=True)
    said = run(both / "viewer", micro, image)
    assert said.count("main") == 1
    assert "isolation" not in said


def test_a_c_program_with_python_in_it_starts_the_python_that_it_has(
    tmp_path: Path, micro: Path, image: Path
) -> None:
    (tmp_path / "host.c").write_text(HOST)
    config = Path(sys.base_exec_prefix, "bin", f"python{sysconfig.get_python_version()}-config")
    flags = run(config, "--cflags", "--ldflags", "--embed").split()
    run("cc", tmp_path / "host.c", "-o", tmp_path / "host", *flags)
    script = tmp_path / "script.py"
    paths = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    script.write_text(f"import sys\nsys.path[:0] = {paths!r}\n{VIEWER}")
    said = run("env", f"PYTHONHOME={sys.base_prefix}", tmp_path / "host", micro, image, script)
    assert said.count("main") == 1
    assert "isolation" not in said
