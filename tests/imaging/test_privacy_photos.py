"""Names planted in photos, in files of many frames and in their names: commands leave none behind.

Each kind of image goes through `view`, `ask` and `chat` on a tiny model; nothing that they print or
write has the name. What the engine logs is shown, too.
"""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from devtools.images.dicom import ct_slice, written
from devtools.images.enhanced import DEPTHS, enhanced, frame_groups, group
from devtools.images.photos import drawn, saved
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.picture import Picture
from edge_med.imaging.sandbox.pool import Pool, Process
from tests.cli.conftest import Run
from tests.cli.conftest import edge_med as edge_med  # noqa: PLC0414 - a fixture
from tests.conftest import Models
from tests.imaging.test_privacy import CANARY, everywhere

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

Command = Callable[..., Run]

QUIETLY = ("--threads", 1, "--max-new-tokens", 2)


def exif() -> bytes:
    """Who took a photo, of whom, and where."""
    block = Image.Exif()
    block[0x010E], block[0x013B], block[0x8298] = CANARY, CANARY, CANARY
    block.get_ifd(0x8825)[0x001B] = CANARY
    return block.tobytes()


def png() -> bytes:
    told = PngInfo()
    told.add_text("Author", CANARY)
    told.add_itxt("Description", CANARY, zip=True)
    return saved(drawn("RGB"), "PNG", pnginfo=told, exif=exif())


def volume() -> bytes:
    """A CT of many frames, the name in what is said of all and of each."""
    groups = [frame_groups(depth, StackID=CANARY, FrameComments=CANARY) for depth in DEPTHS]
    for own in groups:
        own.FrameAnatomySequence = group(FrameLaterality=CANARY)
    return enhanced(groups=groups, tags={"PatientName": CANARY, "FrameComments": CANARY})


IMAGES: dict[str, Callable[[], bytes]] = {
    "PNG": png,
    "JPEG": lambda: saved(drawn("RGB"), "JPEG", comment=CANARY.encode(), exif=exif()),
    "WebP": lambda: saved(drawn("RGB"), "WEBP", exif=exif(), xmp=CANARY.encode()),
    "TIFF": lambda: saved(drawn("RGB"), "TIFF", description=CANARY, artist=CANARY, exif=exif()),
    "AVIF": lambda: saved(drawn("RGB"), "AVIF", exif=exif(), xmp=CANARY.encode()),
    "JPEG 2000": lambda: saved(drawn("RGB"), "JPEG2000", comment=CANARY),
    "GIF": lambda: saved(drawn("P"), "GIF", comment=CANARY.encode()),
    "DICOM": lambda: written(everywhere()),
    "enhanced CT": volume,
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file with the name in it, and in its own name; or a folder with such files."""
    folder = tmp_path_factory.mktemp("in")

    def get(kind: str) -> Path:
        path = folder / f"{CANARY} {kind}"
        if kind != "folder":
            path.write_bytes(IMAGES[kind]())
        elif not path.exists():
            path.mkdir()
            for depth in range(3):
                tags = dict.fromkeys(("PatientName", "SeriesDescription", "ImageComments"), CANARY)
                (path / f"{CANARY}{depth}").write_bytes(ct_slice(float(depth), **tags))
        return path

    return get


@pytest.fixture
def silent(edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in an empty folder; it neither prints nor writes the name."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Run:
        done = edge_med(*arguments)
        assert CANARY not in done.out + done.err
        for path in tmp_path.rglob("*"):
            assert CANARY not in path.name
            assert path.is_dir() or CANARY.encode() not in path.read_bytes()
        return done

    return run


@pytest.fixture(scope="module")
def tiny(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.mark.parametrize("kind", IMAGES)
def test_the_name_is_there(kind: str, planted: Callable[[str], Path]) -> None:
    assert CANARY.encode() in planted(kind).read_bytes()


@pytest.mark.parametrize("kind", IMAGES)
def test_nothing_of_it_is_in_a_picture(kind: str, planted: Callable[[str], Path]) -> None:
    picture = imaging.open(planted(kind), side=8)
    assert CANARY not in repr((picture, picture.about, picture.notices, picture.provenance))
    assert CANARY.encode() not in picture.png()


@pytest.mark.parametrize("kind", [*IMAGES, "folder"])
def test_view_leaves_nothing_of_it(
    kind: str, silent: Command, planted: Callable[[str], Path]
) -> None:
    assert silent("view", planted(kind), "--save", "seen.png").code == 0
    assert silent("view", planted(kind), "--json").code == 0


@pytest.mark.parametrize("kind", [*IMAGES, "folder"])
def test_ask_leaves_nothing_of_it(
    kind: str, silent: Command, planted: Callable[[str], Path], tiny: Path
) -> None:
    asked = ("ask", "x", "--image", planted(kind), "--model", tiny, *QUIETLY, "--tags", "--force")
    assert silent(*asked, "--json", "--verbose").code == 0


@pytest.mark.parametrize("kind", [*IMAGES, "folder"])
def test_a_chat_and_what_it_saves_leave_nothing_of_it(
    kind: str,
    silent: Command,
    planted: Callable[[str], Path],
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = f"/image {planted(kind)}\nx\n/images\n/stats\n/save kept.json\n/export md kept.md\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert silent("chat", "--model", tiny, *QUIETLY, "--verbose").code == 0
    assert Path("kept.json").exists()
    assert Path("kept.md").exists()


@pytest.mark.parametrize("kind", IMAGES)
def test_a_damaged_file_is_refused_without_a_word_of_it(
    kind: str, silent: Command, planted: Callable[[str], Path]
) -> None:
    data = planted(kind).read_bytes()
    damaged = planted(kind).parent / f"{CANARY} damaged"
    damaged.write_bytes(data[: -len(data) // 3])
    assert silent("view", damaged).code == 3


@pytest.mark.parametrize("kind", IMAGES)
def test_a_process_that_dies_over_it_leaves_nothing_of_it(
    kind: str, planted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(1)
    pool.run("describe", [b"nothing"])
    (process,) = pool.idle
    assert isinstance(process, Process)
    os.killpg(process.pid, signal.SIGSTOP)
    monkeypatch.setattr("edge_med.imaging.sandbox.pool.SECONDS", 0.2)
    with pytest.raises(ImageError) as caught:
        pool.run("describe", [str(planted(kind))])
    assert CANARY not in repr((caught.value.message, caught.value.hint, caught.value.__context__))


@pytest.mark.parametrize("kind", IMAGES)
def test_a_fault_of_ours_over_it_leaves_nothing_of_it(
    kind: str, silent: Command, planted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Picture, "from_reply", broken)
    done = silent("view", planted(kind))
    assert done.code == 1
    assert "This is a fault of edge-med: RuntimeError: broken" in done.err
