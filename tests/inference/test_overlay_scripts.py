"""Letters of any script are drawn with a font that has them, or named once; an annotated copy keeps its clock."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure

from vidseq.inference import overlay
from vidseq.inference.overlay import Caption, Line, draw_caption, save_annotated_video, wrap
from vidseq.inference.predictions import Prediction
from vidseq.reporting import fonts
from vidseq.reporting.figures import save_figure
from vidseq.video.reader import Frames, VideoReader
from vidseq.video.writer import VideoWriter


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets the fonts of the machine, besides the bundled one."""

    def forget() -> None:
        for cached in (fonts.font_for, overlay._panel, overlay._font_file):
            cached.cache_clear()

    bundled = fonts.system_fonts()[0]
    monkeypatch.setattr(fonts, "_reported", set())

    def have(*paths: Path) -> None:
        forget()
        monkeypatch.setattr(fonts, "system_fonts", lambda: (bundled, *map(str, paths)))

    have()
    yield have
    forget()


def make_font(path: Path, letters: str) -> Path:
    """Writes a font whose letters are black squares."""
    names = {ord(letter): f"letter{index}" for index, letter in enumerate(letters)}
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), **dict.fromkeys(names.values(), square)})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def drawn(text: str) -> np.ndarray:
    return draw_caption(np.full((180, 320, 3), 120, np.uint8), Caption(now=(Line(text),)))


@pytest.mark.parametrize("text", ["резать", "τρέχω", "đi bộ ặ", "krojenie łąśż", "يمشي"])
def test_the_bundled_font_has_many_scripts(
    text: str, machine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fonts.report_missing([text]) == ""
    assert capsys.readouterr().err == ""
    box = drawn("\uffff" * len(text))
    assert not np.array_equal(drawn(text), box)


def test_letters_without_a_font_are_named_once(
    machine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fonts.report_missing(["切菜 now", "चल"]) == "".join(sorted("切菜चल"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vidseq: no font on this machine has the letters चल切菜: they are drawn as boxes.")
    fonts.report_missing(["切"])
    assert capsys.readouterr().err == ""


def test_a_font_of_the_system_is_found_and_used(machine: Callable[..., None], tmp_path: Path) -> None:
    without = drawn("切菜")
    font = make_font(tmp_path / "Squares.ttf", "切菜")
    machine(make_font(tmp_path / "Others.ttf", "走"), font)
    assert fonts.font_for("切菜") == str(font)
    assert fonts.report_missing(["切菜"]) == ""
    assert not np.array_equal(drawn("切菜"), without)
    assert wrap("切菜切菜切菜", 60, 3, 16) == ["切菜切", "菜切菜"]


def test_plain_letters_need_no_search(machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "font_for", lambda text: pytest.fail("searched"))
    drawn("cafe ok…")


def test_figures_get_the_font_too(
    machine: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure(figsize=(2, 1))
    label = figure.text(0.2, 0.5, "切菜 cut")
    plain = figure.text(0.2, 0.1, "cut")
    save_figure(figure, tmp_path / "without")
    assert "the letters 切菜" in capsys.readouterr().err
    machine(make_font(tmp_path / "SquaresOfFigures.ttf", "切菜"))
    save_figure(figure, tmp_path / "with")
    assert label.get_fontfamily() == ["DejaVu Sans", "SquaresOfFigures"]
    assert "SquaresOfFigures" not in plain.get_fontfamily()
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def row(answer: str, time: float) -> Prediction:
    return Prediction(video="a", kind="next_action", time=time, answer=answer, probability=0.5)


def test_a_copy_names_missing_letters_and_holds_the_picture_before_damage(
    tmp_path: Path, machine: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "out.mp4"
    with VideoWriter(source, fps=10) as writer:
        for index in range(40):
            writer.write(np.full((96, 128, 3), 5 * index, np.uint8))
    sample = VideoReader.sample

    def damaged(reader: VideoReader, fps: float, *, chunk: int) -> Iterator[Frames]:
        for frames in sample(reader, fps, chunk=chunk):
            kept = (frames.pts_seconds < 0.95) | ((frames.pts_seconds > 1.95) & (frames.pts_seconds < 3.05))
            yield Frames(frames.images[kept], frames.pts_seconds[kept], frames.picture_seconds[kept])

    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "sample", damaged)
        save_annotated_video(source, out, [row("切菜", 1.0)], skip_bad=True)
    assert "no font on this machine has the letters 切菜" in capsys.readouterr().err
    with VideoReader(out) as reader:
        assert reader.info.duration_seconds == pytest.approx(4)
        shown = [float(image[80:, :20].mean()) for image in reader.frames_at([0.5, 1.5, 2.5, 3.9]).images]
    assert shown == pytest.approx([25, 45, 125, 150], abs=6)
