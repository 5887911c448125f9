"""What is installed is the whole library, and nothing else."""

import os
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, so that the build leaves nothing behind here."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", *options, "-w", out], cwd=source, check=True)
    return next(out.glob("vidseq-*.whl"))


def test_every_module_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    library = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "vidseq").rglob("*.*")
        if path.suffix in (".py", ".pyi", ".html", ".css", ".js", ".md", ".json", ".safetensors")
    } | {"vidseq/py.typed"}
    assert {"vidseq/reporting/templates/base.html", "vidseq/pretrained/classroom/model.safetensors"} <= library
    assert inside == library


@pytest.mark.slow
def test_every_module_imports_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    modules = sorted(
        ".".join(path.relative_to(tmp_path).with_suffix("").parts).removesuffix(".__init__")
        for path in (tmp_path / "vidseq").rglob("*.py")
    )
    code = f"import importlib, vidseq\nfor name in {modules!r}: importlib.import_module(name)\nprint(vidseq.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().startswith(str(tmp_path))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(archive.read(name).decode())


def requirements(metadata: Message, **environment: str) -> set[str]:
    """The packages that are installed with vidseq, without extras, on one kind of machine."""
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    return {each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": "", **environment})}


@pytest.mark.parametrize(
    ("system", "machine", "has_decord"),
    [
        ("linux", "x86_64", True),
        ("win32", "AMD64", True),
        ("darwin", "arm64", False),
        ("darwin", "x86_64", False),
        ("linux", "aarch64", False),
        ("win32", "ARM64", False),
    ],
)
def test_decord_is_required_only_where_it_has_a_wheel(
    system: str, machine: str, has_decord: bool, metadata: Message
) -> None:
    found = requirements(metadata, sys_platform=system, platform_machine=machine)
    assert ("decord" in found) == has_decord
    assert {"av", "torch", "opencv-python", "openvino"} <= found


def test_developer_tools_come_only_with_extras(metadata: Message) -> None:
    extras = {"docs", "test", "dev", "retrieval", "lmdb", "backbones", "onnx", "app"}
    assert set(metadata.get_all("Provides-Extra", [])) == extras
    tools = {"pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "transformers", "performer-pytorch", "sphinx"}
    assert not requirements(metadata) & tools
    assert requirements(metadata, extra="test") >= tools - {"ruff", "mypy"}
    assert requirements(metadata, extra="dev") >= tools


def test_the_licence_is_in_the_wheel(wheel: Path, metadata: Message) -> None:
    archive = zipfile.ZipFile(wheel)
    licences = [name for name in archive.namelist() if ".dist-info/licenses/" in name]
    assert [archive.read(name) for name in licences] == [(ROOT / "LICENSE").read_bytes()]
    assert "Apache-2.0" in (metadata.get("License-Expression") or metadata["License"])


@pytest.mark.parametrize(
    ("target", "installed"),
    [
        ("demo", "."),
        ("docs", "'.[docs]'"),
        ("test", "'.[test]'"),
        ("test-all", "'.[test]'"),
        ("lint", "'.[dev]'"),
    ],
)
def test_a_make_target_installs_what_it_uses(target: str, installed: str, tmp_path: Path) -> None:
    command = ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split("--editable ")[1] for line in planned.splitlines() if "pip install" in line]
    assert lines == [installed]
