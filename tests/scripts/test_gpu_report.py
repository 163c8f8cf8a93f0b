"""The report of a trial says what a log holds, also of one that breaks off."""

from __future__ import annotations

from devtools import gpu_report
from devtools.gpu_report import bench, build

NINJA = """# ninja log v7
0\t2000\t1\tsrc/llama.cpp.o\tabc
10\t60010\t1\tggml-cuda.dir/fattn.cu.o\tabc
60010\t90010\t1\tggml-cuda.dir/mmq.cu.o\tabc
0\t500\t1\tbin/libllama.so\tabc
"""
BUILD = "[1/200] Building a\n[3/200] Building b\nb.cu(7): error: no such thing\n"

TESTS = """collecting ... collected 20 items / 14 deselected / 6 selected

tests/gpu/test_micro.py::test_answers[no layers-Q8_0] PASSED [ 16%]
tests/gpu/test_micro.py::test_answers[half-Q8_0] FAILED [ 33%]
micro Q8_0, no layers: 59 of 59 answers unchanged
FAILED tests/gpu/test_micro.py::test_answers[half-Q8_0] - AssertionError: other
"""

BENCH = """35 of 35 layers on CUDA0: read 9000 (theirs 9100), decode 150 (theirs 151)
| | ours |
|---|---|
| 4b | 0.1 |
"""


def test_a_build_is_counted_and_its_slowest_files_named() -> None:
    assert list(build(BUILD, NINJA)) == [
        "3 of 200 steps done.",
        "CUDA: 2 files, 90 s of compilers, longest 60 s.",
        "C and C++: 1 files, 2 s of compilers, longest 2 s.",
        "Slowest: fattn.cu.o 60 s, mmq.cu.o 30 s, llama.cpp.o 2 s.",
        "    b.cu(7): error: no such thing",
    ]


def test_a_build_that_never_began_says_nothing() -> None:
    assert list(build("", "")) == []


def test_tests_that_were_not_reached_are_counted() -> None:
    assert list(gpu_report.tests(TESTS)) == [
        "Of 6 tests: 1 failed, 1 passed, 4 not reached.",
        "- FAILED tests/gpu/test_micro.py::test_answers[half-Q8_0] - AssertionError: other",
        "    micro Q8_0, no layers: 59 of 59 answers unchanged",
    ]


def test_a_run_that_collected_nothing_shows_its_end() -> None:
    assert list(gpu_report.tests("ImportError: no numpy")) == [
        "Of 0 tests: none ended, 0 not reached.",
        "    ImportError: no numpy",
    ]


def test_a_benchmark_shows_its_rounds_and_its_table() -> None:
    rounds, *table = bench(BENCH)
    assert rounds == "- 35 of 35 layers on CUDA0: read 9000 (theirs 9100), decode 150 (theirs 151)"
    assert table == ["", "| | ours |", "|---|---|", "| 4b | 0.1 |"]


def test_a_benchmark_that_failed_shows_its_rounds_and_its_end() -> None:
    log = "all on CUDA0: read 1 (theirs 2)\nRuntimeError: llama-bench ended"
    assert list(bench(log))[-1] == "    RuntimeError: llama-bench ended"
