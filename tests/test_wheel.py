"""What is installed is the whole library, and nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


#: Builds with what is installed, and says nothing.
OPTIONS = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")


def own_files() -> list[str]:
    """The files of the repository, those that are not committed yet, too."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [name for name in listed if name and (ROOT / name).is_file()]


def build_wheel(source: Path, out: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", *OPTIONS, "-w", out], cwd=source, check=True)
    return next(out.glob("vidseq-*.whl"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that a build leaves nothing behind here."""
    folder = tmp_path_factory.mktemp("source")
    for name in own_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, out], cwd=source, check=True, capture_output=True)
    with tarfile.open(next(out.glob("vidseq-*.tar.gz"))) as archive:
        archive.extractall(out, filter="data")
    return next(path for path in out.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source distribution, as an installer does that finds no wheel."""
    return build_wheel(sdist, tmp_path_factory.mktemp("wheel"))


def test_a_source_distribution_holds_the_library_its_licence_and_how_it_is_built(sdist: Path) -> None:
    inside = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    wanted = {name for name in own_files() if name.startswith("vidseq/")}
    assert wanted | {"LICENSE", "README.md", "setup.cfg", "pyproject.toml", "PKG-INFO"} <= inside
    assert {name for name in inside if name.startswith("vidseq/")} == wanted


@pytest.mark.slow
def test_the_sources_give_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    first, second = zipfile.ZipFile(build_wheel(source, tmp_path)), zipfile.ZipFile(wheel)
    assert sorted(first.namelist()) == sorted(second.namelist())
    assert all(first.read(name) == second.read(name) for name in first.namelist())


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
    ("system", "machine", "some"),
    [
        ("linux", "x86_64", {"decord", "openvino"}),
        ("win32", "AMD64", {"decord", "openvino"}),
        ("darwin", "arm64", {"openvino"}),
        ("darwin", "x86_64", {"openvino"}),
        ("linux", "aarch64", set()),
        ("win32", "ARM64", {"openvino"}),
    ],
)
def test_decord_and_openvino_are_required_only_where_they_have_wheels(
    system: str, machine: str, some: set[str], metadata: Message
) -> None:
    found = requirements(metadata, sys_platform=system, platform_machine=machine)
    assert found & {"decord", "openvino"} == some
    assert {"av", "torch", "opencv-python"} <= found


def test_developer_tools_come_only_with_extras(metadata: Message) -> None:
    extras = {
        "docs",
        "test",
        "dev",
        "retrieval",
        "lmdb",
        "backbones",
        "onnx",
        "hub",
        "wandb",
        "mlflow",
        "trackio",
        "app",
    }
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
