"""What the server answers: pages, uploads and their limits, users apart from one another, requests from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from app.client import Client, serving
from app.world import jpeg, make_state, write_video, write_world
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vidseq.app.site import STATIC
from vidseq.app.state import AppState
from vidseq.app.uploads import clean_title

LIMIT_BYTES = 200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def video(folder: Path) -> bytes:
    return write_video(folder / "clip.mp4").read_bytes()


@pytest.fixture(scope="module")
def state(folder: Path) -> AppState:
    return make_state(folder / "kept", write_world(folder / "world"), max_upload_mb=LIMIT_BYTES / 1e6)


@pytest.fixture(scope="module")
def port(state: AppState) -> Iterator[int]:
    with serving(state) as port:
        yield port


@pytest.fixture
def client(port: int) -> Client:
    return Client(port)


def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    status, page, headers = client.call("GET", "/")
    assert status == 200 and b"<title>vidseq</title>" in page
    assert (
        "default-src 'self'" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"
    )
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"(https?:)?//[a-z]+[.][a-z]", text), file
    addresses = re.findall(r'(?:href|src)="(/[^"]*)"', page.decode())
    assert len(addresses) == 4
    for address in addresses:
        assert client.call("GET", address)[0] == 200


def test_the_start_names_models_videos_and_limits(client: Client) -> None:
    start = client.get("/api/start")
    asked = {"question": True, "next_action": False}
    assert [model["name"] for model in start["models"]] == ["model0", "model1"]
    assert start["models"][0] == {"name": "model0", "asked": asked, "labels_frames": True}
    assert [video["title"] for video in start["videos"]] == ["first", "second"] and start["dataset"] == "shades"
    assert start["max_upload_bytes"] == LIMIT_BYTES and start["rate"] == 4 and start["uploads"] == []
    assert start["examples"] == ["Which colour was first?"] and "colour" in start["words"]


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:1", 200), ("localhost", 200), ("[::1]:9", 200), ("evil.example", 403),
     ("127.0.0.1.evil.example", 403), ("", 403), ("[", 403)],
)  # fmt: skip
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str, status: int, client: Client) -> None:
    assert client.call("GET", "/api/start", headers={"Host": host})[0] == status


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_another_page_changes_nothing(headers: dict[str, str], client: Client, video: bytes) -> None:
    status, content, _ = client.call("POST", "/api/videos?name=a", video, headers)
    assert status == 403 and b"another site" in content
    assert client.get("/api/start")["uploads"] == []


@pytest.mark.parametrize(
    "address",
    ["/static/../site.py", "/static/%2e%2e/site.py", "/static/..%2fsite.py", "/static//etc/passwd", "/etc/passwd",
     "/api/videos/..%2f..%2fetc%2fpasswd", "/api/videos/%2e%2e/file", "/api/videos/d99/file", "/static/",
     "//etc/passwd"],
)  # fmt: skip
def test_no_address_leads_out_of_the_app(address: str, client: Client) -> None:
    status, content, _ = client.call("GET", address)
    assert status == 404 and b"root:" not in str(content).encode() and "Mount(" not in str(content)


def test_strangers_have_nothing(port: int, video: bytes) -> None:
    stranger = Client(port, opened=False)
    for method, address in (("GET", "/api/start"), ("GET", "/api/videos/d0"), ("POST", "/api/videos?name=a")):
        status, content, _ = stranger.call(method, address, video if method == "POST" else None)
        assert status == 401 and "Load the page again" in content["error"]


def test_an_upload_is_read_shown_and_deleted(client: Client, state: AppState, video: bytes) -> None:
    status, facts = client.upload(video, "my clip.mp4")
    assert status == 201 and facts["title"] == "my clip.mp4" and facts["end"] == pytest.approx(6.0, abs=0.2)
    address = f"/api/videos/{facts['id']}"
    assert client.call("GET", f"{address}/timeline")[0] == 409
    assert client.prepare(facts["id"]) == {"state": "ready", "done": 24, "total": 24, "error": None}
    assert client.get(f"{address}/file") == video
    status, part, headers = client.call("GET", f"{address}/file", headers={"Range": "bytes=10-19"})
    assert status == 206 and part == video[10:20] and headers["content-type"] == "video/mp4"
    timeline = client.get(f"{address}/timeline")
    assert [line["name"] for line in timeline["video"]["lines"]] == ["model0", "model1"]
    assert {query["kind"] for query in timeline["video"]["queries"]} == {"next_action"} and not timeline["questions"]
    assert client.get("/api/start")["uploads"] == [facts]
    session = state.sessions.find(client.cookie.split("=")[1])
    assert session is not None
    kept = session.uploads[facts["id"]].path
    assert kept is not None and kept.is_file()
    assert client.call("DELETE", address)[0] == 204 and not kept.parent.exists()
    assert client.call("GET", address)[0] == 404


def test_videos_of_the_data_set_have_their_truth_and_questions(client: Client) -> None:
    client.prepare("d0")
    timeline = client.get("/api/videos/d0/timeline")
    assert [line["name"] for line in timeline["video"]["lines"]] == ["truth", "model0", "model1"]
    assert timeline["questions"] == [
        {"time": 4.5, "kind": "question", "asked": "Which colour was first?", "answer": "red", "evidence": [[0, 2]]}
    ]
    asked = [query for query in timeline["video"]["queries"] if query["kind"] == "question"]
    assert [query["truth"] for query in asked] == ["red"] and len(asked[0]["answers"]) == 2


def test_pictures_show_the_sample_on_screen(client: Client) -> None:
    import io

    import numpy as np
    from PIL import Image

    for seconds, color in ((0.1, "red"), (2.6, "green"), (99, "blue")):
        content = client.get(f"/api/videos/d1/picture?time={seconds}")
        mean = np.asarray(Image.open(io.BytesIO(content))).mean(axis=(0, 1))
        assert ("red", "green", "blue")[int(mean.argmax())] == color
    for wrong in ("", "nan", "-1", "x", "inf"):
        assert client.call("GET", f"/api/videos/d1/picture?time={wrong}")[0] == 400


def test_two_users_do_not_see_each_other(port: int, video: bytes) -> None:
    one, other = Client(port), Client(port)
    facts = one.upload(video)[1]
    assert one.cookie != other.cookie and other.get("/api/start")["uploads"] == []
    for part in ("", "/file", "/picture?time=0", "/timeline"):
        assert other.call("GET", f"/api/videos/{facts['id']}{part}")[0] == 404
    assert other.post(f"/api/videos/{facts['id']}/answers", {"kind": "question", "text": "a", "time": 1})[0] == 404
    other.call("DELETE", f"/api/videos/{facts['id']}")
    assert one.get(f"/api/videos/{facts['id']}/file") == video


def kept_files(state: AppState) -> list[Path]:
    return [path for path in state.sessions._folder.rglob("*") if path.is_file() and path.suffix != ".jpg"]


def test_what_is_too_large_leaves_nothing(client: Client, state: AppState) -> None:
    before, body = kept_files(state), b"\0" * (LIMIT_BYTES + 1)
    chunks = iter([b"\0\0\0\x18ftypisom"] + [b"\0" * 50_000] * 5)
    for content, headers in ((body, {}), (chunks, {"Transfer-Encoding": "chunked"})):
        status, answer, _ = client.call("POST", "/api/videos?name=a", content, headers)
        assert status == 413 and answer["error"].startswith("An upload expects at most 0.2 MB, got more.")
    assert kept_files(state) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
     b"\x89PNG\r\n\x1a\n" * 9, jpeg(), b"<html>", b"\0\0\0\x18ftypisom" + b"\0" * 400, b"\x1a\x45\xdf\xa3" * 40,
     b"RIFF" + b"a" * 400],
    ids=["nothing", "hls", "concat", "png", "jpeg", "html", "broken mp4", "broken webm", "broken avi"],
)  # fmt: skip
def test_what_is_no_video_is_refused_in_one_line(content: bytes, client: Client, state: AppState) -> None:
    before = kept_files(state)
    status, answer = client.upload(content, "x.mp4")
    assert status == 400 and "\n" not in answer["error"] and str(state.sessions._folder) not in answer["error"]
    assert kept_files(state) == before and client.get("/api/start")["uploads"] == []


def test_a_video_that_ends_early_says_so(client: Client, video: bytes) -> None:
    status, answer = client.upload(video[: len(video) // 2], "half.mp4")
    assert status == 400 and "'half.mp4'" in answer["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize(
    ("name", "title"),
    [("../../etc/passwd", "passwd"), ("C:\\videos\\a.mp4", "a.mp4"), ("<script>alert(1)</script>.mp4", "script>.mp4"),
     ("a\nb\0.mp4", "ab.mp4"), ("\u202e4pm.exe", "4pm.exe"), ("", "video"), ("..", ".."), ("é" * 500, "é" * 80)],
)  # fmt: skip
def test_hostile_names_are_only_shown(name: str, title: str, client: Client, state: AppState, video: bytes) -> None:
    status, facts = client.upload(video, name)
    assert status == 201 and facts["title"] == title
    assert all(path.name == "video" for path in kept_files(state))


@given(st.text())
@example("0\xa00")
def test_titles_are_one_short_line_without_folders(name: str) -> None:
    title = clean_title(name)
    assert 0 < len(title) <= 80 and title.isprintable() and not set(title) & set("/\\")


def test_only_the_newest_uploads_are_kept(client: Client, video: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidseq.app.sessions.MAX_UPLOADS", 2)
    ids = [client.upload(video)[1]["id"] for _ in range(3)]
    assert [facts["id"] for facts in client.get("/api/start")["uploads"]] == ids[1:]
    assert client.call("GET", f"/api/videos/{ids[0]}/file")[0] == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KIND = st.sampled_from(["question", "next_action", "frame_labels", "x", None, 3])
TIME = st.floats() | st.sampled_from([0, 1, 5.9, 7, None, "1", True, 10**400])


@settings(max_examples=25)
@given(
    st.fixed_dictionaries({"kind": KIND, "text": st.text() | st.none(), "time": TIME}, optional={"models": JSON})
    | JSON,
    st.sampled_from(["answers", "contexts"]),
)
def test_wrong_questions_never_break_the_server(port: int, values: object, part: str) -> None:
    client = Client(port)
    client.prepare("d0")
    status, answer = client.post(f"/api/videos/d0/{part}", values)
    assert status in (200, 400, 404), answer
    errors = [answer["error"]] if status != 200 else [reply["error"] for reply in answer if "error" in reply]
    assert all("\n" not in error for error in errors)
