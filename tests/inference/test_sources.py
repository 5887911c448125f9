"""What a source names: files, folders, globs and addresses."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidseq.errors import UserError
from vidseq.inference.sources import find_sources
from vidseq.video.addresses import is_live, is_remote_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cam1/clip.mp4", "cam1/notes.txt", "cam1/.clip.mp4", "cam2/clip.mp4", "cam2/clip.raw", "top.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def names(source: Path, apart_from: Path | None = None) -> list[str]:
    return [video.name for video in find_sources(str(source), apart_from=apart_from).videos]


def test_a_file_is_one_video_whatever_its_suffix(folder: Path) -> None:
    found = find_sources(str(folder / "cam2/clip.raw"))
    assert [video.name for video in found.videos] == ["clip"] and not found.several


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", ["cam1__clip", "cam2__clip", "top"]),
        ("cam*/clip.mp4", ["cam1__clip", "cam2__clip"]),
        ("cam*/*", ["cam1__clip", "cam2__clip"]),
        ("cam2/*.raw", ["clip"]),
        ("**/clip.*", ["cam1__clip", "cam2__clip"]),
        ("**", ["cam1__clip", "cam2__clip", "top"]),
    ],
)
def test_a_glob_names_videos_once_by_their_paths(folder: Path, pattern: str, wanted: list[str]) -> None:
    assert names(folder / pattern) == wanted
    assert find_sources(str(folder / pattern)).several


def test_brackets_in_the_name_of_a_folder_are_no_wildcards(folder: Path) -> None:
    """As in "Season [1]", and in the names that downloads have."""
    (folder / "cam1").rename(folder / "cam [1]")
    assert names(folder / "cam [1]/*.mp4") == names(folder / "cam [1]") == ["clip"]
    assert names(folder / "cam[2]/*.mp4") == ["cam2__clip"]  # still a wildcard where there is no such folder


def test_what_a_glob_leaves_out_is_named(folder: Path) -> None:
    assert find_sources(str(folder / "cam*/*")).notes == ("2 files are no videos: .raw, .txt.",)


def test_results_are_no_sources(folder: Path) -> None:
    assert names(folder, apart_from=folder / "cam2") == ["cam1__clip", "top"]
    found = find_sources(str(folder), apart_from=folder / "cam2")
    assert "1 videos are in the folder of --save-video and are left out." in found.notes
    with pytest.raises(
        FileNotFoundError, match=r"The videos there are left out, since --save-video names their folder"
    ):
        find_sources(str(folder), apart_from=folder)


class _Server(http.server.SimpleHTTPRequestHandler):
    """Serves files with their lengths, and a stream without one."""

    def do_GET(self) -> None:
        if self.path == "/stream":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "recording").write_bytes(bytes(1000))
    (tmp_path / "list").write_text("#EXTM3U")
    handler = functools.partial(_Server, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_with_a_length_is_a_file(address: str) -> None:
    with pytest.raises(UserError, match=r"^--source expects .* Download it first, for example with `curl -LO http"):
        find_sources(f"{address}/recording")
    assert not is_remote_file(f"{address}/stream")
    assert not is_remote_file(f"{address}/missing")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("http://nowhere.invalid/a/clip.mp4", True),
        ("https://nowhere.invalid/clip%20one.MKV?token=1", True),
        ("HTTP://nowhere.invalid/clip.mov#t=3", True),
        ("http://nowhere.invalid/live.m3u8", False),
        ("rtsp://nowhere.invalid/clip.mp4", False),
        ("clip.mp4", False),
        ("0", False),
    ],
)
def test_an_address_that_ends_in_a_suffix_is_a_file(source: str, wanted: bool) -> None:
    assert is_remote_file(source) == wanted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("file:///videos/clip.mp4", r"^--source expects a path, got 'file:///videos/clip\.mp4'\. Write what follows"),
        ("s3://bucket/clip.mp4", r"a stream \(rtsp, .*\), got 's3://bucket/clip\.mp4'\. Copy it"),
        ("/dev/video12", r"the number of a camera, got '/dev/video12'\. Write 12\.$"),
        ("http://[bad/live", r"^--source expects an address, got 'http://\[bad/live' \("),
        ("https://anna:secret@nowhere.invalid/clip.mp4?token=secret", r"`curl -LO https://nowhere\.invalid/clip\.mp4"),
    ],
)
def test_addresses_that_are_no_streams_are_named(source: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        find_sources(source)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsps", "rtmps", "SRT", "tcp"])
def test_every_kind_of_stream_is_one(scheme: str) -> None:
    source = f"{scheme}://nowhere.invalid:9/live"
    assert [video.path for video in find_sources(source).videos] == [source] and is_live(source)


def test_a_folder_whose_name_is_a_number_is_no_camera(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Recordings lie in folders of years; the camera of that number would be asked in silence."""
    (folder / "cam1").rename(folder / "2024")
    (folder / "3").write_text("x")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=r"got '2024', which is the number of a camera and also lies in this folder"):
        find_sources("2024")
    assert [video.name for video in find_sources("./2024").videos] == ["clip"]
    assert not any(is_live(video.path) for source in ("./2024", "./3") for video in find_sources(source).videos)
    assert not is_live("²") and not is_live("٣")
