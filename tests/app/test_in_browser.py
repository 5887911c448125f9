"""The page in a real browser: upload, ask, scrub, slide, a camera, hostile names, two users, phones."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from app.client import serving
from app.world import make_state, write_video, write_world
from timeline.browser import CHROME, DRIVER, Browser, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,  # until it is measured how long they take beside the others
    pytest.mark.skipif(not (CHROME and DRIVER), reason="chromium and chromedriver are not installed"),
]
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
HOSTILE = "<img src=x onerror=\"document.title='run'\">&amp;'.mp4"
READY = "const send = document.getElementById('send'); return !!send && !send.disabled"
SECONDS = "return Number(document.getElementById('canvas').getAttribute('aria-valuenow'))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with serving(make_state(folder / "kept", write_world(folder / "world"))) as port:
        yield port


@pytest.fixture(scope="module")
def desk() -> Iterator[Browser]:
    with browser(options=CAMERA) as session:
        yield session


def open_page(session: Browser, port: int, *, host: str = "127.0.0.1", video: str = "") -> None:
    """Opens the page, with a video if one is named."""
    session.open_address(f"http://{host}:{port}/{video and '#'}{video}")
    session.wait("return document.querySelector('#choice option')")
    if video:
        session.wait(READY)


def text_of(session: Browser, selector: str) -> str:
    return session.run(
        "const found = document.querySelector(arguments[0]); return found && found.textContent", selector
    )


def ask(session: Browser, question: str) -> None:
    """Asks by keys alone."""
    session.run("document.activeElement.blur()")
    session.press("/")
    session.run("document.getElementById('question').value = ''")
    session.type(question)
    session.press("Enter")
    session.wait(
        "const asked = document.getElementById('asked'); return asked && asked.textContent.includes(arguments[0])",
        question,
    )


def test_a_hostile_name_is_shown_and_never_run(desk: Browser, port: int, folder: Path) -> None:
    open_page(desk, port)
    desk.choose_file("#file", write_video(folder / HOSTILE))
    desk.wait(READY)
    assert text_of(desk, "#choice option:checked") == HOSTILE and desk.run("return document.title") == "vidseq"
    assert desk.run("return document.querySelectorAll('#choice img, main > img').length") == 0
    assert desk.log() == []
    desk.run("document.getElementById('remove').click()")
    desk.wait(
        "return document.getElementById('stage').hidden && !document.querySelector('#choice optgroup[label=Yours]')"
    )


def test_keys_scrub_and_the_timeline_follows(desk: Browser, port: int) -> None:
    open_page(desk, port, video="d0")
    desk.wait("return document.getElementById('video').readyState > 0")
    moved = []
    for key in ("Right", "Right", "Left", "End", "Home"):
        desk.press(key)
        moved.append(desk.run(SECONDS))
    assert moved == pytest.approx([1, 2, 1, 6, 0], abs=0.05)
    desk.run(
        "const box = document.getElementById('canvas').getBoundingClientRect();"
        "const at = { clientX: box.left + box.width * 0.6, clientY: box.top + 6, pointerId: 1, bubbles: true };"
        "document.getElementById('canvas').setPointerCapture = () => {};"
        "for (const type of ['pointerdown', 'pointerup'])"
        "  document.getElementById('canvas').dispatchEvent(new PointerEvent(type, at));"
    )
    seconds = desk.run(SECONDS)
    assert 2 < seconds < 5
    desk.wait("return Math.abs(document.getElementById('video').currentTime - arguments[0]) < 0.1", seconds)
    desk.press(" ")
    desk.wait("return document.getElementById('play').textContent === 'Pause'")
    desk.press(" ")
    desk.wait("return document.getElementById('play').textContent === 'Play'")


def test_a_question_is_answered_slid_and_explained(desk: Browser, port: int) -> None:
    open_page(desk, port, video="d0")
    for _ in range(4):
        desk.press("Right")
    ask(desk, "Which colour was first elephant?")
    assert text_of(desk, "#asked").startswith("0:04.0")
    assert desk.run("return [...document.querySelectorAll('.card h3')].map(title => title.textContent)") == [
        "model0",
        "model1",
    ]
    assert "elephant" in text_of(desk, ".card .warn")
    desk.wait("return !document.getElementById('less').disabled")
    ranking = "return document.querySelector('.card ol').textContent"
    whole = desk.run(ranking)
    desk.run("document.getElementById('less').focus()")
    desk.press("Home")
    assert text_of(desk, "#less-text") == "the newest frame alone" and desk.run(ranking) != whole
    desk.press("End")
    assert text_of(desk, "#less-text").startswith("all 17 frames") and desk.run(ranking) == whole
    desk.wait("return document.querySelectorAll('.strip').length === 2")
    desk.run("document.querySelector('.strip button').click()")
    assert desk.run(SECONDS) < 0.5
    desk.wait("return [...document.querySelectorAll('.strip img')].some(image => image.naturalWidth > 0)")
    assert desk.log() == []


def test_a_question_of_the_data_set_has_its_truth(desk: Browser, port: int) -> None:
    open_page(desk, port, video="d1")
    desk.run("document.querySelector('#questions button').click()")
    desk.wait("return document.getElementById('asked').textContent.includes('right: \\u2068red')")
    assert desk.run(SECONDS) == pytest.approx(4.5)
    assert desk.run("return document.querySelectorAll('.best.right, .best.wrong').length") == 2


def test_what_is_no_video_is_said(desk: Browser, port: int, folder: Path) -> None:
    open_page(desk, port)
    (folder / "notes.txt").write_text("no video")
    desk.choose_file("#file", folder / "notes.txt")
    error = desk.wait(
        "return !document.getElementById('error').hidden && document.getElementById('error').textContent"
    )
    assert error.startswith("An upload expects a video such as MP4")
    desk.log()  # the browser notes the refusal


def test_a_file_that_no_browser_plays_is_shown_as_pictures(desk: Browser, port: int, folder: Path) -> None:
    with av.open(str(folder / "old.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(24):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24"))
            )
        container.mux(stream.encode())
    open_page(desk, port)
    desk.choose_file("#file", folder / "old.avi")
    desk.wait("return document.getElementById('still').naturalWidth > 0")
    assert "This browser cannot play the file" in text_of(desk, "#screen-note")
    desk.wait(READY)
    desk.press("Right")
    desk.wait("return document.getElementById('still').src.endsWith('time=1.000')")
    desk.log()


def test_a_camera_is_asked_while_it_runs(desk: Browser, port: int) -> None:
    open_page(desk, port)
    desk.run("document.getElementById('camera').click()")
    desk.wait("return document.querySelectorAll('#said li').length === 4")
    ask(desk, "Which colour was first?")
    assert desk.run("return document.querySelectorAll('.card .best').length") == 2
    desk.run("document.getElementById('stop-camera').click()")
    desk.wait("return document.getElementById('stage').hidden")
    assert desk.log() == []


def test_two_users_at_once_have_their_own_videos(desk: Browser, port: int, folder: Path) -> None:
    uploads = (
        "return [...document.querySelectorAll('#choice optgroup[label=Yours] option')].map(item => item.textContent)"
    )
    for host in ("127.0.0.1", "localhost"):  # cookies of two names are apart
        open_page(desk, port, host=host)
        desk.choose_file("#file", write_video(folder / f"of {host}.mp4"))
        desk.wait(READY)
    for host in ("127.0.0.1", "localhost"):
        open_page(desk, port, host=host)
        assert f"of {host}.mp4" in desk.run(uploads) and len(desk.run(uploads)) == (1 if host == "localhost" else 2)


def test_a_dark_phone_needs_no_sideways_scrolling(port: int) -> None:
    with browser(375, 700, phone=True, dark=True) as phone:
        open_page(phone, port, video="d0")
        phone.run("document.getElementById('question').value = 'Which colour was first?'")
        phone.run("document.getElementById('send').click()")
        phone.wait("return document.querySelectorAll('.strip').length === 2")
        assert phone.run("return [document.documentElement.scrollWidth, innerWidth]") == [375, 375]
        small = (
            "return [...document.querySelectorAll('button, select, #question')]"
            ".filter(item => item.offsetHeight && item.offsetHeight < 28).map(item => item.outerHTML)"
        )
        assert phone.run(small) == []
        red, green, blue = phone.run(
            "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        )
        assert red + green + blue < 150
