from pathlib import Path

import torch

from vidseq.training.state import TrainingState


def test_the_best_score_is_the_highest_and_the_first_of_equal_ones() -> None:
    state = TrainingState()
    scores = [(0.5, -1.0), (0.5, -1.0), (0.5, -0.9), (0.4, 0.0), (0.6, -9.0)]
    assert [state.end_epoch(score) for score in scores] == [True, False, True, False, True]
    assert state == TrainingState(epoch=5, best_score=(0.6, -9.0))
    assert not state.end_epoch((0.1, 0.0))
    assert (state.best_score, state.epochs_since_best) == ((0.6, -9.0), 1)


def test_without_scores_the_newest_model_is_the_best() -> None:
    state = TrainingState()
    assert [state.end_epoch(None) for _ in range(3)] == [True] * 3


def test_a_state_survives_a_file_that_holds_plain_values_only(tmp_path: Path) -> None:
    for state in (TrainingState(), TrainingState(3, 9, (0.25, -1.5), 2)):
        torch.save(state.to_saved(), tmp_path / "state.pt")
        assert TrainingState.from_saved(torch.load(tmp_path / "state.pt", weights_only=True)) == state
    assert TrainingState.from_saved(None) == TrainingState()
