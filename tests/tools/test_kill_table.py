"""The table of kills, with few of them."""

from pathlib import Path

import kill_table
import pytest

from vidseq.errors import UserError


@pytest.mark.slow
def test_kills_lose_nothing(tmp_path: Path) -> None:
    kill_table.import_everything()
    assert kill_table.table(kills=2, commands="features,train,context,data convert", out=tmp_path / "table.md") == 0
    rows = (tmp_path / "table.md").read_text().splitlines()[2:]
    assert [row.split(" | ")[1:4] for row in rows] == [["2", "2", "2"]] * 4


def test_an_unknown_command_is_named() -> None:
    with pytest.raises(UserError, match=r"Unknown command 'trian'\. Did you mean 'train'"):
        kill_table.table(commands="trian")
