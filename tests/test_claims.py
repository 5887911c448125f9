"""A new or empty folder is claimed; the same work goes on in its folder; every other folder is refused."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.claims import claim_folder, flat_fields, held, refuse_existing, scratch_folder
from vidseq.errors import UserError

PLAN = {"dataset": "toy", "seeds": (0, 1), "training": {"lr": 0.1, "options": {}}}

VALUES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a"]) | st.lists(st.integers(0, 1))
CONTENTS = st.dictionaries(
    st.sampled_from("xyz"), VALUES | st.dictionaries(st.sampled_from("uv"), VALUES, min_size=1), max_size=3
)


def without_none(fields):
    return {name: value for name, value in fields.items() if value is not None}


@given(CONTENTS, CONTENTS)
def test_only_the_same_content_goes_on(before, now):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "deep" / "out"
        assert claim_folder(folder, "study", before) is False
        written = (folder / "study.json").read_bytes()
        same = without_none(flat_fields(before)) == without_none(flat_fields(now))
        if same:
            assert claim_folder(folder, "study", now) is True
        else:
            with pytest.raises(
                UserError, match=r"^Study in '.*' expects .* as it began, got .* Name another folder\.$"
            ):
                claim_folder(folder, "study", now)
        assert (folder / "study.json").read_bytes() == written
        assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_what_is_written_says_what_the_folder_holds(tmp_path: Path):
    claim_folder(tmp_path, "study", PLAN)
    assert json.loads((tmp_path / "study.json").read_text()) == {
        "kind": "study", "dataset": "toy", "seeds": [0, 1], "training": {"lr": 0.1, "options": {}},
    }  # fmt: skip
    assert claim_folder(tmp_path, "study", PLAN)
    (tmp_path / "rows.csv").touch()
    assert claim_folder(tmp_path, "study", PLAN)


def test_all_fields_that_differ_are_named(tmp_path: Path):
    claim_folder(tmp_path, "study", PLAN)
    with pytest.raises(UserError) as caught:
        claim_folder(tmp_path, "study", {**PLAN, "seeds": [2], "training": {"lr": 0.2}, "split": "a" * 99})
    assert str(caught.value) == (
        f"Study in '{tmp_path}' expects seeds [0, 1] as it began, got [2]. "
        "Also different: training.lr, split, training.options. Name another folder."
    )
    with pytest.raises(
        UserError, match=r"expects dataset 'toy' as it began, got 'a{79}\.\.\.\. Name another folder, or"
    ):
        claim_folder(tmp_path, "study", {**PLAN, "dataset": "a" * 99}, overwrite=False)


def test_other_files_and_other_kinds_are_refused(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    assert not claim_folder(out, "study", PLAN)
    with pytest.raises(
        UserError, match=r"^Audit expects a new or empty folder, got '.*', which holds study\.json\. Name"
    ):
        claim_folder(out, "audit", PLAN)
    for name in "abc":
        (out / name).touch()
    with pytest.raises(UserError, match=r"which holds a, b, c, \.\.\.\. Name another folder\.$"):
        claim_folder(out, "audit", PLAN)
    assert not (out / "audit.json").exists()
    with pytest.raises(UserError, match=r"Study expects a new or empty folder, got the file '.*a'"):
        claim_folder(out / "a", "study", PLAN)
    with pytest.raises(UserError, match=r"expects a folder, got a file\. Name another"):
        claim_folder(out / "a", "study", PLAN, overwrite=True)


@pytest.mark.parametrize("text", ["{", "[1]", "1", ""])
def test_a_damaged_claim_is_refused(tmp_path: Path, text: str):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(
        UserError, match=r"expects a JSON object in study\.json, got something else\. Name another fol"
    ):
        claim_folder(tmp_path, "study", PLAN)
    assert not claim_folder(tmp_path, "study", PLAN, overwrite=True)


def test_overwriting_claims_whatever_is_there(tmp_path: Path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(UserError, match=r"which holds letter\.txt\. Name another folder, or use --overwrite\.$"):
        claim_folder(tmp_path, "study", PLAN, overwrite=False)
    assert not claim_folder(tmp_path, "study", PLAN, overwrite=True)
    assert not claim_folder(tmp_path, "study", {"dataset": "other"}, overwrite=True)
    assert claim_folder(tmp_path, "study", {"dataset": "other"})


def test_folders_of_earlier_versions_go_on(tmp_path: Path):
    """Their files hold the content without a kind."""
    (tmp_path / "study.json").write_text(json.dumps(PLAN))
    assert claim_folder(tmp_path, "study", PLAN)
    with pytest.raises(UserError, match="expects dataset 'toy' as it began, got 'other'"):
        claim_folder(tmp_path, "study", {**PLAN, "dataset": "other"})


def test_the_caller_says_which_fields_count(tmp_path: Path):
    def fields(content):
        return {"first": content["dataset"]}

    claim_folder(tmp_path, "study", PLAN, fields=fields)
    assert claim_folder(tmp_path, "study", {**PLAN, "seeds": [9]}, fields=fields)
    with pytest.raises(UserError, match="expects first 'toy' as it began, got 'other'"):
        claim_folder(tmp_path, "study", {**PLAN, "dataset": "other"}, fields=fields)


def test_what_exists_is_refused_unless_it_may_be_replaced(tmp_path: Path):
    refuse_existing(tmp_path / "new", "A report")
    with pytest.raises(UserError, match=r"A report expects '.*' to be new, got one that exists\. Remove it, or name"):
        refuse_existing(tmp_path, "A report")
    with pytest.raises(UserError, match=r"got one that exists\. Name another folder, or use --overwrite\."):
        refuse_existing(tmp_path, "A report", overwrite=False)
    refuse_existing(tmp_path, "A report", overwrite=True)


#: Holds a folder until it is told to end.
HOLDS = """
import sys
from pathlib import Path
from vidseq.claims import held

with held(Path(sys.argv[1]), "Training"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.parametrize("killed", [False, True])
def test_two_processes_never_write_one_folder(tmp_path: Path, killed: bool) -> None:
    folder = tmp_path / "runs" / "gru"
    words = [sys.executable, "-c", HOLDS, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        message = r"Training expects to be alone in '.*gru', got another process that writes there\. Wait for it, or"
        with pytest.raises(UserError, match=message), held(folder, "Training"):
            pass
        if killed:
            other.kill()
        other.communicate("")
    with held(folder, "Training"), held(folder, "Training"):  # no lock stays behind; what this process calls may
        assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="has no locks")
def test_scratch_folders_of_killed_processes_go_and_others_stay(tmp_path: Path) -> None:
    for name in (".db-abcd1234", ".db-notes", "db-abcd1234", ".db2-abcd1234"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "frames.npy").write_text("x")
    with scratch_folder(tmp_path, ".db") as first, scratch_folder(tmp_path, ".db") as second:
        assert first != second and first.is_dir() and second.is_dir()
        assert not (tmp_path / ".db-abcd1234").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".db-notes", ".db2-abcd1234", "db-abcd1234"]


@pytest.mark.parametrize("renamed", [True, False])
def test_a_scratch_folder_ends_with_its_block(tmp_path: Path, renamed: bool) -> None:
    with contextlib.suppress(KeyError), scratch_folder(tmp_path, ".db") as folder:
        if renamed:
            folder.rename(tmp_path / "db")
        else:
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == (["db"] if renamed else [])
