"""From a data set and a training config to the model to train: tasks, classes, vocabulary, standardisation."""

from collections.abc import Collection, Mapping
from typing import Any

import torch

from vidseq.data.action_sequences import KIND
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.language.pieces import PieceVocabulary
from vidseq.language.vocabulary import Vocabulary
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.tasks import ActionSequence, AnswerWords, FrameLabels, LabelsAhead, NextAction, Question, find_task
from vidseq.tasks.base import make_options
from vidseq.training.clips import ClipDataset
from vidseq.training.config import TrainConfig

#: Tasks that need questions.
_ANSWER_QUESTIONS = (Question.name, AnswerWords.name)


def choose_tasks(dataset: Dataset, config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Decides what to train for: what the config says, else what the data set says, else what it has labels for.

    Raises:
        UserError: an unknown task, or one that the data set has nothing for.
    """
    names = list(config.tasks or dataset.info.tasks or _usual_tasks(dataset))
    if not config.causal and not config.tasks:
        names = [FrameLabels.name]
    for name in names:
        find_task(name)
        if name not in _labelled_tasks(dataset):
            needed = "questions in queries.jsonl" if name in _ANSWER_QUESTIONS else "segments or next actions"
            raise UserError(f"Task {name} expects {needed}, got none in data set '{dataset.info.name}'.")
    if not names:
        raise UserError(f"Training expects a data set with segments or queries, got none in '{dataset.info.name}'.")
    return {name: {**dataset.info.tasks.get(name, {}), **config.tasks.get(name, {})} for name in names}


def _usual_tasks(dataset: Dataset) -> list[str]:
    """What a data set has labels for; what is written or looks far ahead must be asked for."""
    asked_for = (AnswerWords.name, ActionSequence.name, LabelsAhead.name)
    return [name for name in _labelled_tasks(dataset) if name not in asked_for]


def _labelled_tasks(dataset: Dataset) -> list[str]:
    kinds = {query.kind for query in dataset.queries}
    found = {
        FrameLabels.name: bool(dataset.segments),
        NextAction.name: NextAction.name in kinds or bool(dataset.segments),
        Question.name: Question.query_kind in kinds,
        AnswerWords.name: AnswerWords.query_kind in kinds,
        ActionSequence.name: KIND in kinds or bool(dataset.segments),
        LabelsAhead.name: KIND in kinds or bool(dataset.segments),
    }
    return [name for name, there in found.items() if there]


def build_model(dataset: Dataset, store: FeatureStore, config: TrainConfig) -> VideoReasoner:
    """Makes the untrained model for a data set, the same one for one seed."""
    tasks = choose_tasks(dataset, config)
    train = {video.video for video in dataset.split("train")}
    texts = [query.question for query in dataset.queries if query.video in train and query.question]
    labels: Mapping[str, tuple[str, ...]] = {
        "action": dataset.action_labels,
        "answer": dataset.answer_labels,
        "piece": _pieces(dataset, tasks.get(AnswerWords.name), train),
    }
    model_config = ModelConfig(
        feature_dim=store.dim,
        labels={kind: names for kind, names in labels.items() if names},
        tasks=tasks,
        dim=config.dim,
        head=config.head,
        head_options=config.head_options,
        causal=config.causal,
        vocabulary=Vocabulary.build(texts).words,
        fps=store.fingerprint.fps,
        fingerprint=store.fingerprint,
        dropout=config.dropout,
        feature_dropout=config.feature_dropout,
        word_dropout=config.word_dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return VideoReasoner(model_config)


def _pieces(dataset: Dataset, options: Mapping[str, Any] | None, train: Collection[str]) -> tuple[str, ...]:
    """What the training videos' answers and choices are written in, where answers are to be written.

    Raises:
        UserError: an answer is longer than what can be written.
    """
    if options is None:
        return ()
    asked = [query for query in dataset.queries if query.video in train and query.kind == AnswerWords.query_kind]
    texts = [text for query in asked for text in (query.answer, *query.choices)]
    chosen = make_options(AnswerWords.name, AnswerWords.Options, options)
    vocabulary = PieceVocabulary.build(texts, chosen.unit)
    longest = max((len(vocabulary.encode(query.answer)) for query in asked if not query.choices), default=0)
    if longest > chosen.max_length:
        raise UserError(
            f"answer_words task expects max_length of at least {longest}, the {chosen.unit}s of the longest answer "
            f"to learn with its end, got {chosen.max_length}."
        )
    return vocabulary.pieces


def fit_statistics(model: VideoReasoner, clip_dataset: ClipDataset) -> None:
    """Sets what is counted rather than learnt: the features' mean and deviation, and the classes' weights.

    Args:
        model: changed in place.
        exam: the training split.

    Raises:
        DataError: the split teaches nothing.
    """
    if not clip_dataset.videos:
        raise DataError("Training expects split 'train' with queries or labelled segments, got none. Check the split.")
    total = torch.zeros(2, model.config.feature_dim, dtype=torch.float64)
    frames = 0
    for video in clip_dataset.videos:
        features = clip_dataset[video].features.double()
        total += torch.stack([features.sum(dim=0), features.square().sum(dim=0)])
        frames += len(features)
    mean, square = total / frames
    model.projection.standardise_by(mean.float(), (square - mean.square()).clamp(min=0).sqrt().float())
    if clip_dataset.dense:
        task = model.frame_labels
        counts = torch.zeros(len(task.labels), dtype=torch.long)
        for video in clip_dataset.videos:
            classes = clip_dataset[video].frame_labels
            assert classes is not None
            counts += torch.bincount(classes[classes >= 0], minlength=len(counts))
        task.weigh_classes(counts)
