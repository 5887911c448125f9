"""The page in a real browser: what is drawn, keys, the video in step, phones and paper."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from timeline.browser import CHROME, DRIVER, Browser, browser
from timeline.examples import LABELS, bars, small_timeline, small_video

from vidseq.timeline import Line, Timeline, TimelineVideo, timeline_page
from vidseq.video.writer import VideoWriter

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROME and DRIVER), reason="chromium and chromedriver are not installed"),
]
HOSTILE = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"


@pytest.fixture(scope="module")
def desk() -> Iterator[Browser]:
    with browser() as session:
        yield session


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short video of hostile words, one with a file, and one with 5,000 segments of the truth and of a model."""
    folder = tmp_path_factory.mktemp("page")
    with VideoWriter(folder / "a b.mp4", fps=10) as writer:
        for shade in np.linspace(40, 200, 100):
            writer.write(np.full((96, 128, 3), shade, np.uint8))
    lines = [
        Line(name="truth", role="truth", bars=bars(5000, 7200, confident=False)),
        Line(name="lstm", role="predicted", bars=bars(5000, 7200, confident=True, seed=1)),
    ]
    videos = [
        small_timeline(HOSTILE).videos[0],
        TimelineVideo(**{**vars(small_video("filmed")), "media": folder / "a b.mp4"}),
        TimelineVideo(name="long", duration=7200.0, lines=lines),
        TimelineVideo(**{**vars(small_video("gone")), "media": folder / "gone.mp4"}),
    ]
    return timeline_page(Timeline(title=HOSTILE, videos=videos, labels=("cut", "stir", *LABELS)), folder / "page.html")


def settle(session: Browser) -> None:
    """Waits until what was wanted is drawn."""
    session.run_async("requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 50)))")


def colors_at(session: Browser, row: int, times: list[float]) -> list[list[int]]:
    """The colour in the middle of a row's bars at some times."""
    return session.run(
        "const row = drawing.rows[arguments[0]], scale = drawing.canvas.width / drawing.width;"
        "return arguments[1].map(time => [...drawing.context.getImageData("
        "Math.round(drawing.x(time) * scale), Math.round((row.top + 3.5) * scale), 1, 1).data]);",
        row,
        times,
    )


def test_words_are_shown_and_never_run(desk: Browser, page: Path) -> None:
    desk.open(page)
    settle(desk)
    assert desk.run("return document.title") == HOSTILE
    assert desk.run("return document.querySelectorAll('script').length") == 2
    assert HOSTILE in desk.run("return document.getElementById('at').textContent")
    assert desk.run("return document.querySelectorAll('img').length") == 0 and desk.log() == []


def test_bars_have_the_colours_of_their_labels_also_when_zoomed(desk: Browser, page: Path) -> None:
    desk.open(page, "#video=2")
    settle(desk)
    first, second = colors_at(desk, 0, [0.4, 9.6])
    assert first != second and colors_at(desk, 1, [0.4, 9.6]) == [first, second]
    for _ in range(3):
        desk.press("+")
    settle(desk)
    start, end = desk.run("return view")
    assert start == 0 and end == pytest.approx(1.25) and colors_at(desk, 0, [1.2]) == [first]


def test_keys_move_the_cursor(desk: Browser, page: Path) -> None:
    desk.open(page, "#t=4.5")
    settle(desk)
    moved = []
    for key, shift in (
        ("Right", False),
        ("Right", True),
        ("Left", True),
        ("Left", False),
        ("End", False),
        ("Home", False),
    ):
        desk.press(key, shift=shift)
        moved.append(desk.run("return cursor"))
    assert moved == pytest.approx([5.5, 8.0, 5.0, 4.0, 10.0, 0.0])
    desk.press("+")
    desk.press("+")
    desk.press("-")
    assert desk.run("return view[1] - view[0]") == pytest.approx(5.0)
    desk.press("0")
    assert desk.run("return view") == [0, 10]
    words = desk.run("return document.getElementById('canvas').getAttribute('aria-valuetext')")
    assert words == f"0:00.0, truth: {HOSTILE}, lstm: {HOSTILE}"


def test_space_plays_without_a_file(desk: Browser, page: Path) -> None:
    desk.open(page, "#t=9.9")
    desk.press(" ")
    desk.run_async("setTimeout(arguments[0], 600)")
    assert desk.run("return [cursor, playing, document.getElementById('play').textContent]") == [10, None, "Play"]


def test_the_video_follows_and_leads(desk: Browser, page: Path) -> None:
    desk.open(page, "#video=2&t=3")
    desk.run_async(
        "const done = arguments[0]; const wait = () => player.readyState > 1 ? done() : setTimeout(wait, 20); wait()"
    )
    assert desk.run("return player.currentTime") == pytest.approx(3.0)
    desk.run("player.currentTime = 6.25")
    desk.run_async("setTimeout(arguments[0], 500)")
    assert desk.run("return cursor") == pytest.approx(6.25)
    desk.run("player.muted = true")
    desk.press(" ")
    desk.run_async("setTimeout(arguments[0], 700)")
    cursor, time, paused = desk.run("return [cursor, player.currentTime, player.paused]")
    assert cursor > 6.25 and abs(cursor - time) < 0.5 and not paused


def test_a_missing_video_is_named(desk: Browser, page: Path) -> None:
    desk.open(page, "#video=4")
    desk.run_async("setTimeout(arguments[0], 500)")
    note = desk.run("return document.getElementById('screen-note').textContent")
    assert note.startswith("The video gone.mp4 cannot be shown")
    assert desk.run("return document.getElementById('video').offsetHeight") == 0


def test_a_click_lights_the_evidence_of_a_query(desk: Browser, page: Path) -> None:
    desk.open(page)
    settle(desk)
    before = colors_at(desk, 0, [1.7, 3.0])
    desk.run(
        "const row = drawing.rows.find(item => item.kind === 'question');"
        "const box = drawing.canvas.getBoundingClientRect(), x = box.left + drawing.x(8) + 2;"
        "const at = { clientX: x, clientY: box.top + row.top + 9, pointerId: 1, bubbles: true };"
        "drawing.canvas.setPointerCapture = () => {};"
        "for (const type of ['pointerdown', 'pointerup']) drawing.canvas.dispatchEvent(new PointerEvent(type, at));"
    )
    settle(desk)
    assert desk.run("return cursor") == 8
    after = colors_at(desk, 0, [1.7, 3.0])
    assert after[0] != before[0] and after[1] == before[1]


def test_tables_have_pages_and_a_filter(desk: Browser, page: Path) -> None:
    desk.open(page)
    rows = "return document.querySelectorAll('#queries tbody tr').length"
    assert desk.run(rows) == 3
    desk.run("document.getElementById('wrong').click()")
    assert desk.run(rows) == 1
    desk.open(page, "#video=3")
    assert desk.run("return document.querySelectorAll('#segments tbody tr').length") == 100
    assert "1 to 100 of 10000" in desk.run("return document.getElementById('segments').textContent")
    assert desk.run("return document.getElementById('queries').hidden")


def test_five_thousand_segments_are_drawn_between_two_frames(desk: Browser, page: Path) -> None:
    desk.open(page, "#video=3")
    settle(desk)
    milliseconds = desk.run(
        "draw(); const times = []; for (let i = 0; i < 9; i++) { const start = performance.now(); draw();"
        "drawing.context.getImageData(0, 0, 1, 1); times.push(performance.now() - start); }"
        "return times.sort((a, b) => a - b)[4];"
    )
    print(f"\n10,000 segments: {milliseconds:.1f} ms")
    assert milliseconds < 250, "16 ms on an idle machine"


def test_a_phone_needs_no_sideways_scrolling(page: Path) -> None:
    with browser(390, 844, phone=True) as phone:
        for video in (1, 2, 3):
            phone.open(page, f"#video={video}")
            settle(phone)
            assert phone.run("return [document.documentElement.scrollWidth, innerWidth]") == [390, 390]
            assert phone.run("return drawing.narrow && drawing.right <= 390")


def test_dark_and_light_differ(page: Path, desk: Browser) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor + colors().ink"
    desk.open(page)
    with browser(dark=True) as dark:
        dark.open(page)
        assert dark.run(ground) != desk.run(ground)


def test_paper_shows_the_whole_video(desk: Browser, page: Path, tmp_path: Path) -> None:
    desk.open(page, "#t=5&span=1")
    settle(desk)
    desk.run(
        "addEventListener('beforeprint', () => { window.printed = [drawing.start, drawing.end, drawing.width]; })"
    )
    desk.print(tmp_path / "page.pdf")
    assert desk.run("return window.printed") == [0, 10, 1000]
    settle(desk)
    assert desk.run("return [printing, drawing.end - drawing.start]") == [False, 1]
    text = (tmp_path / "page.pdf").read_bytes()
    assert text.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", text)) in (1, 2), json.dumps(len(text))
