"""Evaluation of a planted model, which is right exactly where its evidence is shown to it."""

import numpy as np
import pytest

from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation import answering as module
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.rows import Run

AGES = {"age0": 0.0, "age6": 6.0, "age24": 24.0}


def accuracy(rows, **where):
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows["correct"].mean()


def test_accuracy_rises_exactly_at_the_evidence(query_set, planted_model):
    rows = evaluate(planted_model, *query_set, "test", contexts="1f,1s,2s,...,full")
    assert rows["context"].unique().tolist() == ["1f", "1s", "2s", "4s", "8s", "16s", "32s", "full"]
    assert len(rows) == 60 * 8
    for family, age in AGES.items():
        for context, seconds in {"1f": 0.5, "4s": 4.0, "8s": 8.0, "16s": 16.0, "32s": 32.0, "full": np.inf}.items():
            right = accuracy(rows, family=family, context=context)
            assert right == 1 if seconds > age else right < 0.6


def test_what_rows_say(query_set, planted_model):
    rows = evaluate(planted_model, *query_set, "test", contexts="1f,1s,full", run=Run(run="r7", head="lstm", seed=7))
    assert rows[["run", "head", "seed", "dataset", "split"]].drop_duplicates().to_numpy().tolist() == [
        ["r7", "lstm", 7, "colours", "test"]
    ]
    old = rows[rows["family"] == "age24"]
    assert old["reach_seconds"].tolist() == [24.0] * 60
    assert old["evidence_age_seconds"].tolist() == [23.75] * 60
    assert old["history_seconds"].tolist() == [35.0] * 60
    assert sorted(rows["context_seconds"].unique()) == [0.5, 1.0, np.inf]
    assert old.groupby("context")["ceiling"].mean().dropna().to_dict() == {"1s": 0.25, "full": 1.0}
    assert rows["group"].nunique() == 10
    assert rows.groupby("query")["context"].nunique().eq(3).all()


def test_controls(query_set, planted_model):
    controls = ["blind", "last_frame", "shuffled", "swapped_past:10s", "evidence_only", "majority"]
    rows = evaluate(planted_model, *query_set, "test", contexts=["1f"], controls=controls)
    assert set(rows["control"]) == {"", *controls}
    for family in AGES:
        prior = accuracy(rows, control="blind", family=family)
        assert prior < 0.6
        assert accuracy(rows, control="evidence_only", family=family) == 1
        assert accuracy(rows, control="shuffled", family=family) == 1  # a bag of frames is all this model reads
    assert accuracy(rows, control="last_frame", family="age0") == 1
    assert accuracy(rows, control="last_frame", family="age6") < 0.6
    assert accuracy(rows, control="swapped_past:10s", family="age6") == 1
    assert accuracy(rows, control="swapped_past:10s", family="age24") < 0.6
    last = rows[rows["control"] == "last_frame"]["correct"].tolist()
    assert last == rows[(rows["control"] == "") & (rows["context"] == "1f")]["correct"].tolist()
    assert set(rows[rows["control"] == "blind"]["context_seconds"]) == {0.0}


def test_majority_is_training_s_within_the_family(query_set, planted_model):
    dataset, store = query_set
    rows = evaluate(planted_model, dataset, store, "test", contexts=[], controls=["majority"])
    for family in AGES:
        answers = [q.answer for q in dataset.queries if q.family == family and q.video in ("v00", "v01", "v02", "v03")]
        said = rows[rows["family"] == family]["prediction"].unique()
        assert len(said) == 1
        assert answers.count(said[0]) == max(answers.count(answer) for answer in answers)


def test_repeat_last_label(query_set):
    dataset, store = query_set
    queries = dataset.next_action_queries(1.0)
    rows = evaluate(_uniform, dataset, store, "test", queries=queries, controls=["repeat_last_label", "majority"])
    repeated = rows[rows["control"] == "repeat_last_label"]
    assert len(repeated) == 60
    for row in repeated.itertuples():
        going_on = [s.label for s in dataset.segments_of(row.video) if s.start <= row.time < s.end]
        assert [row.prediction] == going_on
    assert (repeated["answer_score"] > 0.99).equals(repeated["correct"])


def _uniform(features, pts_seconds, queries):
    return np.zeros((len(queries), 3))


def test_the_same_frames_are_not_computed_twice(query_set, planted_model):
    calls = []

    def counting(features, pts_seconds, queries):
        calls.extend(queries)
        return planted_model(features, pts_seconds, queries)

    dataset, store = query_set
    rows = evaluate(counting, dataset, store, "test", contexts="1f,0.5s,36s,full", controls=["last_frame"])
    assert len(rows) == 60 * 5
    assert len(calls) < 60 * 3 + 1
    assert len(store.reads) == 20


@pytest.mark.parametrize(("batch_size", "frames"), [(1, 10**6), (7, 10**6), (64, 100), (64, 10**6)])
def test_batches_do_not_matter(query_set, planted_model, monkeypatch, batch_size, frames):
    monkeypatch.setattr(module, "_MAX_BATCH_FRAMES", frames)
    sizes = []

    def watched(features, pts_seconds, queries):
        sizes.append((len(queries), max(map(len, features))))
        assert all(len(frames) == len(times) for frames, times in zip(features, pts_seconds))
        return planted_model(features, pts_seconds, queries)

    options = {"contexts": "1s,8s,full", "controls": ["shuffled"]}
    rows = evaluate(watched, *query_set, "test", batch_size=batch_size, **options)
    assert all(number <= batch_size and (number == 1 or number * longest <= frames) for number, longest in sizes)
    assert rows.equals(evaluate(planted_model, *query_set, "test", **options))


def test_the_future_is_never_shown(query_set):
    def watch(features, pts_seconds, queries):
        for times, query in zip(pts_seconds, queries):
            assert (times <= query.time).all()
        return np.zeros((len(queries), 4))

    dataset, store = query_set
    evaluate(watch, dataset, store, "test", contexts="1f,1s,full", controls=["shuffled", "swapped_past"])


def test_shuffled_keeps_the_newest_frame(query_set):
    def watch(features, pts_seconds, queries):
        for frames in features:
            assert frames[-1, 3] == len(frames) - 1
            assert sorted(frames[:, 3]) == list(range(len(frames)))
            assert not (np.diff(frames[:, 3]) == 1).all()
        return np.zeros((len(queries), 4))

    evaluate(watch, *query_set, "test", contexts=[], controls=["shuffled"])


def test_limit(query_set, planted_model):
    assert len(evaluate(planted_model, *query_set, "test", limit=5)) == 5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda f, p, q: np.zeros((len(q), 3)),
            r"scores \(60, 4\) from the model, .* class of question, got \(60, 3\)",
        ),
        (
            lambda f, p, q: np.full((len(q), 4), np.nan),
            "NaN or infinity for 60 of 60 answers, first in video 'v04' at",
        ),
        (lambda f, p, q: np.full((len(q), 4), np.inf), "NaN or infinity for 60 of 60"),
    ],
)
def test_models_that_misbehave(query_set, model, message):
    with pytest.raises(UserError, match=message):
        evaluate(model, *query_set, "test")


def test_bad_requests(query_set, planted_model):
    dataset, store = query_set
    with pytest.raises(UserError, match=r"Unknown control 'blnd'\. Did you mean 'blind'"):
        evaluate(planted_model, dataset, store, "test", controls=["blnd"])
    with pytest.raises(UserError, match="newest past stay, as in swapped_past:30s, got 'swapped_past:x'"):
        evaluate(planted_model, dataset, store, "test", controls=["swapped_past:x"])
    with pytest.raises(UserError, match="expects queries in split 'test' of 'colours', got none"):
        evaluate(planted_model, dataset, store, "test", queries=[])
    elsewhere = [query for query in dataset.queries if dataset.videos[query.video].split == "train"]
    with pytest.raises(UserError, match=rf"Name a split that has some \(--split\): train {len(elsewhere)}\."):
        evaluate(planted_model, dataset, store, "test", queries=elsewhere)
    with pytest.raises(UserError, match=r"at most the longest past, 39\.0 s, got 99s"):
        evaluate(planted_model, dataset, store, "test", contexts="99s")
    early = Query(video="v04", time=-0.5, kind="question", answer="red", question="?")
    with pytest.raises(UserError, match=r"at or after the first frame of 'v04' at 0.000 s, got one at -0.500 s"):
        evaluate(planted_model, dataset, store, "test", queries=[early])


def test_swapping_needs_two_groups(query_set, planted_model):
    from dataclasses import replace

    dataset, store = query_set
    videos = {name: replace(video, group="one") for name, video in dataset.videos.items()}
    with pytest.raises(UserError, match="at least two groups, got one"):
        evaluate(planted_model, replace(dataset, videos=videos), store, "test", controls=["swapped_past"])
