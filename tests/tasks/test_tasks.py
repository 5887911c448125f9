import dataclasses

import pytest
import torch

from vidseq.data.dataset import Dataset
from vidseq.data.schema import QUERY_KINDS
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.inference.request import Agenda, PredictionRequest
from vidseq.tasks import (
    AnswerWords,
    FrameLabels,
    NextAction,
    Question,
    default_task,
    find_task,
    offered_classes,
)
from vidseq.tasks.base import IGNORED, cross_entropy
from vidseq.tasks.frame_labels import smoothing_loss
from vidseq.training.build import choose_tasks
from vidseq.training.config import TrainConfig


def test_smoothing_loss_is_the_papers_equation() -> None:
    logits = torch.randn(2, 5, 3, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    log_p = logits.log_softmax(-1)
    terms = []
    for row, length in enumerate([5, 2]):
        for t in range(1, length):
            for c in range(3):
                terms.append(min(abs(float(log_p[row, t, c] - log_p[row, t - 1, c])), 0.7) ** 2)
    expected = sum(terms) / len(terms)
    assert float(smoothing_loss(logits, mask, limit=0.7)) == pytest.approx(expected, rel=1e-5)


def test_smoothing_loss_gives_the_frame_before_no_gradient() -> None:
    logits = torch.randn(1, 2, 3, requires_grad=True)
    smoothing_loss(logits, torch.ones(1, 2, dtype=torch.bool), limit=4.0).backward()
    assert logits.grad is not None
    assert not logits.grad[0, 0].any()
    assert logits.grad[0, 1].any()


def test_padding_adds_nothing_to_the_frame_loss() -> None:
    task = FrameLabels(4, ("a", "b"), {"smoothing": 0.15}, 0.0)
    logits = torch.randn(2, 6, 2)
    targets = torch.randint(0, 2, (2, 6))
    mask = torch.arange(6) < torch.tensor([[6], [3]])
    spoilt = logits.masked_fill(~mask[..., None], float("nan"))
    loss = task.loss(spoilt, targets, mask)
    assert torch.isfinite(loss)
    short = task.loss(logits[1:, :3], targets[1:, :3], mask[1:, :3])
    torch.testing.assert_close(task.loss(spoilt[1:], targets[1:], mask[1:]), short)


def test_nothing_to_learn_is_zero_and_not_nan() -> None:
    task = FrameLabels(4, ("a", "b"), {"smoothing": 0.15}, 0.0)
    logits = torch.randn(1, 1, 2, requires_grad=True)
    loss = task.loss(logits, torch.full((1, 1), IGNORED), torch.ones(1, 1, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert float(cross_entropy(torch.randn(3, 2), torch.full((3,), IGNORED))) == 0


@pytest.mark.parametrize(("weighting", "power"), [("none", 0.0), ("sqrt_inverse", 0.5), ("inverse", 1.0)])
def test_rare_classes_weigh_more(weighting: str, power: float) -> None:
    task = FrameLabels(4, ("a", "b"), {"class_weighting": weighting}, 0.0)
    task.weigh_classes(torch.tensor([90, 10]))
    rare, common = task.class_weights[1], task.class_weights[0]
    assert float(rare / common) == pytest.approx(9**power, rel=1e-5)
    assert float(0.9 * common + 0.1 * rare) == pytest.approx(1, rel=1e-5)


def test_a_class_without_frames_keeps_weights_finite() -> None:
    task = FrameLabels(4, ("a", "b"), {"class_weighting": "inverse"}, 0.0)
    task.weigh_classes(torch.tensor([90, 0]))
    assert torch.isfinite(task.class_weights).all()


def test_the_standing_query_needs_no_text() -> None:
    task = NextAction(8, ("a", "b"), {}, 0.0)
    vectors = task.query_vectors(torch.zeros(1, 8))
    assert vectors.any()
    assert task.decode_query(torch.randn(1, 8), vectors, torch.randn(1, 8)).shape == (1, 2)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_decoder_sees_context_question_and_present(part: int) -> None:
    task = Question(8, ("a", "b", "c"), {}, 0.0).eval()
    parts = [torch.randn(2, 8), torch.randn(2, 8), torch.randn(2, 8)]
    changed = [given.flip(0) if number == part else given for number, given in enumerate(parts)]
    assert (task.decode_query(*parts) - task.decode_query(*changed)).abs().max() > 1e-4


def test_choices_restrict_the_classes() -> None:
    assert offered_classes((), ("a", "b")).tolist() == [True, True]
    assert offered_classes(("b", "z"), ("a", "b")).tolist() == [False, True]
    with pytest.raises(UserError, match=r"expects choices that the model knows, got y, z\. Known: a, b\."):
        offered_classes(("y", "z"), ("a", "b"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothin": 1.0}, r"Unknown frame_labels option 'smoothin'\. Did you mean 'smoothing'\?"),
        ({"smoothing": "a lot"}, r"frame_labels task expects smoothing as float, got 'a lot'\."),
        ({"smoothing": -1.0}, r"expects smoothing of at least 0 and smoothing_limit above 0, got -1\.0 and 4\.0"),
        ({"class_weighting": "some"}, r"expects class_weighting auto, none, sqrt_inverse, inverse, got 'some'\."),
        ({"weight": 0}, r"A task expects a weight above 0, got 0\."),
        ({"label_smoothing": 1.0}, r"expects label_smoothing from 0 to below 1, got 1\.0\."),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FrameLabels(4, ("a", "b"), options, 0.0)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("frame_labels", "segments"),
        ("next_action", "segments or next actions"),
        ("question", r"questions in queries\.jsonl"),
        ("answer_words", r"questions in queries\.jsonl"),
        ("action_sequence", "segments"),
        ("labels_ahead", "segments"),
    ],
)
def test_a_task_says_what_a_data_set_lacks(name: str, needed: str, toy_world: tuple[Dataset, FeatureStore]) -> None:
    dataset = dataclasses.replace(toy_world[0], segments=[], queries=[])
    with pytest.raises(UserError, match=rf"^Task {name} expects {needed}, got none in data set 'toy'\.$"):
        choose_tasks(dataset, TrainConfig(tasks={name: {}}))
    assert list(choose_tasks(toy_world[0], TrainConfig(tasks={name: {}}))) == [name]


def test_default_tasks_are_those_that_the_data_set_has_labels_for(toy_world: tuple[Dataset, FeatureStore]) -> None:
    dataset, _ = toy_world
    assert list(choose_tasks(dataset, TrainConfig())) == ["frame_labels", "next_action", "question"]
    assert list(choose_tasks(dataclasses.replace(dataset, segments=[]), TrainConfig())) == ["question"]
    assert list(choose_tasks(dataset, TrainConfig(causal=False))) == ["frame_labels"]
    assert [default_task(kind) for kind in QUERY_KINDS] == ["question", "next_action"]


def test_next_actions_are_derived_unless_the_data_set_asks(toy_world: tuple[Dataset, FeatureStore]) -> None:
    dataset, _ = toy_world
    task = NextAction(4, dataset.action_labels, {"anticipation_seconds": 0.5}, 0.0)
    derived = [query for video in dataset.videos for query in task.derive_queries(dataset, video)]
    assert derived == dataset.next_action_queries(0.5) and derived
    own = dataclasses.replace(dataset.queries[0], kind="next_action", answer="wave", question=None)
    asking = dataclasses.replace(dataset, queries=[own])
    assert not any(task.derive_queries(asking, video) for video in asking.videos)


def test_of_two_tasks_of_one_kind_the_first_is_asked() -> None:
    written = {"labels": ("red",), "options": {}, "dropout": 0.0}
    tasks = [AnswerWords(4, **written), Question(4, **written), FrameLabels(4, **written)]
    request = PredictionRequest(questions=("a?", "b?"), at=(2.0, 1.0), every=1.0)
    assert request.agendas(tasks) == [
        Agenda("answer_words", "question", timed=((1.0, "b?"), (2.0, "a?"))),
        Agenda("frame_labels", "frame_labels", standing=(None,)),
    ]
    asked = [(name, query.time, query.question) for name, query in request.queries("v", tasks[:2], 0.0, 2.0)]
    assert asked == [("answer_words", 1.0, "b?"), ("answer_words", 2.0, "a?")]


def test_wrong_tasks_are_refused() -> None:
    with pytest.raises(UserError, match=r"Unknown task 'next_acton'\. Did you mean 'next_action'\?"):
        find_task("next_acton")
    with pytest.raises(UserError, match=r"expects anticipation_seconds of at least 0, got -1\."):
        NextAction(4, ("a",), {"anticipation_seconds": -1.0}, 0.0)
    with pytest.raises(UserError, match=r"question task expects the class names of 'answer', got none\."):
        Question(4, (), {}, 0.0)
