from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.inference import overlay as overlay_module
from vidseq.inference.overlay import MAX_FPS, Caption, Line, Overlay, draw_caption, save_annotated_video, wrap
from vidseq.inference.predictions import Prediction
from vidseq.video.reader import VideoReader
from vidseq.video.writer import VideoWriter

RANKING = (("jump_rope", 0.6), ("draw", 0.25), ("dance", 0.1), ("sweep", 0.05))


def row(kind: str, time: float, answer: str = "dance", *, end: float | None = None, **changes: object) -> Prediction:
    fields: dict[str, object] = {"video": "v", "probability": 0.5, **changes}
    return Prediction(kind=kind, time=time, answer=answer, end=end, **fields)  # type: ignore[arg-type]


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 120, np.uint8)


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line.text for line in lines]


def test_the_current_action_shows_while_it_lasts() -> None:
    overlay = Overlay([row("frame_labels", 3.0, "wash_hands", end=5.0), row("frame_labels", 0.0, "walk", end=2.0)])
    shown = {time: texts(overlay.caption(time).now)[1:] for time in (0.0, 1.9, 2.0, 3.0, 4.99, 5.0)}
    assert shown == {0.0: ["walk"], 1.9: ["walk"], 2.0: [], 3.0: ["wash hands"], 4.99: ["wash hands"], 5.0: []}


def test_the_next_action_stays_until_the_next_is_made() -> None:
    overlay = Overlay([row("next_action", 1.0, ranking=RANKING), row("next_action", 4.0, "sweep")])
    assert overlay.caption(0.9).next == ()
    assert texts(overlay.caption(3.9).next) == ["Next", "jump rope", "draw", "dance"]
    assert [line.value for line in overlay.caption(3.9).next] == [None, 0.6, 0.25, 0.1]
    assert texts(overlay.caption(100.0).next) == ["Next", "sweep"]


def test_next_actions_of_several_children_show_together() -> None:
    rows = [row("next_action", 2.0, "draw", question="What will Frank do?"), row("next_action", 2.0, "sweep")]
    assert texts(Overlay(rows).caption(2.5).next) == ["Next", "What will Frank do?", "draw", "sweep"]


def test_questions_show_for_a_while_after_they_are_asked() -> None:
    overlay = Overlay(
        [row("question", 5.0, "blue", question="Colour?"), row("question", 2.0, "Frank", question="Who?")], 4.0
    )
    assert overlay.caption(1.9).questions == ()
    assert texts(overlay.caption(2.0).questions) == ["Who?", "Frank"]
    assert texts(overlay.caption(5.5).questions) == ["Who?", "Frank", "Colour?", "blue"]
    assert texts(overlay.caption(6.0).questions) == ["Colour?", "blue"]
    assert overlay.caption(9.0).questions == ()


def test_wrong_answers_stand_beside_the_right_ones() -> None:
    rows = [
        row("question", 1.0, "dark_red", question="Colour?", truth="light_blue"),
        row("question", 2.0, "Frank", question="Who?", truth="Frank"),
        row("question", 3.0, "red", question="And now?"),
    ]
    answers = Overlay(rows).caption(3.0).questions[1::2]
    assert texts(answers) == ["dark red (right: light blue)", "Frank", "red"]
    assert len({line.color for line in answers}) == 3
    ranked = Overlay([row("next_action", 1.0, "jump_rope", ranking=RANKING, truth="sit_down")]).caption(1.0).next
    assert texts(ranked) == ["Next", "jump rope", "draw", "dance", "right: sit down"]
    ranked = Overlay([row("next_action", 1.0, "jump_rope", ranking=RANKING, truth="jump_rope")]).caption(1.0).next
    assert texts(ranked)[-1] == "right"


def test_text_is_drawn_in_its_own_direction() -> None:
    plain, turned = (
        Overlay([row("question", 0.0, f"{mark}red", question=f"{mark}Colour?", truth=f"{mark}blue")]).draw(
            grey(320, 240), 1.0
        )
        for mark in ("", "\u202e")
    )
    assert np.array_equal(plain, turned)


def test_the_child_asked_about_is_named_in_full_on_a_small_video() -> None:
    question = "What will the child in the yellow shirt do next?"
    (asked, *_) = Overlay([row("next_action", 0.0, ranking=RANKING, question=question)]).caption(1.0).next
    assert "".join(wrap(asked.text, 142 - 12, asked.rows, 13)).replace(" ", "") == question.replace(" ", "")


@pytest.mark.parametrize(
    ("time", "code"), [(0.0, "0:00.0"), (59.99, "0:59.9"), (60.0, "1:00.0"), (0.3, "0:00.3"), (3725.25, "1:02:05.2")]
)
def test_time_code(time: float, code: str) -> None:
    assert texts(Overlay([]).caption(time).now) == [code]


def panels_only(before: np.ndarray, after: np.ndarray, boxes: list[tuple[slice, slice]]) -> None:
    changed = (before != after).any(axis=2)
    assert changed.any()
    for box in boxes:
        changed[box] = False
    assert not changed.any()


def test_only_the_panels_change_and_the_frame_given_does_not() -> None:
    image = np.random.default_rng(0).integers(0, 255, (270, 480, 3), np.uint8)
    kept = image.copy()
    rows = [
        row("frame_labels", 0.0, end=9.0),
        row("next_action", 0.0, ranking=RANKING),
        row("question", 0.0, question="Who?"),
    ]
    out = Overlay(rows).draw(image, 1.0)
    assert np.array_equal(image, kept)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    left, right, below = (
        (slice(0, 130), slice(0, 240)),
        (slice(0, 130), slice(240, 480)),
        (slice(200, 270), slice(None)),
    )
    panels_only(image, out, [left, right, below])
    assert (out != image)[below].any()
    assert np.array_equal(out[135:195], image[135:195])


def test_panels_are_see_through_and_dark_with_light_text() -> None:
    white, black = grey(480, 270) * 0 + 255, grey(480, 270) * 0
    rows = [row("question", 0.0, question="Who is at the easel?")]
    over_white, over_black = (Overlay(rows).draw(image, 0.5)[-20:, 20:400] for image in (white, black))
    assert (over_white.astype(int) - over_black > 40).any()
    ground = int(np.median(Overlay(rows).draw(white, 0.5)[-60:-5, 20:400]))
    assert ground < 120
    assert Overlay(rows).draw(white, 0.5)[-60:-5, 20:400].min() < ground < 250


def test_a_higher_probability_has_a_longer_bar() -> None:
    lengths = []
    for value in (0.0, 0.3, 1.0):
        out = draw_caption(grey(480, 270), Caption(now=(Line("dance", (255, 0, 255, 255), value),)))
        lengths.append(int((out == (255, 0, 255)).all(axis=2).sum(axis=1).max()))
    assert lengths[0] < 0.5 * lengths[1] < 0.25 * lengths[2]


@given(st.text(max_size=200), st.integers(1, 300), st.integers(1, 4), st.integers(8, 40))
def test_wrapping_keeps_to_its_rows(text: str, width: int, rows: int, size: int) -> None:
    wrapped = wrap(text, width, rows, size)
    assert 1 <= len(wrapped) <= rows
    joined = "".join(wrapped).replace(" ", "")
    whole = "".join(text.split())
    assert whole == joined or whole.startswith("".join(wrapped[:-1]).replace(" ", ""))
    if whole != joined:
        assert wrapped[-1].endswith("…")


def test_long_text_wraps_between_words_and_ends_in_an_ellipsis() -> None:
    text = "Who was the child that hugged the teddy before the bell rang for the second time?"
    wrapped = wrap(text, 150, 3, 15)
    assert len(wrapped) == 3
    assert wrapped[-1].endswith("…")
    assert all(word in text.split() for line in wrapped[:-1] for word in line.split())
    assert wrap(text, 150, 20, 15)[-1].endswith("time?")
    assert " ".join(wrap(text, 150, 20, 15)) == text
    assert len(wrap("x" * 100, 60, 50, 15)) > 5
    assert wrap("", 100, 2, 15) == [""]


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (16, 9), (60, 300), (160, 120), (121, 97), (320, 180), (1920, 1080), (1080, 1920)]
)
def test_any_frame_size_can_be_drawn_on(width: int, height: int) -> None:
    question = "What did the child with the yellow shirt do first, long before the television showed a rocket? " * 3
    rows = [
        row("frame_labels", 0.0, "an_action_with_quite_a_long_name", end=9.0),
        row("next_action", 0.0, ranking=RANKING),
        *(row("question", 0.1 * k, question=question) for k in range(8)),
    ]
    image = grey(width, height)
    out = Overlay(rows).draw(image, 1.0)
    assert out.shape == image.shape
    if min(width, height) >= 120:
        assert (out != image).any()


def test_where_room_is_short_the_newest_question_stays() -> None:
    rows = [row("question", 0.1 * k, f"answer {k}", question=f"Question number {k}?") for k in range(9)]
    last = Overlay(rows[-1:]).draw(grey(320, 180), 1.0)
    everything = Overlay(rows).draw(grey(320, 180), 1.0)
    assert np.array_equal(everything[-30:], last[-30:])


def test_a_row_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match=r"Overlay expects predictions of kind frame_labels, .*, got 'order'"):
        Overlay([row("order", 0.0)])


def test_another_image_is_refused() -> None:
    with pytest.raises(UserError, match=r"Overlay expects a uint8 image \(H, W, 3\), got float64 \(4, 4\)"):
        Overlay([]).draw(np.zeros((4, 4)), 0.0)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, fps=10) as writer:
        for k in range(20):
            writer.write(np.full((181, 321, 3), 40 + 8 * k, np.uint8))
    return path


def test_an_annotated_video_has_the_frames_and_rate_of_its_source(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "annotated.mp4"
    save_annotated_video(clip, out, [row("question", 1.0, "Frank", question="Who?")], question_seconds=0.5)
    with VideoReader(clip) as source, VideoReader(out) as drawn:
        assert len(drawn) == len(source) == 20
        assert drawn.info.fps == source.info.fps
        before, after = source.frames_at([0.9, 1.0, 1.4, 1.6]).images, drawn.frames_at([0.9, 1.0, 1.4, 1.6]).images
    change = np.abs(before.astype(int) - after)[:, -40:, :200].mean(axis=(1, 2, 3))
    assert (change[[1, 2]] > 20).all()
    assert (change[[0, 3]] < 4).all()
    middle = np.abs(before.astype(int) - after)[:, 70:110].mean()
    assert middle < 4


def test_a_fast_video_is_thinned(tmp_path: Path) -> None:
    source, out = tmp_path / "fast.mp4", tmp_path / "out.mp4"
    with VideoWriter(source, fps=60) as writer:
        writer.write(np.zeros((30, 120, 160, 3), np.uint8))
    save_annotated_video(source, out, [])
    with VideoReader(out) as drawn:
        assert drawn.info.fps == Fraction(MAX_FPS)
        assert len(drawn) == 15


def test_the_source_is_never_overwritten(clip: Path) -> None:
    with pytest.raises(UserError, match="An annotated video expects a file of its own, got the source"):
        save_annotated_video(clip, clip.parent / "." / clip.name, [])


def test_nothing_is_left_where_the_source_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save_annotated_video(tmp_path / "none.mp4", tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_every_letter_of_the_usual_font_is_drawn() -> None:
    """A letter that a font lacks is drawn as a box."""
    for letter in [*map(chr, range(33, 127)), *"…‘’“”·", *"éßñ×–Ωж"]:
        font = overlay_module._font_of(letter, 16)
        assert bytes(font.getmask(letter)) != bytes(font.getmask("\uffff")), letter
