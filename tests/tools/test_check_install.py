"""pip resolves for another machine than this one: its wheels, and its markers, those of dependencies included."""

import zipfile
from pathlib import Path

import check_install
import pytest
from check_install import PLATFORMS, missing, requirements, table
from packaging.requirements import Requirement

from vidseq.errors import UserError

#: Wheels of a tiny index, by file name, with what they require.
WHEELS = {
    "base-1.0-py3-none-any.whl": ["only_mac; sys_platform == 'darwin'", "only_new; python_version >= '3.14'"],
    "only_mac-1.0-py3-none-macosx_11_0_arm64.whl": [],
    "only_new-1.0-cp314-cp314-manylinux_2_28_x86_64.whl": [],
    "native-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": [],
    "native-1.0-cp312-cp312-win_amd64.whl": [],
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pip see these wheels and nothing else."""
    for file, needed in WHEELS.items():
        name, version = file.split("-")[:2]
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {line}" for line in needed]
        with zipfile.ZipFile(tmp_path / file, "w") as archive:
            archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines))
            archive.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "python", "gone"),
    [
        ("macos", "3.12", ["native"]),
        ("linux", "3.12", []),
        ("linux_arm", "3.14", ["native", "only-new"]),
        ("linux", "3.14", ["native"]),
        ("windows", "3.12", []),
    ],
)
@pytest.mark.usefixtures("index")
def test_what_is_missing_is_named(platform: str, python: str, gone: list[str]) -> None:
    wanted = ["base>=1", "native>=1", "never; sys_platform == 'plan9'"]
    assert missing(PLATFORMS[platform], python, wanted) == gone


def test_what_pip_says_once_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(
        ["no connection", "No matching distribution found for a", "No matching distribution found for a", None]
    )
    monkeypatch.setattr(check_install, "_ask_pip", lambda *_: next(said))
    assert missing(PLATFORMS["linux"], "3.12", ["a", "b"]) == ["a"]
    said = iter("pqrs")
    assert missing(PLATFORMS["linux"], "3.12", ["a"]) == ["pip says something else each time: s"]


def test_markers_that_pip_did_not_use_are_refused() -> None:
    with pytest.raises(UserError, match=r"expects pip to use the markers .*'darwin'.*, got .*'linux'.* another pip"):
        check_install._check_markers({"sys_platform": "linux"}, {"sys_platform": "darwin"})


def test_requirements_are_those_of_the_library_and_of_extras() -> None:
    names = {Requirement(line).name for line in requirements([])}
    assert {"torch", "av", "decord"} <= names and "lmdb" not in names
    assert {Requirement(line).name for line in requirements(["lmdb", "hub"])} - names == {"lmdb", "huggingface_hub"}
    with pytest.raises(UserError, match=r"Unknown extra 'lmbd'\. Did you mean 'lmdb'"):
        requirements(["lmbd"])


def test_the_table_has_a_row_a_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check_install, "missing", lambda place, python, _: ["torch"] if python == "3.14" else [])
    assert check_install.check(platforms="macos,windows", pythons="3.13,3.14", markdown=True) == 1
    assert capsys.readouterr().out.splitlines() == [
        "| | Python 3.13 | Python 3.14 |",
        "| --- | --- | --- |",
        "| macOS 14, arm64 | yes | no torch |",
        "| Windows, x86-64 | yes | no torch |",
    ]
    assert table({("a", "3.10"): []}, markdown=False).splitlines() == ["   Python 3.10", "a  yes"]
    with pytest.raises(UserError, match="Unknown platform 'mac'"):
        check_install.check(platforms="mac")
