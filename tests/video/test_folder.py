"""One list of what counts as a video, and one way to name videos, whoever asks."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import DataError
from vidseq.importers.conversion import Findings
from vidseq.importers.init import find_videos, relative_path
from vidseq.inference.sources import find_sources
from vidseq.video.folder import VIDEO_SUFFIXES, list_videos, plain_name, video_names


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return folder


def listed(folder: Path) -> list[str]:
    return [path.as_posix() for path in list_videos(folder).videos]


def test_hidden_files_and_other_suffixes_are_no_videos(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "._a.mp4", ".Trashes/old.mp4", "b/c.GIF", "b/tape.mxf", "b/notes.txt", "b/x.d/e.ogv")
    found = list_videos(tmp_path)
    assert listed(tmp_path) == ["a.mp4", "b/c.GIF", "b/tape.mxf", "b/x.d/e.ogv"]
    assert found.others == {".txt": 1} and found.unread == ()


def test_a_folder_below_a_hidden_one_is_read_if_it_is_named(tmp_path: Path) -> None:
    assert listed(make(tmp_path / ".cache/videos", "a.mp4")) == ["a.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_are_followed_and_loops_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path / "videos", "a.mp4", "sub/b.mp4")
    make(tmp_path / "elsewhere", "c.mp4")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "sub/up").symlink_to(folder)
    (folder / "sub/out").symlink_to(tmp_path)
    (folder / "lost.mp4").symlink_to(tmp_path / "nothing.mp4")
    os.mkfifo(folder / "pipe.mp4")  # opening it would wait forever
    assert listed(folder) == ["a.mp4", "linked/c.mp4", "lost.mp4", "sub/b.mp4"]
    assert [reason.rpartition(" is not read: ")[0] for reason in list_videos(folder).unread] == [
        str(folder / "pipe.mp4"),
        str(folder / "sub/out"),
        str(folder / "sub/up"),
    ]


def test_predicting_and_making_a_data_set_see_the_same_videos_by_the_same_names(tmp_path: Path) -> None:
    suffixes = sorted(VIDEO_SUFFIXES)
    clips = [f"c{index}/clip{suffix}" for index, suffix in enumerate(suffixes)]
    make(tmp_path, *clips, "c0/clip.m4v", "c0/.clip.mp4", "c0/a b, 'c'.mp4", "-dash.mp4", "line\nbreak.mp4", "x.txt")
    found = find_sources(str(tmp_path))
    seen = find_videos(tmp_path, True, Findings(skip_bad=False))
    assert [(video.path, video.name) for video in found.videos] == [(str(item.path), item.video) for item in seen]
    assert found.several and found.notes == ("1 files are no videos: .txt.",)
    assert {video.name for video in found.videos} >= {"-dash", "line_break", "c0__a_b_c", "c0__clip_m4v"}


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_of_other_bytes_becomes_plain_and_no_data_set_holds_it(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_text("x")
    (video,) = find_sources(str(tmp_path)).videos
    assert (video.path, video.name) == (str(path), "caf")
    with pytest.raises(ValueError, match=r"a name that is not UTF-8, which a data set cannot hold\. Rename it"):
        relative_path(path, tmp_path)


letters = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=()), min_size=1, max_size=5)


@given(st.lists(st.tuples(letters, letters, st.sampled_from([".mp4", ".MP4", ".avi", ".tar.mov"])), max_size=8))
def test_names_are_unique_plain_and_follow_the_order(parts: list[tuple[str, str, str]]) -> None:
    paths = list(dict.fromkeys(Path(folder) / f"{stem}{suffix}" for folder, stem, suffix in parts))
    names = video_names(paths)
    assert list(names) == paths
    assert len({name.casefold() for name in names.values()}) == len(paths)
    assert all(plain_name(name) == name and len(f"{name}.mp4".encode()) < 200 for name in names.values())


@pytest.mark.parametrize("name", ["देवनागरी", "की", "ที่นี่", "café", "مُدَرِّس", "台所"])
def test_marks_of_letters_stay_so_that_other_words_are_other_names(name: str) -> None:
    assert plain_name(unicodedata.normalize("NFD", name)) == plain_name(name) == unicodedata.normalize("NFC", name)
    assert plain_name(f"{name} / 2") == f"{plain_name(name)}_2"


def test_equal_names_in_several_folders() -> None:
    paths = [Path("cam1/clip.mp4"), Path("cam2/clip.avi"), Path("cam2/clip.mp4")]
    assert list(video_names(paths).values()) == ["cam1__clip", "cam2__clip_avi", "cam2__clip_mp4"]
    assert list(video_names([Path("a.mp4"), Path("A.mp4")]).values()) == ["a_mp4", "A-2"]


def test_an_empty_folder_is_refused_with_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, "a.rmvb", ".b.mp4")
    with pytest.raises(DataError, match=r"at least one in .*, got \.rmvb\. Suffixes that count"):
        find_videos(tmp_path, True, Findings(skip_bad=False))
    with pytest.raises(FileNotFoundError, match=r"got nothing at .* Files there that are no videos: \.rmvb\."):
        find_sources(str(tmp_path))
