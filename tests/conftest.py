"""A sealed environment on the CPU for every test, and the tiny checkpoints, each written once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from converters.pipeline import Conversion, convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med import _platform, api, load_model
from edge_med.artifacts.file_names import text_file
from edge_med.demo import gemma_270m
from edge_med.engine.llama import devices
from edge_med.engine.llama.bindings import load
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import CodeVerdict
from edge_med.engine.service import thread
from edge_med.engine.service.client import Client
from edge_med.library.default_model import MICRO, embedded
from tests.shared import once, shared_folder

Checkpoints = Callable[[str], Path]
Models = Callable[..., Path]
RealModels = Callable[[str], Path]

_SOCKETS: list[str] = []

HIDDEN = {
    "CUDA_VISIBLE_DEVICES": "",
    "GGML_METAL_DEVICES": "0",
    "GGML_VK_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
}
"""Hides the machine's GPUs from a process that loads llama.cpp with these variables."""


hypothesis.settings.register_profile(
    "tests",
    deadline=None,  # how long something takes is for the tests marked `timing`
    print_blob=True,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,  # those that are used here don't change
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.load_profile("tests")

LONGEST = 3600
"""Seconds for a test that isn't in the default run; the longest take some ten minutes."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker for each usable core in the default run.

    None, so that all runs in this process, for files that were named, where starting workers takes
    longer than the tests, and for marked tests: they measure, or compute on all cores.
    """
    named = [Path(one.partition("::")[0]) for one in config.args]
    default = config.option.markexpr in config.getini("addopts")
    if default and not all(path.is_file() for path in named):
        return _platform.usable_cores()
    config.option.dist = "no"
    return 0


def pytest_configure() -> None:
    """Workers share the cores out: threads of two that wait for one another take all the time."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.hookimpl(trylast=True)  # when -m has chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that aren't in the default run may take longer than its tests."""
    if config.option.markexpr not in config.getini("addopts"):
        for item in items:
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """After a failure, how the same order is had again."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        seed = getattr(terminalreporter.config.option, "randomly_seed", None)
        terminalreporter.write_line(f"The same order again: pytest --randomly-seed={seed}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """ggml looks for devices once: it does so now if a test will want one."""
    if any(item.get_closest_marker("gpu") for item in session.items):
        devices.hardware()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """`auto` is the CPU, whose margins most tests have, here and in processes that a test starts.

    Tests marked `gpu` see what there is; others that speak of GPUs bring their own. And models run
    in this process, where tests can reach in; those marked `isolated`, and commands, start another.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("gpu"):
            patch.setattr(devices, "gpus", lambda: ())
            for name, value in HIDDEN.items():
                patch.setenv(name, value)
        if not item.get_closest_marker("isolated"):
            patch.setattr(api, "prepared", lambda _options: contextlib.nullcontext())
            patch.setattr(load_model, "connect", lambda spec, _: Client(spec, thread.start))
        return (yield)


@pytest.fixture(scope="session")
def cpu_verdict(tmp_path_factory: pytest.TempPathFactory) -> CodeVerdict:
    """What is sound of llama.cpp's code for this processor, without a notice if it isn't all.

    Tests speak of what is used. That a build is faulty here: tests/engine/llama/cpu.
    """
    state = once(shared_folder(tmp_path_factory, "cpu") / "state", probe.verdict)
    return dataclasses.replace(probe.verdict(state), fault=None)


@pytest.fixture(scope="session", autouse=True)
def llama_cpp(cpu_verdict: CodeVerdict) -> None:
    """llama.cpp is loaded in this process."""
    load(cpu_verdict)


@pytest.fixture(scope="session")
def tried(cpu_verdict: CodeVerdict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for processes in which llama.cpp's code needn't be tried again."""
    home = tmp_path_factory.mktemp("home")
    probe.remember(home / "state", cpu_verdict)
    return home


@pytest.fixture(scope="session", autouse=True)
def no_sockets() -> None:
    """The runtime opens no socket; an audit hook sees also what no import shows."""

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
            _SOCKETS.append(event)

    sys.addaudithook(hook)


@pytest.fixture(autouse=True)
def sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """No variable of the machine reaches a test, but a device's a test of it; none the network."""
    kinds = ["EDGE_MED_", "HF_", "LLAMA_", "GGML_"]
    if request.node.get_closest_marker("gpu"):
        kinds.remove("GGML_")  # ggml reads GGML_VK_DISABLE_F16 whenever it opens the device
    for name in list(os.environ):
        ours = name.startswith(tuple(kinds)) or name == "NO_COLOR"
        if ours and name not in HIDDEN:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    _SOCKETS.clear()
    yield
    assert not _SOCKETS


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """A tiny checkpoint by its name; don't change its files, copy it."""
    base = shared_folder(tmp_path_factory, "checkpoints")
    return lambda name: once(base / name, lambda folder: write_tiny(TINY[name], folder))


@pytest.fixture(scope="session")
def model(checkpoint: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The folder of a converted tiny checkpoint; don't change its files, copy it."""
    base = shared_folder(tmp_path_factory, "models")

    def get(name: str, *quants: str) -> Path:
        source = checkpoint(name)
        return once(
            base / "-".join((name, *quants)),
            lambda folder: convert(ConversionRequest(source=source, folder=folder, quants=quants)),
        )

    return get


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the embedded model in three types; don't change its files."""
    quants = ("Q8_0", "Q4_K_M", "BF16")
    return once(
        shared_folder(tmp_path_factory, "micro") / MICRO,
        lambda folder: convert(ConversionRequest(source=embedded(), folder=folder, quants=quants)),
    )


@pytest.fixture
def converted(checkpoint: Checkpoints, tmp_path: Path) -> Callable[..., Conversion]:
    """Convert a tiny checkpoint into the test's own folder `out`."""

    def run(name: str, *quants: str, **options: Any) -> Conversion:
        request = ConversionRequest(
            source=checkpoint(name), folder=tmp_path / "out", quants=quants or ("Q8_0",), **options
        )
        return convert(request)

    return run


@pytest.fixture(scope="session")
def published_gguf() -> Iterator[Path]:
    """The GGUF file out of the package of the [demo] extra, for tests marked `real`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "published.gguf"
        gemma_270m.assemble(path)
        yield path


@pytest.fixture(scope="session")
def real_checkpoint(published_gguf: Path) -> Path:
    """Gemma 3 270M as it would come from the hub; don't change its files, copy it."""
    folder = published_gguf.parent / "gemma-3-270m"
    gemma_270m.write_checkpoint(published_gguf, folder)
    return folder


@pytest.fixture(scope="session")
def real_model(real_checkpoint: Path) -> RealModels:
    """The path of Gemma 3 270M by its quantization; each is converted once."""

    @functools.cache
    def get(quant: str) -> Path:
        folder = real_checkpoint.parent / quant
        convert(ConversionRequest(source=real_checkpoint, folder=folder, quants=(quant,)))
        return folder / text_file(real_checkpoint.name, quant)

    return get
