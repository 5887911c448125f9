"""One temperature a task: found by likelihood, without a change of the best answer; and the calibration error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve

from vidseq.data.schema import Query
from vidseq.model import VideoReasoner
from vidseq.tasks.calibration import (
    HIGHEST,
    LOWEST,
    NUM_BINS,
    ScoredAnswers,
    bin_of,
    calibrate,
    calibration_error,
    join_answers,
)


def drawn(seed: int, num: int, classes: int, temperature: float, *, offered: float = 1.0) -> ScoredAnswers:
    """Scores, and answers that come as often as the scores say at a temperature; some classes are not offered."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (num, classes))
    hidden = rng.random((num, classes)) > offered
    hidden[:, 0] = False
    scores[hidden] = -np.inf
    weights = np.exp(scores / temperature)
    shares = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
    targets = (rng.random((num, 1)) > shares[:, :-1]).sum(axis=1)
    return ScoredAnswers(torch.from_numpy(scores).float(), torch.from_numpy(targets))


def slow_nll(answers: ScoredAnswers, temperature: float) -> float:
    total = []
    for scores, target in zip(answers.scores.double().tolist(), answers.targets.tolist()):
        weights = [math.exp(score / temperature) for score in scores]
        total.append(-math.log(weights[target] / sum(weights)))
    return sum(total) / len(total)


def slow_error(confidence: list[float], correct: list[bool], num_bins: int) -> float:
    """Each prediction is compared with each bin's edges."""
    error = 0.0
    for index in range(num_bins):
        low, high = index / num_bins, (index + 1) / num_bins
        inside = [
            position
            for position, value in enumerate(confidence)
            if low * num_bins < value * num_bins <= high * num_bins or (index == 0 and value == 0)
        ]
        if inside:
            accuracy = math.fsum(correct[position] for position in inside) / len(inside)
            mean = math.fsum(confidence[position] for position in inside) / len(inside)
            error += len(inside) / len(confidence) * abs(accuracy - mean)
    return error


@given(
    seed=st.integers(0, 10**6),
    num=st.integers(5, 60),
    classes=st.integers(2, 6),
    temperature=st.floats(0.3, 5),
    offered=st.sampled_from([1.0, 0.6]),
)
def test_the_temperature_minimises_the_likelihood_s_loss(
    seed: int, num: int, classes: int, temperature: float, offered: float
) -> None:
    answers = drawn(seed, num, classes, temperature, offered=offered)
    found = calibrate(answers)
    if found.temperature == 1:
        assert bool((answers.scores.argmax(dim=1) == answers.targets).all())
        return
    limits = (math.log(LOWEST), math.log(HIGHEST))
    options = {"xatol": 1e-10}
    best = minimize_scalar(
        lambda log: slow_nll(answers, math.exp(log)), bounds=limits, method="bounded", options=options
    )
    assert found.nll_after == pytest.approx(slow_nll(answers, found.temperature), rel=1e-9)
    assert found.nll_before == pytest.approx(slow_nll(answers, 1.0), rel=1e-9)
    assert found.nll_after <= best.fun + 1e-6 and found.nll_after <= found.nll_before + 1e-12


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_true_temperature_is_found(temperature: float) -> None:
    found = calibrate(drawn(0, 20_000, 5, temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.04)
    assert found.ece_after < 0.01
    if temperature != 1:
        assert found.ece_before > 0.05


def test_without_a_mistake_nothing_is_known() -> None:
    scores = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    assert calibrate(ScoredAnswers(scores, torch.tensor([0, 1]))).temperature == 1
    assert calibrate(ScoredAnswers(scores, torch.tensor([0, 0]))).temperature > 1


def test_hopeless_scores_stop_at_the_highest_temperature() -> None:
    scores = torch.tensor([[9.0, 0.0]] * 10)
    assert calibrate(ScoredAnswers(scores, torch.ones(10, dtype=torch.long))).temperature == pytest.approx(HIGHEST)


def test_answers_that_are_not_offered_do_not_count() -> None:
    answers = drawn(1, 50, 4, 2.0)
    hidden = ScoredAnswers(torch.tensor([[1.0, -torch.inf, 0.0, 0.0]]), torch.tensor([1]))
    assert calibrate(join_answers([answers, hidden])) == calibrate(answers)
    none = calibrate(hidden)
    assert (none.temperature, none.answers) == (1.0, 0) and math.isnan(none.nll_before) and math.isnan(none.ece_after)


@given(
    predictions=st.lists(
        st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1 / 15, 0.2, 0.4, 1.0])), st.booleans()), min_size=1
    ),
    num_bins=st.sampled_from([1, 2, 10, NUM_BINS]),
)
def test_the_error_equals_a_slow_one(predictions: list[tuple[float, bool]], num_bins: int) -> None:
    confidence, correct = map(list, zip(*predictions))
    expected = slow_error(confidence, correct, num_bins)
    assert calibration_error(np.array(confidence), np.array(correct), num_bins) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_equals_that_of_scikit_learn_s_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, correct = rng.random(500), rng.random(500) < 0.6
    accuracy, mean = calibration_curve(correct, confidence, n_bins=NUM_BINS)
    counts = np.bincount(bin_of(confidence), minlength=NUM_BINS)
    expected = (counts[counts > 0] * np.abs(accuracy - mean)).sum() / 500
    assert calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-12)


def test_a_temperature_changes_probabilities_and_nothing_else(toy_model: VideoReasoner) -> None:
    decoded = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    task = toy_model.find_task("question")
    asked = [
        Query(video="v", time=1.0, kind="question", answer="red", choices=choices)
        for choices in ((), ("red", "blue"), ("green",))
    ]
    plain, ranked = task.answer(decoded, asked), task.rank(decoded, asked, 3)
    toy_model.set_temperatures({"question": 2.0})
    assert toy_model.config.temperatures == {"question": 2.0}
    cooled = task.answer(decoded, asked)
    assert isinstance(plain, torch.Tensor) and isinstance(cooled, torch.Tensor)
    torch.testing.assert_close(cooled, (plain / 2).log_softmax(dim=-1))
    for before, after in zip(ranked, task.rank(decoded, asked, 3)):
        assert [label for label, _ in before] == [label for label, _ in after]
    targets = torch.tensor([0, 1, 2])
    assert task.loss(decoded, targets) == pytest.approx(float(torch.nn.functional.cross_entropy(decoded, targets)))
