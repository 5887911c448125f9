"""Empty cases of every metric: nothing against nothing is no success, and a missing value is a dash, never 0 or 1.

Each metric has one rule: a NaN that means leave out and count, an error in one line, or a value that its docstring
states. No case warns: warnings are errors in tests.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import vidseq.context
import vidseq.evaluation
import vidseq.forecasting
import vidseq.segmentation
from vidseq.context import gains, summarise
from vidseq.context.certificates import model_certificates, summarise_certificates
from vidseq.context.evidence_age import evidence_age_curve, memory_horizon
from vidseq.data.words import percent
from vidseq.errors import UserError
from vidseq.evaluation import metrics, tables
from vidseq.evaluation.accuracy_curve import context_curve, eligible_seconds
from vidseq.evaluation.calibration import calibration_interval, reliability_bins
from vidseq.evaluation.class_means import class_mean_recall_interval
from vidseq.evaluation.frame_detection import (
    ClassPrecision,
    action_stages,
    average_precision,
    frame_average_precision,
    stage_average_precision,
)
from vidseq.evaluation.frame_labels import METRICS, frame_label_table, summarise_frame_labels
from vidseq.evaluation.intervals import (
    Interval,
    accuracy_interval,
    bootstrap_mean,
    bootstrap_means,
    paired_difference,
    plus_minus,
)
from vidseq.evaluation.pairing import pair_answers
from vidseq.forecasting.long_term import edit_distance_at, evaluate_long_term, mean_over_classes
from vidseq.segmentation import segment_metrics
from vidseq.segmentation.segment_detection import segment_average_precision
from vidseq.segmentation.segment_metrics import UNLABELLED, Counts, segment_f1
from vidseq.tasks.calibration import calibration_error

NONE = np.zeros(0, int)
UNKNOWN = np.full(4, UNLABELLED)
#: Rows of queries with every column that a metric reads, and none of them.
ROWS = pd.DataFrame(
    {
        **{"run": ["r"], "head": "gru", "seed": 0, "dataset": "d", "version": "1", "split": "test", "query": "q0"},
        **{"video": "v", "group": "g", "kind": "question", "family": "f", "mode": "given", "control": ""},
        **{"context": "full", "context_seconds": math.inf, "context_frames": 4.0, "history_seconds": 3.0},
        **{"answer": "a", "prediction": "a", "correct": True, "rank": 1, "score": 1.0, "answer_score": 1.0},
        **{"ceiling": math.nan, "evidence_age_seconds": math.nan, "reach_seconds": math.nan},
        **{"answer_log_prob": -1.0, "answer_tokens": 2},
    }
)
NO_ROWS = ROWS.iloc[:0]

#: Each metric on an empty case, and what it gives: a number, "nan", or the start of an error.
CASES: dict[str, tuple[Callable[[], object], object]] = {
    # no rows of queries
    "top_k_accuracy": (lambda: metrics.top_k_accuracy(NO_ROWS, 1), "A metric expects at least one row"),
    "class_mean_recall": (lambda: metrics.class_mean_recall(NO_ROWS, 5), "A metric expects at least one row"),
    "class_mean_recall, one class": (lambda: metrics.class_mean_recall(ROWS, 1), 1.0),
    "negative_log_likelihood": (lambda: metrics.negative_log_likelihood(NO_ROWS), "A metric expects at least one row"),
    "expected_calibration_error": (
        lambda: metrics.expected_calibration_error(NO_ROWS),
        "A metric expects at least one row",
    ),
    "exact_match": (lambda: metrics.exact_match(NO_ROWS), "A metric expects at least one row"),
    "token_f1": (lambda: metrics.token_f1(NO_ROWS), "A metric expects at least one row"),
    "token_f1, no words": (lambda: metrics.token_f1(ROWS.assign(answer="", prediction="")), 1.0),
    "token_f1, none against some": (lambda: metrics.token_f1(ROWS.assign(prediction="")), 0.0),
    "perplexity": (lambda: metrics.perplexity(NO_ROWS), "A metric expects at least one row"),
    "nats_an_answer": (lambda: metrics.nats_an_answer(NO_ROWS), "A metric expects at least one row"),
    "word_summary": (lambda: metrics.word_summary(NO_ROWS), "A metric expects at least one row"),
    "summary": (lambda: metrics.summary(NO_ROWS), "A metric expects at least one row"),
    "calibration_error": (lambda: calibration_error(np.zeros(0), np.zeros(0)), "nan"),
    "calibration_interval": (lambda: calibration_interval(NO_ROWS), "Bootstrap expects at least one row"),
    "calibration_interval, one group": (lambda: calibration_interval(ROWS).low, "nan"),
    "reliability_bins": (lambda: reliability_bins(NO_ROWS), []),
    "class_mean_recall_interval": (lambda: class_mean_recall_interval(NO_ROWS, 5), "A class-mean recall expects rows"),
    "accuracy_interval": (lambda: accuracy_interval(NO_ROWS), "Bootstrap expects numbers"),
    "bootstrap_mean": (lambda: bootstrap_mean(np.zeros(0), np.zeros(0)), "Bootstrap expects numbers"),
    "bootstrap_means": (lambda: bootstrap_means(np.zeros((0, 2)), np.zeros(0)), "Bootstrap expects at least one row"),
    "paired_difference": (lambda: paired_difference(NO_ROWS, NO_ROWS), "Bootstrap expects numbers"),
    "accuracy_table": (lambda: tables.accuracy_table(NO_ROWS), "A table expects rows"),
    "pivot_accuracy": (lambda: tables.pivot_accuracy(NO_ROWS), "A table expects rows"),
    # no frames, no labels, no segments
    "frame_accuracy": (lambda: segment_metrics.frame_accuracy(NONE, NONE), "nan"),
    "frame_accuracy, no labels": (lambda: segment_metrics.frame_accuracy(np.zeros(4, int), UNKNOWN), "nan"),
    "edit_score": (lambda: segment_metrics.edit_score(NONE, NONE), "nan"),
    "edit_score, no labels": (lambda: segment_metrics.edit_score(np.zeros(4, int), UNKNOWN), "nan"),
    "edit_score, background alone": (
        lambda: segment_metrics.edit_score(np.zeros(2), np.zeros(2), background=0),
        "nan",
    ),
    "edit_score, none against some": (lambda: segment_metrics.edit_score(np.zeros(3), np.ones(3), background=1), 0.0),
    "segment_f1": (lambda: segment_f1([], [], 0.5), "F1 expects as many predicted as true videos, at least one"),
    "segment_f1, no labels": (lambda: segment_f1([np.zeros(4, int)], [UNKNOWN], 0.5), "nan"),
    "segment_f1, pooled": (lambda: segment_f1([np.zeros(4, int)], [UNKNOWN], 0.5, average="pooled"), "nan"),
    "segment_f1, one of two": (lambda: segment_f1([np.zeros(4)] * 2, [UNKNOWN, np.zeros(4)], 0.5), 1.0),
    "segment_f1, none against some": (lambda: segment_f1([np.zeros(3)], [np.ones(3)], 0.5, background=1), 0.0),
    "pooled_f1": (lambda: segment_metrics.pooled_f1([Counts(0, 0, 0)]), "nan"),
    "average_precision": (lambda: average_precision(np.zeros(0), np.zeros(0, bool)), "nan"),
    "average_precision, none positive": (lambda: average_precision(np.zeros(3), np.zeros(3, bool)), "nan"),
    "average_precision, all positive": (
        lambda: average_precision(np.zeros(3), np.ones(3, bool), calibrated=True),
        1.0,
    ),
    "frame_average_precision": (lambda: frame_average_precision(np.zeros((0, 2)), np.zeros((0, 2))).mean, "nan"),
    "frame_average_precision, no classes": (
        lambda: frame_average_precision(np.zeros((3, 0)), np.zeros((3, 0))).mean,
        "nan",
    ),
    "stage_average_precision": (
        lambda: stage_average_precision(np.zeros((0, 1)), np.zeros((0, 1)), action_stages(np.zeros((0, 1))))[0].mean,
        "nan",
    ),
    "ClassPrecision": (lambda: ClassPrecision(np.array([np.nan]), 1).mean, "nan"),
    "segment_average_precision": (lambda: segment_average_precision([], [], []).mean, "nan"),
    "segment_average_precision, no true one": (
        lambda: segment_average_precision([], [], [], labels=["a"]).num_empty,
        1,
    ),
    "summarise_frame_labels": (lambda: summarise_frame_labels(pd.DataFrame()), "A summary of frame labels expects"),
    # no videos, no future
    "evaluate_long_term": (lambda: evaluate_long_term(lambda past, n: past, {}, split=1), "Long-term anticipation"),
    "mean_over_classes": (lambda: mean_over_classes(pd.DataFrame()), "Mean over classes expects at least one row"),
    "edit_distance_at": (lambda: edit_distance_at([], []), "Edit distance expects"),
    "edit_distance_at, no forecast": (lambda: edit_distance_at([[]], ["a"]), 1.0),
    # no rows of contexts
    "context_curve": (lambda: context_curve(NO_ROWS), "A context curve expects rows of a model"),
    "pair_answers": (lambda: pair_answers(NO_ROWS), "A context curve expects rows of a model"),
    "eligible_seconds": (lambda: eligible_seconds(NO_ROWS), "A context figure expects"),
    "summarise": (lambda: summarise(NO_ROWS), "A summary expects rows"),
    "evidence_age_curve": (lambda: evidence_age_curve(NO_ROWS), "An evidence-age curve expects rows"),
    "evidence_age_curve, no evidence": (lambda: evidence_age_curve(ROWS), ()),
    "memory_horizon": (lambda: memory_horizon(ROWS), None),
    "leak_index": (lambda: gains.leak_index(ROWS), None),
    "gain": (lambda: gains.gain(pair_answers(ROWS)), None),
    "order_gain": (lambda: gains.order_gain(pair_answers(ROWS)), None),
    "area": (lambda: gains.area(pair_answers(ROWS)), None),
    "model_certificates": (lambda: model_certificates(NO_ROWS), "A context curve expects rows of a model"),
    "summarise_certificates, no evidence": (lambda: summarise_certificates(ROWS).rank_correlation, None),
}


@pytest.mark.parametrize("name", CASES)
def test_an_empty_case_follows_its_rule(name: str) -> None:
    measure, expected = CASES[name]
    if isinstance(expected, str) and expected != "nan":
        with pytest.raises(UserError, match=expected):
            measure()
        return
    value = measure()
    if expected == "nan":
        assert isinstance(value, float) and math.isnan(value)
    else:
        assert value == expected


def test_every_public_metric_is_in_the_table() -> None:
    words = (
        "accuracy",
        "score",
        "recall",
        "precision",
        "error",
        "likelihood",
        "match",
        "f1",
        "interval",
        "difference",
    )
    named = {
        name
        for part in (vidseq.evaluation, vidseq.segmentation, vidseq.forecasting, vidseq.context)
        for name in dir(part)
        if any(word in name for word in words) and name.islower()
    }
    tables_of_rows = {"frame_label_table", "frame_label_intervals", "interval_table", "evaluate_frame_labels"}
    assert named - tables_of_rows <= {name.partition(",")[0] for name in CASES}


def frame_rows(**values: float) -> pd.DataFrame:
    zeros = {f"{count}@{overlap}": 0 for count in Counts._fields for overlap in (10, 25, 50)}
    about = {"run": "r", "head": "gru", "seed": 0, "dataset": "d", "version": "1", "split": "test"}
    return pd.DataFrame(
        [{**about, "video": name, **dict.fromkeys(METRICS, value), **zeros} for name, value in values.items()]
    )


def test_videos_without_labels_are_left_out_and_counted() -> None:
    whole, part = (frame_label_table(frame_rows(**rows), ["run"]) for rows in ({"a": 0.5}, {"a": 0.5, "b": math.nan}))
    assert whole[list(METRICS)].equals(part[list(METRICS)])
    assert "left_out" not in whole and part["left_out"].tolist() == [1]
    nothing = frame_label_table(frame_rows(a=math.nan), ["run"])
    assert nothing[list(METRICS)].isna().all(axis=None) and nothing["left_out"].tolist() == [1]


def test_a_missing_value_is_a_dash() -> None:
    assert Interval(0.5, math.nan, math.nan, 3, 1).in_percent() == "50.0 [–, –]"
    assert str(Interval(math.nan, math.nan, math.nan, 0, 0)) == "– [–, –]"
    assert plus_minus(0.5, math.nan, math.nan) == "50.0 ±–" and plus_minus(0.5, 0.4, 0.6) == "50.0 ±10.0"
    assert percent(math.nan) == "–" and percent(0.125, signed=True) == "+12.5"
    assert "±–" in tables.pivot_accuracy(ROWS).to_string()


def answers(blind: list[int], model: list[int]) -> pd.DataFrame:
    """Rows of queries of two groups at two lengths, and under the control blind."""
    parts = [
        ROWS.assign(query=f"q{number}", group=f"g{number}", control=control, context=context, context_seconds=seconds,
                    correct=bool(right))
        for number, (sure, known) in enumerate(zip(blind, model))
        for control, context, seconds, right in
        (("blind", "1s", 1.0, sure), ("", "1s", 1.0, known), ("", "2s", 2.0, known))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_above_a_control_that_is_always_right_there_is_no_area() -> None:
    assert gains.area(pair_answers(answers([1, 1], [1, 1]))) is None
    found = gains.area(pair_answers(answers([1, 0], [1, 0])))  # in some samples the control is always right
    assert found is not None and found.mean == 0 and -1 <= found.low <= found.high <= 1
