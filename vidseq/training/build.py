"""From a data set and a training config to the model to train: tasks, classes, vocabulary, standardisation."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch

from vidseq.data.dataset import Dataset
from vidseq.data.question_source import QuestionSource
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.language.vocabulary import Vocabulary
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.tasks import TASKS, DenseTask, find_task, of_family
from vidseq.training.clips import ClipDataset
from vidseq.training.config import TrainConfig

#: At most so many questions are asked at every frame: each costs time and weights.
MAX_STANDING_QUESTIONS = 64


def choose_tasks(dataset: Dataset, config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Chooses the tasks to train: those of the config, else of the data set, else all that it has labels for.

    Raises:
        UserError: an unknown task, or one that the data set has nothing for.
    """
    names = _task_names(dataset, config)
    for name in names:
        task = find_task(name)
        if not task.fits(dataset):
            raise UserError(f"Task {name} expects {task.needs}, got none in data set '{dataset.info.name}'.")
    if not names:
        raise UserError(f"Training expects a data set with segments or queries, got none in '{dataset.info.name}'.")
    return {name: {**dataset.info.tasks.get(name, {}), **config.tasks.get(name, {})} for name in names}


def _task_names(dataset: Dataset, config: TrainConfig) -> list[str]:
    if config.tasks:
        return list(config.tasks)
    usual = {name: task for name, task in TASKS.items() if task.trained_by_default}
    if not config.causal:
        return [name for name, task in usual.items() if task.works_noncausal]
    return list(dataset.info.tasks or [name for name, task in usual.items() if task.fits(dataset)])


def build_model(
    dataset: Dataset, store: FeatureStore, config: TrainConfig, source: QuestionSource | None = None
) -> VideoReasoner:
    """Makes the untrained model for a data set, the same one for one seed.

    Args:
        dataset: its labels and the words of its questions.
        store: the features.
        config: the training options.
        source: of further questions, whose words count, too.

    Raises:
        UserError: see `choose_tasks`, or options that do not fit the data set.
    """
    tasks, options = choose_tasks(dataset, config), config.resolved()
    train = {video.video for video in dataset.split("train")}
    texts = [query.question for query in dataset.queries if query.video in train and query.question]
    drawn_texts = [] if source is None else [*source.texts()]
    labels = _labels(dataset, train, tasks)
    model_config = ModelConfig(
        feature_dim=store.dim,
        tokens=store.tokens or 0,
        labels={kind: names for kind, names in labels.items() if names},
        tasks=tasks,
        dim=options.dim,
        token_dim=options.token_dim,
        place_dim=options.place_dim,
        standing_questions=_standing_questions(texts, source) if options.standing_questions else (),
        head=options.head,
        head_options=options.head_options,
        causal=options.causal,
        level_videos=options.level_videos,
        frames_per_step=options.frames_per_step,
        vocabulary=Vocabulary.build(texts + drawn_texts).words,
        fps=store.fingerprint.fps,
        fingerprint=store.fingerprint,
        dropout=options.dropout,
        feature_dropout=options.feature_dropout,
        look_dropout=options.look_dropout,
        asked_in_words=_asked_in_words(dataset, train, tasks),
        word_dropout=options.word_dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = VideoReasoner(model_config)
    model.feature_projection = store.projection
    return model


def _standing_questions(texts: Iterable[str], source: QuestionSource | None) -> tuple[str, ...]:
    """The questions to ask at every frame: those of the source, or else what is asked most often."""
    listed = [text for text, _ in Counter(texts).most_common()] if source is None else source.standing()
    return tuple(listed)[:MAX_STANDING_QUESTIONS]


def _asked_in_words(dataset: Dataset, train: Collection[str], tasks: Iterable[str]) -> tuple[str, ...]:
    """The tasks that have queries, each with a text; queries that a task derives from segments have none."""
    kinds = {name: find_task(name).query_kind for name in tasks}
    asked = [query for query in dataset.queries if query.video in train]
    silent = {query.kind for query in asked if not query.question}
    return tuple(name for name, kind in kinds.items() if kind in {query.kind for query in asked} - silent)


def _labels(
    dataset: Dataset, train: Collection[str], tasks: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """The data set's classes, and what else tasks take for labels."""
    labels = dict(dataset.class_labels)
    for name, options in tasks.items():
        task = find_task(name).variant(options)
        labels[task.label_kind] = task.find_labels(dataset, train, options)
    return labels


def fit_statistics(model: VideoReasoner, clip_dataset: ClipDataset) -> None:
    """Sets what is counted rather than learnt: the features' mean and deviation, what tasks count, segments.

    Args:
        model: changed in place.
        clip_dataset: the training split.

    Raises:
        DataError: the split has nothing to learn.
    """
    if not clip_dataset.videos:
        raise DataError("Training expects split 'train' with queries or labelled segments, got none. Check the split.")
    total = torch.zeros(2, *model.frame_shape, dtype=torch.float64)
    frames = 0
    for video in clip_dataset.videos:
        features = clip_dataset.features(video).double()
        total += torch.stack([features.sum(dim=0), features.square().sum(dim=0)])
        frames += len(features)
    mean, square = total / frames
    model.projection.standardise_by(mean.float(), (square - mean.square()).clamp(min=0).sqrt().float())
    for name in model.tasks:
        model.find_task(name).fit_statistics(clip_dataset.targets_of(name))
    for name, task in of_family(model.tasks.values(), DenseTask).items():
        task.learn_segments(clip_dataset.targets_of(name), clip_dataset.examples.dataset)
