"""What a person reads at a terminal, and that pipes get JSON lines as before."""

import json
import os
import pty
import re
import select
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from vidseq.commands import prediction
from vidseq.inference import run
from vidseq.inference.terminal import TerminalTable
from vidseq.tasks.prediction import Prediction

SEGMENT = Prediction(video="kitchen", time=0.0, end=12.34, kind="frame_labels", answer="cut tomato", probability=0.82)
ANSWER = Prediction(
    video="kitchen", time=3725.0, kind="question", question="What colour was the cup?", answer="red", probability=0.5,
    truth="blue",
)  # fmt: skip
RIGHT = Prediction(video="hall", time=1.0, kind="next_action", answer="wave", probability=1.0, truth="wave")


class Screen:
    """A terminal that is so wide."""

    def __init__(self, width: int, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def lines(
    monkeypatch: pytest.MonkeyPatch, *rows: Prediction, width: int = 100, encoding: str = "utf-8", **options: bool
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    table = TerminalTable(Screen(width, encoding), **options)  # type: ignore[arg-type]
    return "\n".join(map(table, rows)).split("\n")


def test_rows_have_times_bars_and_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lines(monkeypatch, SEGMENT, ANSWER, RIGHT, width=120, with_truth=True)
    assert [" ".join(line.split()) for line in found] == [
        "kitchen",
        "0:00.0 – 0:12.3 segment cut tomato ████████·· 82%",
        "1:02:05.0 What colour was the cup? red █████····· 50% ✗ blue",
        "",
        "hall",
        "0:01.0 next action wave ██████████ 100% ✓",
    ]
    assert found[1].index("█") == found[2].index("█"), "bars stand below one another"


@pytest.mark.parametrize("width", [30, 71, 72, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    long = Prediction(
        video="v", time=5.0, kind="question", question="Why is the child in the red shirt so very happy now? " * 2,
        answer="番茄切好了因为妈妈来了" * 3, probability=0.3, truth="because of the cake",
    )  # fmt: skip
    found = lines(monkeypatch, SEGMENT, long, width=width, with_truth=True)
    assert max(map(cell_len, found)) <= width
    text = re.sub(r"\s", "", "".join(found))
    assert "cuttomato" in text and ("happynow" in text or width < 200)


def test_a_label_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Prediction(
        video="a\x1b]0;x\x07", time=0.0, kind="question", question="q\r\nq", answer="\x1b[2J", probability=0.1
    )
    text = "\n".join(lines(monkeypatch, row))
    assert "\x1b" not in text and "\r" not in text and "\x07" not in text and "\\x1b[2J" in text


def test_a_terminal_without_blocks_gets_plain_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    found = "\n".join(lines(monkeypatch, SEGMENT, ANSWER, encoding="ascii", with_truth=True))
    assert found.isascii() and "########.. " in found and "x blue" in found and "0:00.0 - 0:12.3" in found


def at_terminal(monkeypatch: pytest.MonkeyPatch, run_command: Callable[[], object]) -> str:
    """What a command writes to a pseudo-terminal of 90 columns."""
    main, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 90))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(child, "w", encoding="utf-8") as output, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "__stdout__", output)
        run_command()
        output.flush()
        found = b""
        while select.select([main], [], [], 0.2)[0]:
            found += os.read(main, 65536)
    os.close(main)
    return found.decode().replace("\r\n", "\n")


def predict_with_data() -> None:
    assert prediction.predict("x.mp4", [Path("model")], data=Path("data")) == 0


@pytest.fixture(autouse=True)
def two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prediction says two rows, and reads nothing."""

    def said(*_: object, form: Callable[[Prediction], str], say: Callable[[str], None], **__: object) -> dict:
        for row in (SEGMENT, ANSWER):
            say(form(row))
        return {}

    monkeypatch.setattr(run, "predict_sources", said)


def test_a_terminal_gets_a_table_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = at_terminal(monkeypatch, predict_with_data)
    assert "\x1b[31m" in text and "\x1b[34m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "0:00.0 – 0:12.3" in plain and "████████" in plain and "✗ blue" in plain and "{" not in plain
    assert 60 < max(map(cell_len, plain.split("\n"))) <= 90


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = at_terminal(monkeypatch, predict_with_data)
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7])[;m]", text) and "████████" in text


def test_a_pipe_gets_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    prediction.predict("x.mp4", [Path("model")])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["answer"] for row in rows] == ["cut tomato", "red"] and rows[0]["end"] == 12.34
