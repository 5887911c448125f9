"""What vidseq and its packages offer is there, is imported late, and is never hidden by a module of the same name."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import vidseq

PACKAGE = Path(vidseq.__file__).parent
FACES = sorted(PACKAGE.rglob("__init__.pyi"))


def module_name(path: Path) -> str:
    return ".".join(path.parent.relative_to(PACKAGE.parent).parts)


@pytest.mark.parametrize("face", FACES, ids=module_name)
def test_every_public_name_is_there(face: Path) -> None:
    package = importlib.import_module(module_name(face))
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert not (face.parent / f"{name}.py").exists(), "importing the module would hide the name"
        assert not (face.parent / name).is_dir(), "importing the package would hide the name"


@pytest.mark.parametrize("face", FACES, ids=module_name)
def test_a_face_names_each_import_as_public(face: Path) -> None:
    for node in ast.walk(ast.parse(face.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in node.names), "type checkers want `name as name`"


def test_importing_vidseq_imports_nothing_heavy() -> None:
    code = "import sys, vidseq; print(sorted({'torch', 'numpy', 'cv2', 'av'} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="Videos"):
        _ = vidseq.Videos
