import csv
import io
import sys
import threading
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vidseq.training.config import TrainConfig
from vidseq.training.log import TrainingLog
from vidseq.training.run_folder import RunFolder

ROW = {"epoch": 1, "step": 3, "seconds": 0.5, "lr": 0.25, "train_loss": 1.5, "val_question_loss": 2.5, "best": 1}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_epoch_is_in_the_table_and_in_tensorboard_at_once(tmp_path: Path) -> None:
    log = TrainingLog(RunFolder(tmp_path), TrainConfig(), total_steps=6, steps_done=0)
    log.add_epoch(ROW)  # not ended: a killed run leaves as much
    with (tmp_path / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert {name: float(value) for name, value in row.items()} == ROW
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert scalars == {"lr": [(3, 0.25)], "train_loss": [(3, 1.5)], "val_question_loss": [(3, 2.5)]}
    log.__exit__(None, None, None)


def test_a_terminal_shows_steps_and_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with TrainingLog(RunFolder(tmp_path), TrainConfig(), total_steps=6, steps_done=4) as log:
        log.add_step(torch.tensor(0.12345))
        log._bar.refresh()
    assert "train:" in terminal.getvalue()
    assert "5/6" in terminal.getvalue()
    assert "loss=0.123" in terminal.getvalue()


def test_a_full_disk_is_one_error_that_names_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = TrainingLog(RunFolder(tmp_path / "run"), TrainConfig(), total_steps=6, steps_done=0)

    def fill(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", fill)
    hook = threading.excepthook
    with pytest.raises(OSError, match="No space left") as caught:
        log.add_epoch(ROW)
    assert caught.value.filename == str(tmp_path / "run")
    log.__exit__(None, None, None)
    assert "Traceback" not in capsys.readouterr().err and threading.excepthook != hook
