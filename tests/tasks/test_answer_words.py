import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vidseq.checkpoint import load_model, save_model
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query
from vidseq.errors import UserError
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.metrics import word_summary
from vidseq.features.store import FeatureStore
from vidseq.inference.offline import predict_video
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.inference.stream import Stream
from vidseq.language.search import greedy
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.tasks import AnswerWords
from vidseq.training import TrainConfig, fit
from vidseq.training.build import build_model

PIECES = ("red", "green", "the", "chair", "is", ".")


def ask(answer: str = "red", choices: tuple[str, ...] = (), time: float = 2.0) -> Query:
    return Query(video="v", time=time, kind="question", question="what?", answer=answer, choices=choices)


@pytest.fixture
def task() -> AnswerWords:
    torch.manual_seed(0)
    made = AnswerWords(8, PIECES, {"max_length": 4}, 0.0).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.5)
    return made


@pytest.fixture
def words_model(toy_config: ModelConfig) -> VideoReasoner:
    config = dataclasses.replace(
        toy_config,
        labels={**toy_config.labels, "piece": PIECES},
        tasks={"next_action": {}, "question": {}, "answer_words": {"beam": 3, "max_length": 4}},
    )
    torch.manual_seed(0)
    return VideoReasoner(config).eval()


def test_the_loss_is_the_decoders(task: AnswerWords) -> None:
    decoded, queries = torch.randn(2, 8), [ask("the chair is red."), ask("green")]
    expected = -sum(
        float(task.log_prob([task.vocabulary.encode(query.answer)], row)[0]) for query, row in zip(queries, decoded)
    )
    assert float(task.loss(decoded, task.targets(queries))) == pytest.approx(expected / 8, abs=1e-5)


def test_scheduled_sampling_rises_in_training_alone() -> None:
    torch.manual_seed(0)
    task = AnswerWords(8, PIECES, {"scheduled_sampling": 1.0, "sampling_ramp_steps": 2}, 0.0)
    decoded, targets = torch.randn(8, 8), task.targets([ask("the chair is red.")] * 8)
    first, _, third = (task.loss(decoded, targets).item() for _ in range(3))
    task.eval()
    assert first == pytest.approx(task.loss(decoded, targets).item())
    assert third != pytest.approx(first) and int(task.steps) == 3


def test_choices_are_scored_by_the_chain_rule(task: AnswerWords) -> None:
    decoded, choices = torch.randn(1, 8), ("red", "the chair is red.", "green chair")
    (written,) = task.answer(decoded, [ask("red", choices)])
    log_probs = {text: float(task.log_prob([task.vocabulary.encode(text)], decoded[0])[0]) for text in choices}
    total = math.log(sum(map(math.exp, log_probs.values())))
    assert dict(written.ranking) == pytest.approx({text: value - total for text, value in log_probs.items()}, abs=1e-5)
    assert [text for text, _ in written.ranking] == sorted(choices, key=lambda text: -log_probs[text])
    assert written.answer_log_prob == pytest.approx(log_probs["red"], abs=1e-5)
    assert written.answer_tokens == 2


def test_right_is_what_would_be_written(task: AnswerWords) -> None:
    decoded = torch.randn(3, 8)
    texts = [task.vocabulary.decode(item.tokens) for item in greedy(task.writer, task.decoder.init_state(decoded))]
    complete = [len(task.vocabulary.encode(text)) <= 4 for text in texts]
    queries = [ask(text) for text in texts]
    right = task.right(decoded, task.targets(queries), task.offered(queries))
    assert right.tolist() == complete
    best = task.answer(decoded[:1], [ask("red", ("red", "green"))])[0].text
    for answer in ("red", "green"):
        queries = [ask(answer, ("red", "green")), ask("the chair", ())]
        right = task.right(decoded[:2], task.targets(queries), task.offered(queries))
        assert bool(right[0]) == (best == answer)


def test_open_answers_and_choices_mix(task: AnswerWords) -> None:
    decoded = torch.randn(3, 8)
    queries = [ask(), ask("green", ("green", "red")), ask("the")]
    together = task.answer(decoded, queries)
    for row, (query, written) in enumerate(zip(queries, together)):
        alone = task.answer(decoded[row : row + 1], [query])[0]
        assert [text for text, _ in alone.ranking] == [text for text, _ in written.ranking]
    assert len(together[0].ranking) == task.options.beam
    assert len(task.answer(decoded[:1], [ask()], beam=1)[0].ranking) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "letter"}, r"answer_words task expects unit word or character, got 'letter'\."),
        ({"cell": "gru"}, r"expects cell lstm or transformer, got 'gru'\."),
        ({"embedding": "hot"}, r"expects embedding learned or one_hot, got 'hot'\."),
        ({"beam": 0}, r"expects beam of at least 1, got 0\."),
        ({"scheduled_sampling": 1.5}, r"expects scheduled_sampling from 0 to 1 and length_power of at least 0, got"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        AnswerWords(8, PIECES, options, 0.0)


def test_offline_and_live_say_the_same(words_model: VideoReasoner) -> None:
    features = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    times = np.arange(8) / 4
    written = Predictor(words_model, task="answer_words").predict(features, times, [ask()])[0]
    assert isinstance(Predictor(words_model).predict(features, times, [ask()])[0], np.ndarray)  # the first task
    only = VideoReasoner(dataclasses.replace(words_model.config, tasks={"answer_words": {"beam": 3, "max_length": 4}}))
    only.load_state_dict({name: part for name, part in words_model.state_dict().items() if name in only.state_dict()})
    stream = Stream(only)
    stream.push(features, times)
    answer = stream.ask("what?")
    assert answer.answer == written.text
    assert answer.probability == pytest.approx(math.exp(written.ranking[0][1]), rel=1e-4)
    choice = stream.ask("what?", choices=("the chair", "red"))
    assert {text for text, _ in choice.ranking} == {"the chair", "red"}
    assert sum(value for _, value in choice.ranking) == pytest.approx(1)
    stored = type("Stored", (), {"features": features, "pts_seconds": times})()
    (row,) = predict_video(only, "v", stored, 2.0, PredictionRequest(questions=("what?",)))
    assert (row.answer, row.kind) == (written.text, "question")


def test_a_batch_of_clips_is_each_alone(words_model: VideoReasoner) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(length, 6)).astype(np.float32) for length in (5, 0, 9)]
    times, queries = [np.arange(len(clip)) / 4 for clip in clips], [ask(), ask("green"), ask("the chair")]
    predictor = Predictor(words_model, task="answer_words")
    together = predictor(clips, times, queries)
    for number, written in enumerate(together):
        alone = predictor([clips[number]], [times[number]], [queries[number]])[0]
        assert [text for text, _ in alone.ranking] == [text for text, _ in written.ranking]
        assert alone.answer_log_prob == pytest.approx(written.answer_log_prob, abs=1e-4)


def test_a_checkpoint_keeps_the_pieces(words_model: VideoReasoner, tmp_path: Path) -> None:
    save_model(words_model, tmp_path)
    loaded = load_model(tmp_path, "cpu")
    assert loaded.task_of(AnswerWords).vocabulary.pieces == PIECES
    vectors = torch.randn(2, 8)
    before, after = (model.task_of(AnswerWords).answer(vectors, [ask()] * 2) for model in (words_model, loaded))
    assert before == after


def test_words_are_no_task_unless_asked_for(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    dataset, store = toy_world
    assert list(build_model(dataset, store, TrainConfig(dim=8)).tasks) == ["frame_labels", "next_action", "question"]
    model = build_model(dataset, store, TrainConfig(dim=8, tasks={"answer_words": {"unit": "character"}}))
    assert model.config.labels["piece"] == tuple("bdeglnru")


def test_answers_too_long_to_be_written_are_refused(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    dataset, store = toy_world
    options = {"unit": "character", "max_length": 6}  # "green" and its end
    build_model(dataset, store, TrainConfig(dim=8, tasks={"answer_words": options}))
    with pytest.raises(UserError, match=r"max_length of at least 6, the characters of the longest answer .*, got 5\."):
        build_model(dataset, store, TrainConfig(dim=8, tasks={"answer_words": options | {"max_length": 5}}))
    offered = [dataclasses.replace(query, choices=("red", "green", "blue")) for query in dataset.queries]
    choosing = write_dataset(tmp_path, dataset.info, dataset.videos.values(), queries=offered)
    build_model(choosing, store, TrainConfig(dim=8, tasks={"answer_words": options | {"max_length": 1}}))


@pytest.mark.parametrize("unit", ["word", pytest.param("character", marks=pytest.mark.slow)])
def test_colours_are_learnt_in_words(unit: str, toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    dataset, store = toy_world
    config = TrainConfig(
        dim=32,
        epochs=12,
        batch_size=4,
        lr=1e-2,
        patience=None,
        device="cpu",
        full_context=1.0,
        tasks={"answer_words": {"unit": unit, "max_length": 8}},
    )
    model = load_model(fit(dataset, store, config, tmp_path / "run"), "cpu")
    rows = evaluate(Predictor(model), dataset, store, "test", controls=["blind"])
    seen, blind = rows[rows["control"] == ""], rows[rows["control"] == "blind"]
    numbers = word_summary(seen)
    assert numbers["exact_match"] > 0.9 and numbers["token_f1"] == numbers["exact_match"]
    assert seen["correct"].mean() == numbers["exact_match"]
    assert numbers["nats_an_answer"] < 0.5 < 1.0 < word_summary(blind)["nats_an_answer"]
    assert blind["correct"].mean() < 0.7
    assert (seen["answer_tokens"] > (2 if unit == "character" else 1)).all()


def test_captions_of_clips_are_learnt(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    """A caption tells in one sentence what was seen at first and what is going on at last."""
    source, store = toy_world
    colors = {query.video: query.answer for query in source.queries}
    captions = []
    for video in source.videos:
        for time in (2.5, 4.0, 6.0):
            last = next(item.label for item in source.segments_of(video) if item.start < time <= item.end)
            caption = f"First it was {colors[video]}, then I saw a {last}."
            captions.append(
                Query(video=video, time=time, kind="question", question="What happens in this video?", answer=caption)
            )
    shutil.copytree(store.folder, tmp_path / "data/features" / store.folder.name)
    info = DatasetInfo(name="captions", observations="features")
    dataset = write_dataset(tmp_path / "data", info, source.videos.values(), queries=captions)
    config = TrainConfig(
        head="window",
        head_options={"window": 32, "layers": 1},
        dim=32,
        epochs=16,
        batch_size=4,
        lr=1e-2,
        patience=None,
        device="cpu",
        full_context=1.0,
        tasks={"answer_words": {"max_length": 16}},
    )
    model = load_model(fit(dataset, store, config, tmp_path / "run"), "cpu")
    rows = evaluate(Predictor(model), dataset, store, "test", controls=["last_frame"])
    seen, last_frame = (rows[rows["control"] == control] for control in ("", "last_frame"))
    assert word_summary(seen)["exact_match"] > 0.9 > 0.7 > word_summary(last_frame)["exact_match"]
    assert word_summary(last_frame)["token_f1"] > 0.8  # all but the colour
    assert seen["prediction"].str.fullmatch(r"first it was \w+, then i saw a \w+\.").all()
