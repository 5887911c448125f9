"""Outlooks by hand, and the choice of labels against the measure itself."""

import numpy as np
import pytest

from vidseq.forecasting.class_forecast import OFFSETS, STEPS, ClassMeanChoice, named_forecast, pooled
from vidseq.forecasting.long_term import HORIZONS, OBSERVED, evaluate_long_term, long_term_table
from vidseq.forecasting.similar_moments import Similarity, SimilarMoments


def test_steps_lie_in_the_longest_horizon() -> None:
    assert OFFSETS[0] == pytest.approx(0.00125) and OFFSETS[-1] == pytest.approx(0.49875)
    assert (OFFSETS < 0.1).sum() == STEPS // 5


def test_pooling_by_hand() -> None:
    one, other = np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]])
    np.testing.assert_allclose(pooled([one, other], (0.5, 0.5)), [[0.5, 0.5]])
    geometric = pooled([np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])], (0.5, 0.5), least=0.0)
    np.testing.assert_allclose(geometric, [[0.75, 0.25]])  # roots of 0.45 and 0.05; the mean would be 0.7
    np.testing.assert_allclose(pooled([one, other], (1.0, 0.0), least=0.0), one)
    assert pooled([np.array([[1.0, 0.0]]), other], (0.5, 0.5))[0, 1] > 0.001  # never seen is not ruled out
    of_step = np.array([0.0, 0.5, 1.0])
    ramp = pooled([one.repeat(3, axis=0), other.repeat(3, axis=0)], (of_step, 1 - of_step), least=0.0)
    np.testing.assert_allclose(ramp, [[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]])
    with pytest.raises(ValueError, match="zip"):
        pooled([one, other], (1.0,))


def test_named_classes_fill_their_frames() -> None:
    classes = np.repeat([3, 4], STEPS // 2)
    forecast = named_forecast({0.2: classes, 0.3: classes + 2}, 103)
    assert forecast(np.zeros(20), 52).tolist() == [3] * 26 + [4] * 26
    assert forecast(np.zeros(30), 52)[0] == 5


def test_the_choice_is_the_best_of_all_policies() -> None:
    """Of ten videos that show a sign, four go on with the rare class; of ten others, none does."""
    futures = {f"sign-{number}": 2 if number < 4 else 1 for number in range(10)}
    futures |= {f"none-{number}": 1 for number in range(10)}
    videos = {video: np.repeat([0, future], [100, 400]) for video, future in futures.items()}
    shares = {"sign": [0.0, 0.6, 0.4], "none": [0.0, 1.0, 0.0]}
    forecasts_of_sign = {sign: np.tile(share, (STEPS, 1)) for sign, share in shares.items()}

    def score(policy: dict[str, np.ndarray]) -> float:
        forecasts = {video: named_forecast(dict.fromkeys(OBSERVED, policy[video[:4]]), 500) for video in videos}
        table = long_term_table(evaluate_long_term(forecasts, videos, split=1))
        cells = [f"{100 * h.observed:g}%: {h.predicted:g}" for h in HORIZONS]
        return float(table.loc[table["part"] == "all", cells].to_numpy().mean())

    choice = ClassMeanChoice(videos.values(), 3, len(videos), power=1.0)
    chosen = score({sign: choice(forecast, 0.2) for sign, forecast in forecasts_of_sign.items()})
    policies = [{"sign": np.full(STEPS, a), "none": np.full(STEPS, b)} for a in (1, 2) for b in (1, 2)]
    assert chosen == pytest.approx(max(score(policy) for policy in policies))
    most_probable = score({sign: forecast.argmax(axis=1) for sign, forecast in forecasts_of_sign.items()})
    assert chosen > most_probable + 25


def test_classes_that_never_come_are_not_named() -> None:
    training = [np.repeat([0, 1], 50)] * 3
    choice = ClassMeanChoice(training, 3, 5)
    assert (choice(np.tile([0.1, 0.0, 0.9], (STEPS, 1)), 0.2) == 0).all()


def test_a_frame_that_its_own_video_brings_counts_less() -> None:
    """Class 1 fills the horizon of one training video of ten, class 0 that of the others."""
    training = [np.zeros(100, int)] * 9 + [np.ones(100, int)]
    even = np.full((STEPS, 2), 0.5)
    assert (ClassMeanChoice(training, 2, 10)(even, 0.2) == 1).all()
    rare = np.tile([0.7, 0.3], (STEPS, 1))  # worth 0.7 / (9 + own) against 0.3 / (1 + own)
    assert (ClassMeanChoice(training, 2, 10, own=1.0, power=1.0)(rare, 0.2) == 1).all()
    assert (ClassMeanChoice(training, 2, 10, own=6.0, power=1.0)(rare, 0.2) == 0).all()
    assert (ClassMeanChoice(training, 2, 10, own=1.0, power=0.0)(rare, 0.2) == 0).all()  # the likeliest


def test_a_step_counts_in_the_horizons_that_hold_it() -> None:
    """Class 1 is rare in the next 10%, and as frequent as class 0 in the next 50%, which alone holds the last step."""
    early = [[0] * 10] * 9 + [[1] * 10]
    late = [[0] * 20 + [1] * 20] * 8 + [[1] * 40] * 2
    training = [np.array([0] * 20 + soon + then + [0] * 30) for soon, then in zip(early, late)]
    counts = np.sum([np.bincount(labels[20:70], minlength=2) for labels in training], axis=0)
    assert counts.tolist() == [250, 250]
    named = ClassMeanChoice(training, 2, 10)(np.tile([0.55, 0.45], (STEPS, 1)), 0.2)
    assert named[0] == 1 and named[-1] == 0


def test_similar_moments_forecast_what_followed_them() -> None:
    one, other = np.repeat([0, 1, 2], [20, 40, 40]), np.repeat([0, 3, 2], [20, 40, 40])
    similar = SimilarMoments(
        [one, other], 4, similarity=Similarity(share=0.01, done=50.0), moments=96, span=(0.02, 0.97)
    )
    forecast = similar.forecast(one[:30], 100)
    assert forecast.shape == (STEPS, 4)
    np.testing.assert_allclose(forecast.sum(axis=1), 1)
    most_probable = forecast.argmax(axis=1)
    assert (
        most_probable[0] == 1
        and most_probable[-1] == 2
        and abs(int((most_probable == 1).sum()) - 30 * STEPS // 50) <= 4
    )
    even = similar.forecast(one[:19], 100)[STEPS // 10]  # nothing distinguishes the two yet
    assert even[1] == pytest.approx(even[3]) and even[1] > 0.4


def slow_forecast(training: list[np.ndarray], observed: np.ndarray, num_frames: int) -> np.ndarray:
    """The definition in loops, with the default scales, without the prior."""
    shares = np.zeros((STEPS, 4))
    for labels in training:
        for share in np.linspace(0.05, 0.6, 40):
            past = labels[: max(1, int(share * len(labels)))]
            unlike = 0.0
            for scale, number in ((0.2, share_of), (0.6, elapsed), (0.7, length)):
                unlike += ((number(past, len(labels)) - number(observed, num_frames)) / scale) ** 2 / 2
            unlike += 0.5 * len(set(past.tolist()) ^ set(observed.tolist()))
            unlike += 6.0 * (past[-1] != observed[-1]) + 0.5 * (before(past) != before(observed))
            for step, offset in enumerate(OFFSETS):
                frame = int((share + offset) * len(labels))
                if frame < len(labels):
                    shares[step, labels[frame]] += np.exp(-unlike)
    return shares / shares.sum(axis=1, keepdims=True)


def share_of(past: np.ndarray, num_frames: int) -> float:
    return len(past) / num_frames


def elapsed(past: np.ndarray, num_frames: int) -> float:
    lasted = next((k for k, label in enumerate(past[::-1]) if label != past[-1]), len(past))
    return float(np.log(lasted / num_frames + 0.005))


def length(past: np.ndarray, num_frames: int) -> float:
    return float(np.log(num_frames))


def before(past: np.ndarray) -> int:
    return next((int(label) for label in past[::-1] if label != past[-1]), -1)


def test_similar_moments_follow_their_definition() -> None:
    rng = np.random.default_rng(1)
    training = [np.repeat(rng.permutation(4), rng.integers(10, 40, 4)) for _ in range(3)]
    observed = training[0][:35]
    fast = SimilarMoments(training, 4, prior=0.0).forecast(observed, 120)
    np.testing.assert_allclose(fast, slow_forecast(training, observed, 120), atol=1e-9)
