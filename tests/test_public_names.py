"""What `import vidseq` offers is there, and costs nothing until it is used."""

import subprocess
import sys

import pytest

import vidseq


@pytest.mark.parametrize("name", vidseq.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(vidseq, name) is not None
    assert name == "__version__" or name in vidseq._HOMES


def test_importing_vidseq_imports_nothing_heavy() -> None:
    code = "import sys, vidseq; print(sorted({'torch', 'numpy', 'cv2', 'av'} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Videos'\. It has: HEADS, ClassroomConfig"):
        _ = vidseq.Videos
