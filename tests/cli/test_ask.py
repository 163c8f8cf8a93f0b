"""`edge-med ask` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from devtools.checkpoints.adapters import Lora, write_gguf
from devtools.checkpoints.tiny import TINY
from devtools.images.photos import scene
from edge_med import MedGemma, Options
from edge_med.answers import DISCLAIMER, Event
from edge_med.cli.render.streaming import interruptible
from edge_med.config import LoadOptions
from edge_med.errors import UsageError
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def test_the_answer_goes_to_stdout_and_the_notice_to_stderr(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 4, "--context", 64)
    assert done.code == 0
    assert done.out.strip()
    cut = "The answer was cut off. Allow a longer one with --max-new-tokens."
    assert done.err == f"{DISCLAIMER}\n{cut}\n"


def test_quiet_leaves_only_the_answer(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 4, "--quiet")
    assert done.err == ""


def test_json_has_the_answer_and_its_usage(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 4, "--json")
    answer = json.loads(done.out)
    assert (answer["finish_reason"], answer["usage"]["answer"]) == ("length", 4)
    plain = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 4)
    assert plain.out == answer["text"] + "\n"


def test_verbose_shows_what_llama_cpp_says(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 1, "--verbose")
    assert "llama_model_loader" in done.err
    assert "the heart" not in done.err


def test_the_model_may_come_from_the_environment(
    edge_med: Command, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_MODEL", str(tiny))
    assert edge_med("ask", "the heart", "--max-new-tokens", 1).code == 0


def test_a_prompt_too_long_exits_with_5(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "the " * 200, "--model", tiny, "--context", 64)
    assert done.code == 5
    assert "tokens too long for a context of 64" in done.err
    assert "or load the model with --context 2048." in done.err


@pytest.mark.parametrize("text", ["", "  ", "\n", "\u200b", "\ufeff \u2060"])
def test_asking_nothing_exits_with_2(text: str, edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", text, "--model", tiny)
    assert (done.code, done.out) == (2, "")
    assert "There is no question." in done.err


def test_a_missing_model_exits_with_2(edge_med: Command, tmp_path: Path) -> None:
    done = edge_med("ask", "x", "--model", tmp_path / "none.gguf")
    assert done.code == 2
    assert "no model" in done.err


def test_of_several_quants_it_says_which_it_took(edge_med: Command, model: Models) -> None:
    call = ("ask", "x", "--model", model("multimodal", "Q4_K_M", "Q8_0"), "--max-new-tokens", 1)
    said = "Using multimodal-Q4_K_M.gguf, one of 2 quantizations of this model.\n"
    assert said in edge_med(*call).err
    assert edge_med(*call, "--quiet").err == ""


def test_ctrl_c_before_there_is_an_answer_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: False):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_ends_an_answer_first_and_interrupts_the_second_time() -> None:
    with interruptible(lambda: True):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_image_is_shown_to_a_folders_model(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    Image.fromarray(scene(300, 200)).save(tmp_path / "chest.png")
    done = edge_med(
        "ask", "what is it", "--model", model("multimodal", "F32"), "--image",
        tmp_path / "chest.png", "--fit", "stretch", "--max-new-tokens", 2, "--json",
    )  # fmt: skip
    answer = json.loads(done.out)
    assert answer["usage"]["image"] == 4
    assert answer["provenance"]["fit"] == "stretch"


def test_an_adapter_is_applied_by_its_scale(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    path = write_gguf(Lora(seed=1), TINY["multimodal"], tmp_path / "chest=2.gguf")
    text = model("multimodal", "F32") / "multimodal-F32.gguf"
    small = ("--model", text, "--max-new-tokens", 1, "--json")
    for flag, scale in ((f"{path}=0.25", 0.25), (path, 1.0)):
        answer = json.loads(edge_med("ask", "x", "--adapter", flag, *small).out)
        (applied,) = answer["provenance"]["adapters"]
        assert (applied["name"], applied["scale"]) == ("chest=2", scale)


def test_devices_are_asked_for_by_the_flags_of_plan(
    edge_med: Command, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[LoadOptions] = []

    def refuse(options: LoadOptions) -> None:
        asked.append(options)
        raise UsageError("There is no GPU.", "Build one.")

    monkeypatch.setattr("edge_med.engine.load_plan.require_gpus", refuse)
    flags = ("--device", "CUDA0", "--gpu-layers", 3, "--tensor-split", "3,1")
    for command in (("ask", "x"), ("chat",)):
        done = edge_med(*command, "--model", tiny, *flags, "--projector-device", "cpu")
        assert (done.code, "Build one." in done.err) == (2, True)
    assert [(o.device, o.gpu_layers, o.tensor_split, o.projector_device) for o in asked] == [
        ("CUDA0", 3, (3.0, 1.0), "cpu")
    ] * 2


def test_the_same_adapter_twice_exits_with_2(edge_med: Command, tiny: Path) -> None:
    twice = ("--adapter", "chest.gguf=0.5", "--adapter", "./chest.gguf")
    done = edge_med("ask", "x", "--model", tiny, *twice)
    assert done.code == 2
    assert "names chest.gguf twice" in done.err


def test_an_adapter_of_another_model_exits_with_4(
    edge_med: Command, model: Models, tmp_path: Path
) -> None:
    path = write_gguf(Lora(seed=1), TINY["odd-rows"], tmp_path / "other.gguf")
    done = edge_med("ask", "x", "--model", model("text", "F32"), "--adapter", path)
    assert done.code == 4
    assert "other.gguf is for a blk.0.attn_q.weight of 128 x 160" in done.err


def test_an_image_that_is_none_exits_with_3(edge_med: Command, model: Models) -> None:
    folder = model("multimodal", "F32")
    done = edge_med("ask", "x", "--model", folder, "--image", folder / "manifest.json")
    assert done.code == 3
    assert "manifest" not in done.err


def test_sampling_follows_its_seed(edge_med: Command, tiny: Path) -> None:
    def said(seed: int) -> str:
        choice = ("--temperature", 1.5, "--top-k", 50, "--seed", seed)
        return edge_med("ask", "x", "--model", tiny, "--max-new-tokens", 8, *choice).out

    assert said(1) == said(1) != said(2)


def test_thinking_is_as_the_flags_say(
    edge_med: Command, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, asked = MedGemma.stream, []

    def recorded(*given: Any, options: Options, **rest: Any) -> Iterator[Event]:
        asked.append((options.think, options.think_budget))
        return stream(*given, options=options, **rest)

    monkeypatch.setattr(MedGemma, "stream", recorded)
    call = ("ask", "x", "--model", tiny, "--max-new-tokens", 1)
    assert edge_med(*call).code == 0
    assert edge_med(*call, "--think", "off", "--think-budget", 7).code == 0
    assert asked == [("auto", 1024), ("off", 7)]


def test_an_option_out_of_range_exits_with_2(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "x", "--model", tiny, "--top-p", 1.5)
    assert done.code == 2
    assert "top_p" in done.err


TERMINALS = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")


@pytest.fixture
def terminal(tiny: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], int]]]:
    """Ask the tiny model with a terminal on stdout; its other end is read by a descriptor."""
    with ExitStack() as stack:

        def run(*flags: str) -> tuple[subprocess.Popen[bytes], int]:
            ours, theirs = os.openpty()
            stack.callback(os.close, ours)
            command = [sys.executable, "-m", "edge_med", "ask", "the heart", "--model", str(tiny)]
            running = subprocess.Popen(
                [*command, *flags], stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
            stack.enter_context(running)
            os.close(theirs)
            return running, ours

        yield run


Terminal = Callable[..., tuple[subprocess.Popen[bytes], int]]


@TERMINALS
def test_ctrl_c_ends_the_answer_and_exits_with_130(terminal: Terminal) -> None:
    assert seconds_until_ctrl_c_ends_it(terminal) < 60


@TERMINALS
@pytest.mark.timing
def test_ctrl_c_ends_the_answer_at_once(terminal: Terminal) -> None:
    assert seconds_until_ctrl_c_ends_it(terminal) < 5


def seconds_until_ctrl_c_ends_it(terminal: Terminal) -> float:
    running, stdout = terminal("--max-new-tokens", "8000", "--context", "8192")
    assert os.read(stdout, 1)  # a terminal gets the answer while it is written
    running.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    out = everything(stdout)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"Traceback" not in err
    assert out.endswith(b"\n")
    return time.monotonic() - pressed


@TERMINALS
def test_a_terminal_and_a_pipe_get_the_same_answer(
    terminal: Terminal, edge_med: Command, tiny: Path
) -> None:
    running, stdout = terminal("--max-new-tokens", "12")
    shown = everything(stdout).replace(b"\r\n", b"\n")
    running.communicate(timeout=20)
    piped = edge_med("ask", "the heart", "--model", tiny, "--max-new-tokens", 12)
    assert shown.decode() == piped.out


def everything(descriptor: int) -> bytes:
    """What comes from a terminal until its other end is closed; Linux tells that by an error."""
    parts = []
    with suppress(OSError):
        while part := os.read(descriptor, 4096):
            parts.append(part)
    return b"".join(parts)


def piped(tiny: Path, *arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Ask with something piped in."""
    command = [sys.executable, "-m", "edge_med", "ask", *arguments, "--model", str(tiny), "--json"]
    return subprocess.run(
        [*command, "--max-new-tokens", "2"], input=stdin, capture_output=True, check=False
    )


def prompt_tokens(done: subprocess.CompletedProcess[bytes]) -> int:
    assert done.returncode == 0, done.stderr
    count: int = json.loads(done.stdout)["usage"]["prompt"]
    return count


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_question_may_come_from_a_pipe(arguments: tuple[str, ...], tiny: Path) -> None:
    from_pipe = piped(tiny, *arguments, stdin=b"the heart is\n")
    assert prompt_tokens(from_pipe) == prompt_tokens(piped(tiny, "the heart is", stdin=b""))


def test_what_is_piped_in_beside_a_text_is_not_lost_without_a_word(tiny: Path) -> None:
    told = b"The piped text isn't read, because TEXT is given"
    assert told in piped(tiny, "the heart is", stdin=b"A report.").stderr
    assert told not in piped(tiny, "the heart is", "--quiet", stdin=b"A report.").stderr
    assert told not in piped(tiny, "the heart is", stdin=b"").stderr
    assert told not in piped(tiny, stdin=b"the heart is").stderr


@pytest.mark.parametrize(("stdin", "code"), [(b"", 2), (b" \n", 2), (b"\xff\x00", 3)])
def test_a_pipe_without_a_question_is_refused(stdin: bytes, code: int, tiny: Path) -> None:
    done = piped(tiny, stdin=stdin)
    assert (done.returncode, done.stdout) == (code, b"")


def test_a_texts_file_stands_before_the_question(
    edge_med: Command, tiny: Path, tmp_path: Path
) -> None:
    report = tmp_path / "doe_jane.txt"
    report.write_text("no effusion\n")
    small = ("--model", tiny, "--max-new-tokens", 4, "--json")
    with_file = json.loads(edge_med("ask", "the heart", "--file", report, *small).out)
    typed = json.loads(edge_med("ask", "Document:\nno effusion\n\nthe heart", *small).out)
    assert with_file["usage"] == typed["usage"]
    assert with_file["text"] == typed["text"]


def test_a_file_that_is_no_text_exits_with_3(edge_med: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "doe_jane.txt").write_bytes(b"\x89PNG\x00")
    done = edge_med("ask", "x", "--model", tiny, "--file", tmp_path / "doe_jane.txt")
    assert done.code == 3
    assert "doe" not in done.err


@pytest.mark.parametrize("as_file", [False, True])
def test_an_answer_fits_its_schema(
    edge_med: Command, tiny: Path, tmp_path: Path, as_file: bool
) -> None:
    schema = '{"type": "object", "properties": {"normal": {"type": "boolean"}}, \
"required": ["normal"], "additionalProperties": false}'
    (tmp_path / "schema.json").write_text(schema)
    given = tmp_path / "schema.json" if as_file else schema
    done = edge_med("ask", "x", "--model", tiny, "--schema", given, "--json")
    assert set(json.loads(done.out)["parsed"]) == {"normal"}


def test_an_answer_fits_its_grammar(edge_med: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.gbnf").write_text('root ::= "yes" | "no"\n')
    done = edge_med("ask", "x", "--model", tiny, "--grammar", tmp_path / "answer.gbnf")
    assert done.out in ("yes\n", "no\n")
