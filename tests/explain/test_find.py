"""Planted models: what deleting frames finds must be the frames that the answer is known to rest on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_past import CLASSES, FPS, model_of, past_of_length, query_at

from vidseq.data.visible import Past
from vidseq.errors import UserError
from vidseq.explain.find import find_important_past
from vidseq.explain.occlusion import block_widths, frame_losses, occlude
from vidseq.explain.rescoring import Rescorer
from vidseq.explain.sufficient import minimal_sufficient


def find(rule, past, evidence=(), **options):
    return find_important_past(model_of(rule), CLASSES, past, query_at(past, evidence), **options)


@st.composite
def stretches(draw, most_frames=60, widest=60):
    """Length of a past, and a stretch [start, stop) of it."""
    num_frames = draw(st.integers(1, most_frames))
    start = draw(st.integers(0, num_frames - 1))
    return num_frames, start, draw(st.integers(start + 1, min(num_frames, start + widest)))


@given(stretches(), st.sampled_from(["remove", "mean"]))
def test_frames_that_are_all_needed_are_found_exactly(stretch, deletion):
    num_frames, start, stop = stretch
    needed = set(range(start, stop))
    past = past_of_length(num_frames)
    mean = np.full(1, -1.0)  # a frame that the model does not know
    found = find(lambda seen: needed <= seen, past, deletion=deletion, mean_frame=mean)
    assert np.flatnonzero(found.sufficient).tolist() == sorted(needed)
    assert found.peak is not None and found.peak.width == 1 and found.peak.start in needed
    finest = frame_losses(found.levels[1], num_frames)
    assert set(np.flatnonzero(finest > 0.5)) == needed


@given(stretches(widest=60) | stretches(widest=4))
def test_a_fact_seen_in_many_frames_is_found_though_no_single_frame_matters(stretch):
    num_frames, start, stop = stretch
    found = find(lambda seen: bool(seen & set(range(start, stop))), past_of_length(num_frames))
    assert found.sufficient.sum() == 1 and found.sufficient[start:stop].any()
    peak = found.peak
    assert peak is not None and peak.start <= start and stop <= peak.stop
    assert peak.width <= 4 * (stop - start)  # thanks to blocks that overlap


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_two_hops_need_both_intervals(data):
    num_frames = data.draw(st.integers(6, 50))
    a, b, c, d = sorted(data.draw(st.sets(st.integers(0, num_frames), min_size=4, max_size=4)))
    needed = set(range(a, b)) | set(range(c, d))
    found = find(lambda seen: needed <= seen, past_of_length(num_frames), evidence=((a, b), (c, d)))
    assert set(np.flatnonzero(found.sufficient)) == needed
    ends = [
        (start / FPS, stop / FPS if stop < num_frames else (num_frames - 1) / FPS) for start, stop in ((a, b), (c, d))
    ]
    assert found.intervals(found.sufficient) == ends


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_what_suffices_cannot_spare_a_frame_even_for_a_model_without_sense(num_frames, seed):
    random = np.random.default_rng(seed)
    holds = random.random(2**num_frames) < 0.4
    holds[-1] = True  # with everything
    numbers = 2 ** np.arange(num_frames)

    def support(keep):
        return np.where(holds[keep @ numbers], random.random(len(keep)), -np.inf)

    kept = minimal_sufficient(support, num_frames, block_widths(num_frames))
    assert holds[kept @ numbers]
    for frame in np.flatnonzero(kept):
        fewer = kept.copy()
        fewer[frame] = False
        assert not holds[fewer @ numbers]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 99))
def test_losses_are_what_asking_one_by_one_gives(num_frames, seed):
    past = past_of_length(num_frames)
    weights = np.random.default_rng(seed).normal(size=num_frames + 1)

    def predict(features, pts_seconds, queries):
        total = [weights[frames[:, 0].astype(int)].sum() for frames in features]
        return np.stack([np.zeros(len(total)), total, np.ones(len(total))], axis=1)

    def probability(keep):
        scores = predict([past.features[keep]], [past.pts_seconds[keep]], [query])[0]
        return (np.exp(scores) / np.exp(scores).sum())[1]

    query = query_at(past)
    levels = occlude(Rescorer(predict, CLASSES, past, query), 1, block_widths(num_frames))
    whole = probability(np.ones(num_frames, bool))
    for width, blocks in levels.items():
        covered = set()
        for block in blocks:
            keep = np.ones(num_frames, bool)
            keep[block.start : block.stop] = False
            assert block.width == width
            assert block.loss == pytest.approx(whole - probability(keep))
            covered |= set(range(block.start, block.stop))
        assert covered == set(range(num_frames))


def test_few_blocks_are_spent_where_wider_ones_lost_most():
    found = find(lambda seen: {201, 202} <= seen, past_of_length(256), max_blocks=16)
    assert max(len(blocks) for blocks in found.levels.values()) <= 16
    assert found.peak is not None and found.peak.start in (201, 202) and found.peak.width == 1
    assert np.isfinite(frame_losses(found.levels[1], 256)).sum() <= 16


def test_a_finest_width_is_kept():
    found = find(lambda seen: 13 in seen, past_of_length(64), finest_frames=4)
    assert min(found.levels) == 4 and 13 in np.flatnonzero(found.sufficient) and found.sufficient.sum() == 4


def test_the_question_alone_needs_no_frame():
    found = find(lambda seen: True, past_of_length(20))
    assert not found.sufficient.any() and found.peak is None
    assert found.intervals(found.sufficient) == []


def test_what_hurts_has_a_negative_loss_and_is_deleted():
    found = find(lambda seen: not {3, 4} <= seen, past_of_length(12))
    assert found.prediction == "red"
    past = past_of_length(12)
    spoilt = find_important_past(
        lambda x, t, q: np.array([[0.0, 1.0 if len({4, 5} & set(frames[:, 0])) else 3.0, 0.5] for frames in x]),
        CLASSES, past, query_at(past),
    )  # fmt: skip
    assert spoilt.prediction == "green" and min(block.loss for block in spoilt.levels[12]) < 0


def test_only_offered_answers_compete():
    past = past_of_length(8)
    query = query_at(past, choices=("blue", "green"))
    found = find_important_past(model_of(lambda seen: 2 in seen), CLASSES, past, query)
    assert found.prediction == "green" and found.probability == pytest.approx(1 / (1 + np.exp(-5)))
    assert np.flatnonzero(found.sufficient).tolist() == [2]


def test_the_same_part_is_asked_once_and_batches_change_nothing(monkeypatch):
    asked = []

    def predict(features, pts_seconds, queries):
        asked.extend(frames.tobytes() for frames in features)
        return model_of(lambda seen: {5, 9} <= seen)(features, pts_seconds, queries)

    past = past_of_length(30)
    one = find_important_past(predict, CLASSES, past, query_at(past))
    assert len(asked) == len(set(asked)) == one.num_answers
    monkeypatch.setattr("vidseq.explain.rescoring._MAX_FRAMES", 31)
    other = find_important_past(predict, CLASSES, past, query_at(past))
    assert other.levels == one.levels and np.array_equal(other.sufficient, one.sufficient)


def test_deleting_keeps_times_or_places():
    seen = []

    def predict(features, pts_seconds, queries):
        seen.extend(zip(features, pts_seconds))
        return np.zeros((len(queries), 3))

    past = past_of_length(4)
    keep = np.array([[True, False, True, True]])
    Rescorer(predict, CLASSES, past, query_at(past)).probabilities(keep)
    Rescorer(predict, CLASSES, past, query_at(past), deletion="mean", mean_frame=np.array([9.0])).probabilities(keep)
    (removed, its_times), (replaced, all_times) = seen
    assert removed[:, 0].tolist() == [1, 3, 4] and its_times.tolist() == [0, 0.5, 0.75]
    assert replaced[:, 0].tolist() == [1, 9, 3, 4] and all_times.tolist() == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deletion": "blur"}, "Unknown deletion 'blur'"),
        ({"deletion": "mean"}, r"'mean' expects a mean frame \(1,\), got \(\)"),
        ({"deletion": "mean", "mean_frame": np.zeros(3)}, r"expects a mean frame \(1,\), got \(3,\)"),
        ({"share": 0.0}, r"expects a share in \(0, 1\], .* got 0.0, 1, 256"),
        ({"finest_frames": 0}, "finest_frames and max_blocks of at least 1, got 0.9, 0, 256"),
    ],
)
def test_mistakes_are_told(options, message):
    with pytest.raises(UserError, match=message):
        find(lambda seen: True, past_of_length(5), **options)


def test_bad_models_and_empty_pasts_are_told():
    past = past_of_length(5)
    with pytest.raises(UserError, match="at least one frame before the query"):
        find_important_past(model_of(bool), CLASSES, Past(past.features[:0], past.pts_seconds[:0]), query_at(past))
    with pytest.raises(UserError, match=r"scores \(1, 3\) without NaN from the model, got \(1, 3\) with 3 NaN"):
        find_important_past(lambda x, t, q: np.full((len(q), 3), np.nan), CLASSES, past, query_at(past))
    with pytest.raises(UserError, match=r"got \(1, 2\) with 0 NaN"):
        find_important_past(lambda x, t, q: np.zeros((len(q), 2)), CLASSES, past, query_at(past))
