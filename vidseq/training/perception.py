"""Gives perception to a model that reasons already: frames become what its head is known to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.projection import ClipDropout
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clips import make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.optimizer import set_learning_rate
from vidseq.training.question_sources import open_question_source
from vidseq.training.schedule import learning_rate_share
from vidseq.training.warm_start import start_from

#: Frames of a step, its highest learning rate, and the share of all steps in which it rises.
BATCH_SIZE, LEARNING_RATE, WARMUP = 128, 2e-3, 0.05
#: A frame shows what its symbols hold above this.
PRESENT = 0.5


@dataclass(frozen=True)
class FramePairs:
    """Frames, each with the head's input that it is to become."""

    features: Sequence[np.ndarray]
    """Of each video, (T, ...)."""
    targets: Tensor
    """Of all frames of all videos in order, (sum of T, D)."""
    weights: np.ndarray
    """How often each frame is drawn, in relation to the others, (sum of T,)."""


def make_perceiving(
    dataset: Dataset,
    store: FeatureStore,
    config: TrainConfig,
    symbols: Mapping[str, np.ndarray],
    *,
    steps: int,
    report: Callable[[str], None] | None = None,
) -> VideoReasoner:
    """Makes a model that reasons as one that was trained on symbols, from features of pictures.

    Symbols, such as labels of frames, cost no pictures, so that reasoning can be learnt from more of them.

    Args:
        dataset: the videos to learn from, of split "train".
        store: their features.
        config: the model; the last of `start` is the one that reasons, earlier ones may give their perception.
        symbols: of each training video, (T, S), as the model that reasons reads them.
        steps: of the optimiser.
        report: called with a line from time to time.

    Raises:
        UserError: there is no model to start from, a video has no symbols, or as `fit_perception`.
    """
    if not config.starts:
        raise UserError("Perception expects start to name the model that reasons, got none.")
    videos = [video.video for video in dataset.split("train")]
    missing = [video for video in videos if video not in symbols]
    if missing:
        raise UserError(f"Perception expects symbols of each training video, got none of '{missing[0]}'.")
    source = open_question_source(dataset) if config.drawn_questions else None
    model = build_model(dataset, store, config, source)
    start_from(model, *config.starts)
    fit_statistics(model, make_clip_dataset(dataset, store, "train", model, source))
    shown = np.concatenate([symbols[video] for video in videos])
    with torch.no_grad():
        reasoning = load_model(config.starts[-1], "cpu")
        targets = reasoning.split(reasoning.project(torch.as_tensor(shown, dtype=torch.float32)[None])).x[0]
    features = [np.asarray(store.read(video).features) for video in videos]
    fit_perception(
        model,
        FramePairs(features, targets, even_weights(shown > PRESENT)),
        steps=steps,
        seed=config.seed,
        report=report,
    )
    return model


def fit_perception(
    model: VideoReasoner, pairs: FramePairs, *, steps: int, seed: int = 0, report: Callable[[str], None] | None = None
) -> float:
    """Trains what turns frames into the head's input: projection, look and standing questions.

    Each frame says all of what it must become, where an answer says little of one among many. No question is involved,
    so that what happens in a video cannot be learnt by heart. Channels of features are dropped as in training.

    Args:
        model: changed in place, ready to predict; its head, encoder and tasks stay as they are.
        pairs: what to learn.
        steps: of the optimiser, at least 1.
        seed: decides which frames a step shows.
        report: called with a line from time to time.

    Returns:
        the mean square error of the last steps, as a share of the targets' variance.

    Raises:
        UserError: frames and targets do not match.
    """
    _check(model, pairs, steps)
    places = [(video, frame) for video, features in enumerate(pairs.features) for frame in range(len(features))]
    parts = [part for part in (model.projection, model.look, model.standing) if part is not None]
    parameters = [parameter for part in parts for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    rng, shares = np.random.default_rng(seed), pairs.weights / pairs.weights.sum()
    variance, errors = pairs.targets.var(dim=0).mean(), []
    model.eval()
    for part in model.projection.modules():
        part.training = isinstance(part, ClipDropout)
    for step in range(steps):
        drawn = rng.choice(len(places), size=BATCH_SIZE, p=shares)
        frames = np.stack([pairs.features[video][frame] for video, frame in (places[index] for index in drawn)])
        x = model.split(model.project(torch.as_tensor(frames, dtype=torch.float32)[:, None])).x[:, 0]
        loss = (x - pairs.targets[drawn]).square().mean() / variance
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        set_learning_rate(optimizer, LEARNING_RATE * learning_rate_share(step, steps, WARMUP))
        optimizer.step()
        errors.append(float(loss.detach()))
        if report is not None and (step + 1) % 100 == 0:
            report(f"step {step + 1} of {steps}: error {np.mean(errors[-100:]):.3f}")
    model.eval()
    model.zero_grad()
    model.prepare()
    return float(np.mean(errors[-100:]))


def even_weights(present: np.ndarray) -> np.ndarray:
    """Weights of frames with which each thing is seen as often as any other, however rare it is.

    A frame that shows nothing is drawn, too: a picture counts as one more thing, which all frames show.

    Args:
        present: which things each frame shows, bool (frames, things).
    """
    return present @ (1 / np.maximum(present.sum(axis=0), 1)) + 1 / len(present)


def _check(model: VideoReasoner, pairs: FramePairs, steps: int) -> None:
    frames = sum(len(features) for features in pairs.features)
    expected = (frames, model.config.dim)
    if steps < 1 or tuple(pairs.targets.shape) != expected or pairs.weights.shape != (frames,):
        raise UserError(
            f"Perception expects steps from 1, targets {expected} and weights ({frames},), got {steps}, "
            f"{tuple(pairs.targets.shape)} and {pairs.weights.shape}."
        )
