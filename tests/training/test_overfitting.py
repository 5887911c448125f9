"""What a run says of overfitting: the best model on training and on validation videos."""

import pytest

from vidseq.training import TrainConfig, fit
from vidseq.training.overfitting import Fit, read_fits
from vidseq.training.run_folder import RunFolder


@pytest.mark.parametrize(
    ("val_accuracy", "words"), [(0.9, "it does not overfit"), (0.7, "it overfits"), (None, "without a split 'val'")]
)
def test_a_line_says_how_far_apart_they_are(val_accuracy, words):
    assert words in Fit("frame_labels", 0.95, val_accuracy).text


def test_every_task_of_a_run_is_compared(toy_world, tmp_path):
    lines = []
    tasks = {"frame_labels": {}, "question": {}}
    config = TrainConfig(head="lstm", dim=16, epochs=2, device="cpu", tasks=tasks)
    run = fit(*toy_world, config, tmp_path / "run", report=lines.append)
    found = read_fits(RunFolder(run))
    assert {one.task for one in found} == set(tasks)
    assert all(0 <= one.train_accuracy <= 1 and one.val_accuracy is not None for one in found)
    assert [one.text for one in found] == lines
