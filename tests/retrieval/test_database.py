import dataclasses
import errno
import json

import numpy as np
import pytest

from vidseq.cli import main
from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.retrieval import Database, build_database


def test_chunks_are_keyed_by_their_means_and_keep_their_continuations(world, tmp_path) -> None:
    dataset, store = world
    database = build_database(dataset, store, tmp_path / "db", chunk=3)
    assert [(video.video, video.group, video.chunks) for video in database.videos] == [
        ("a", "g", 3),
        ("b", "g", 1),
        ("c", "c", 0),
        ("e", "e", 3),
    ]
    expected = [("a", 0), ("a", 3), ("a", 6), ("b", 0), ("e", 0), ("e", 3), ("e", 6)]
    assert len(database) == 7 and database.chunk == 3 and database.split == "train"
    assert [database.video_of(chunk) for chunk in range(7)] == [name for name, _ in expected]
    for chunk, (name, start) in enumerate(expected):
        features = store.read(name).features
        np.testing.assert_allclose(
            database.keys[chunk], features[start : start + 3].mean(0, dtype=np.float64), atol=1e-6
        )
        np.testing.assert_array_equal(database.values(np.array([[chunk]]))[0, 0], features[start : start + 6])
        assert database.seconds[chunk] == start / 4
    assert database.groups.tolist() == [0, 0, 0, 0, 2, 2, 2]
    assert [database.group_index(name) for name in "abcde"] == [0, 0, 1, -1, 2]


def test_features_made_in_another_way_are_refused_by_the_field(world, tmp_path) -> None:
    build_database(*world, tmp_path / "db", chunk=3)
    fingerprint = world[1].fingerprint
    assert Database.open(tmp_path / "db", fingerprint).fingerprint == fingerprint
    with pytest.raises(FingerprintError, match=r"db: Features expect fps '8', got '4'"):
        Database.open(tmp_path / "db", dataclasses.replace(fingerprint, fps="8"))


def test_a_database_is_written_whole_or_not_at_all(world, tmp_path, monkeypatch) -> None:
    dataset, store = world

    def full(*arguments: object, **options: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("vidseq.retrieval.database.atomic_write", full)
    with pytest.raises(OSError, match="no space"):
        build_database(dataset, store, tmp_path / "db", chunk=3)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_disk_without_room_is_named_as_the_user_named_it(world, tmp_path, monkeypatch) -> None:
    def no_room(path, shape, dtype):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("vidseq.retrieval.database.open_mapped", no_room)
    with pytest.raises(OSError, match="No space left on device") as caught:
        build_database(*world, tmp_path / "db", chunk=3)
    assert caught.value.filename == str(tmp_path / "db")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_does_not_fit_is_refused(world, tmp_path) -> None:
    dataset, store = world
    with pytest.raises(UserError, match="expects chunks of at least 1 frame, got 0"):
        build_database(dataset, store, tmp_path / "db", chunk=0)
    with pytest.raises(
        DataError, match=r"at least two chunks, 16 frames, got none in split 'train' of 'toy'\. Use a sm"
    ):
        build_database(dataset, store, tmp_path / "db", chunk=8)
    with pytest.raises(
        UserError,
        match=r"A database expects '.*' to be new, got one that exists\. Remove it, or name another folder\.",
    ):
        build_database(dataset, store, dataset.folder)


def test_damage_is_noticed(world, tmp_path) -> None:
    folder = tmp_path / "db"
    with pytest.raises(FileNotFoundError, match=r"expects database.json in .*, got none\. Build one with"):
        Database.open(folder)
    build_database(*world, folder, chunk=3)
    header = (folder / "database.json").read_text()
    more_chunks, newer = header.replace('"chunks": 1', '"chunks": 2'), json.dumps({**json.loads(header), "version": 2})
    for damaged, message in (("{", "expects JSON"), (more_chunks, "7 keys of 8 chunks"), (newer, "version 2")):
        (folder / "database.json").write_text(damaged)
        with pytest.raises(DataError, match=message):
            Database.open(folder)
    (folder / "database.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match="expects JSON, got 'utf-8' codec"):
        Database.open(folder)
    (folder / "database.json").write_text(header)
    (folder / "database.json").write_text("5")
    with pytest.raises(DataError, match="expects a JSON object, got b'5'"):
        Database.open(folder)
    (folder / "database.json").write_text(header)
    rows = np.load(folder / "rows.npy")
    np.save(folder / "rows.npy", rows + 9)
    with pytest.raises(DataError, match=r"is damaged: .*chunks that begin outside of frames 0 to"):
        Database.open(folder)
    np.save(folder / "rows.npy", rows)
    Database.open(folder)
    (folder / "keys.npy").write_bytes(b"")
    with pytest.raises(DataError, match="is damaged"):
        Database.open(folder)


def test_the_verb_builds_one(world, tmp_path, capsys) -> None:
    out = tmp_path / "made" / "db"
    words = ["database", "build", str(world[0].folder), "--out", str(out), "--split", "test", "--chunk", "4"]
    assert main(words) == 0
    assert f"{out}: 2 chunks of 1 videos." in capsys.readouterr().out
    assert Database.open(out).video_of(1) == "d"
    assert main(words) == 2
    assert "to be new, got one that exists" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == [
        "database.json", "frames.npy", "keys.npy", "rows.npy", "seconds.npy"
    ]  # fmt: skip
