"""Runs a script as a command line does, but in this process, which has imported torch already."""

import runpy
from pathlib import Path

import pytest


def run_file(script: Path, *words: str) -> int:
    """Runs a file as `python FILE WORDS`; gives the exit status."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("sys.argv", [str(script), *words])
        patch.syspath_prepend(str(script.parent))
        runpy.run_path(str(script), run_name="__main__")
    assert isinstance(end.value.code, int)
    return end.value.code
