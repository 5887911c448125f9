"""Kernel regression against a plain solution, and on questions that decide which features count."""

import numpy as np
import pytest

from vidseq.baselines.kernel_regression import PENALTIES, KernelRegression, TextKernel


def test_it_is_ridge_regression_on_the_product_of_kernels():
    rng = np.random.default_rng(0)
    texts = [f"what about {word}" for word in rng.choice(["a1", "b2"], 30)]
    inputs, answers = rng.normal(size=(30, 2, 5)), rng.integers(3, size=30)
    probe = KernelRegression(texts, inputs, answers, [str(number % 6) for number in range(30)], 3)
    words = TextKernel(texts)
    asked = words.similarity(words.embed(texts), words.embed(texts))
    alike = np.ones((30, 30))
    for part in np.moveaxis(inputs, 1, 0):
        centred = (part - part.mean(axis=0)) / np.sqrt(part.std(axis=0))
        centred = centred / np.sqrt(np.square(centred).sum(axis=1).mean())
        for i in range(30):
            for j in range(30):
                alike[i, j] += centred[i] @ centred[j] + np.exp(-np.square(centred[i] - centred[j]).sum())
    kernel = asked * alike
    targets = np.eye(3)[answers]
    weights = np.linalg.solve(kernel + probe.penalty * np.eye(30), targets - targets.mean(axis=0))
    np.testing.assert_allclose(probe.scores(texts, inputs), targets.mean(axis=0) + kernel @ weights, atol=1e-8)
    assert any(np.isclose(probe.penalty / np.diag(kernel).mean(), penalty) for penalty in PENALTIES)


def test_a_question_decides_what_counts():
    rng = np.random.default_rng(1)
    shown = rng.integers(2, size=(400, 2))
    inputs = (shown + rng.normal(0, 0.1, shown.shape))[:, None]
    which = rng.integers(2, size=400)
    texts = [("what of the lamp", "what of the card")[side] for side in which]
    answers = shown[np.arange(400), which]
    groups = [str(number // 10) for number in range(400)]
    probe = KernelRegression(texts[:300], inputs[:300], answers[:300], groups[:300], 2)
    right = probe.scores(texts[300:], inputs[300:]).argmax(axis=1) == answers[300:]
    assert right.mean() > 0.95


def test_nothing_seen_and_nothing_asked_is_the_most_frequent_answer():
    probe = KernelRegression([""] * 5, np.zeros((5, 0, 1)), np.array([1, 1, 1, 0, 2]), ["a", "a", "b", "b", "c"], 3)
    assert probe.scores(["", "new words"], np.zeros((2, 0, 1))).argmax(axis=1).tolist() == [1, 1]


@pytest.mark.parametrize("count", [1, 4])
def test_equal_inputs_leave_the_prior(count):
    model = KernelRegression([""] * count, np.ones((count, 2, 3)), np.array([1, 0, 1, 1])[:count], ["a"] * count, 2)
    prior = np.bincount([1, 0, 1, 1][:count], minlength=2) / count
    np.testing.assert_allclose(model.scores([""], np.zeros((1, 2, 3))), prior[None], atol=1e-12)
