"""The device that the tests marked `gpu` run on; without one they fail, and never skip."""

from __future__ import annotations

import os

import pytest

from edge_med.engine.llama.devices import gpus
from edge_med.planner.machine import Device


@pytest.fixture(scope="session", autouse=True)
def device() -> Device:
    """The one that EDGE_MED_GPU names, else llama.cpp's first.

    It is looked for before the first test: then ggml still sees the machine's own variables, of
    which GGML_VK_VISIBLE_DEVICES admits a software device.
    """
    found = {one.name: one for one in gpus()}
    wanted = os.environ.get("EDGE_MED_GPU") or next(iter(found), None)
    if wanted not in found:
        pytest.fail(
            f"llama.cpp finds no device {wanted or 'at all'}, only {', '.join(found) or 'the CPU'}."
            " Build it for one: docs/guide/install.md, or for a software device:"
            " scripts/build_vulkan.sh.",
            pytrace=False,
        )
    return found[wanted]
