"""Chooses how a run's best model makes segments of its scores: by what comes out best on videos that are held out.

Candidates are each frame alone, pairs of labels and the order of actions, the latter two with several weights of the
scores. They label validation videos, or, where there are none, training videos that the lengths and orders are then
learnt without. A model knows its training videos too well, and so may the features: more noise than in training makes
these videos as hard as others. The measure is the mean of frame accuracy, edit score and F1 at 10, 25 and 50% overlap.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from lightning_fabric import Fabric

from vidseq.checkpoint import load_model, save_model
from vidseq.files import atomic_write, csv_text
from vidseq.model import VideoReasoner
from vidseq.segmentation.segment_metrics import edit_score, frame_accuracy, segment_counts
from vidseq.segmentation.segmenter import FRAMES, ORDERED, SEGMENTS, Segmenter
from vidseq.tasks import DenseTask, of_family
from vidseq.tasks.dense import MIN_PROBABILITY
from vidseq.training.clips import ClipDataset
from vidseq.training.config import ResolvedConfig
from vidseq.training.determinism import seed_step
from vidseq.training.losses import noisy_features
from vidseq.training.run_folder import RunFolder

#: Noise on the features, as a multiple of the noise in training.
NOISE = 1.5
#: At most so many videos are decoded, and at least so many must be left to learn lengths and order from.
MAX_VIDEOS, MIN_VIDEOS_LEFT = 6, 2
#: How many independent frames a usual action may count as.
PAIRS_EVIDENCE = (4.0, 8.0, 16.0, 32.0)
ORDER_EVIDENCE = (2.0, 4.0, 8.0, 16.0)
#: Overlaps of segments at which F1 is measured.
OVERLAPS = (0.1, 0.25, 0.5)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A way of making segments, and how well it does on held-out videos."""

    task: str
    decoding: str
    evidence: float
    """How many independent frames a usual action counts as; 1 where each frame is labelled alone."""
    score: float
    """The mean of five measures, 0 to 1."""
    num_videos: int
    """Held-out videos."""
    chosen: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class _HeldOut:
    """Videos to decode, and a segmenter that has not seen their labels."""

    scores: Sequence[np.ndarray]
    """Log-probabilities of each video, (T, C)."""
    classes: Sequence[np.ndarray]
    """The right classes, (T,); below 0 where there is none."""
    segmenter: Segmenter
    background: int | None


def choose_decodings(
    fabric: Fabric, train: ClipDataset, val: ClipDataset | None, config: ResolvedConfig, folder: RunFolder
) -> None:
    """Sets the default decoding and the weights of scores of a run's best model, and writes `decodings.csv`.

    One process does it while the others wait. A kill leaves a run that gets its decoding when it is resumed.

    Args:
        fabric: device, precision, processes.
        train: the training split.
        val: the validation split; None: there is none.
        config: noise on features.
        folder: the run.
    """
    if fabric.is_global_zero:
        model = load_model(folder.best, fabric.device).eval()
        tried: list[Candidate] = []
        for name, task in of_family(model.tasks.values(), DenseTask).items():
            if task.segmenter is None:
                continue
            held_out = _hold_out(fabric, model, task, train, val, config)
            if held_out is not None:
                found = mark_chosen(list(_try_all(name, held_out, causal=model.config.causal)))
                task.segmenter = with_chosen(task.segmenter, found)
                tried += found
        if tried:
            save_model(model, folder.best)
        atomic_write(folder.decodings_file, _as_csv(tried))
    fabric.barrier()


def mark_chosen(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Marks the candidate with the highest score; of equal ones, the first.

    Args:
        candidates: of one task, simpler ones first.
    """
    best = max(range(len(candidates)), key=lambda index: candidates[index].score)
    return [dataclasses.replace(one, chosen=index == best) for index, one in enumerate(candidates)]


def with_chosen(segmenter: Segmenter, candidates: Sequence[Candidate]) -> Segmenter:
    """A segmenter with the chosen decoding as its default, and the best evidence of each decoding that was tried."""
    (default,) = (one.decoding for one in candidates if one.chosen)
    evidence = {
        name: max((one for one in candidates if one.decoding == decoding), key=lambda one: one.score).evidence
        for name, decoding in (("pairs_evidence", SEGMENTS), ("order_evidence", ORDERED))
        if any(one.decoding == decoding for one in candidates)
    }
    return dataclasses.replace(segmenter, default=default, **evidence)  # type: ignore[arg-type]  # all are floats


def _hold_out(
    fabric: Fabric,
    model: VideoReasoner,
    task: DenseTask,
    train: ClipDataset,
    val: ClipDataset | None,
    config: ResolvedConfig,
) -> _HeldOut | None:
    """Validation videos, else training videos with noise; None: nothing can be held out."""
    segmenter, background = task.segmenter, task.background_index(train.examples.dataset)
    if val is not None:
        source, videos = val, _spread(val.videos, MAX_VIDEOS)
    else:
        source, videos = train, _spread(train.videos, min(MAX_VIDEOS, len(train.videos) // 2))
        groups = {_group(train, index) for index in videos}
        rest = [train.labels(task.name, index).numpy() for index in train.videos if _group(train, index) not in groups]
        if len(rest) < MIN_VIDEOS_LEFT or not config.feature_noise + config.feature_drift:
            return None  # a model that knows these videos by heart would choose to trust each frame
        segmenter = Segmenter.fit(rest, len(task.labels), background)
    labelled = [index for index in videos if bool((source.labels(task.name, index) >= 0).any())]
    if not labelled or segmenter is None:
        return None
    scores = [_scores(fabric, model, task, source, index, config) for index in labelled]
    return _HeldOut(scores, [source.labels(task.name, index).numpy() for index in labelled], segmenter, background)


def _spread(videos: Sequence[int], count: int) -> list[int]:
    """At most so many of the videos, at equal distances."""
    count = min(count, len(videos))
    return [videos[index] for index in np.linspace(0, len(videos), count, endpoint=False).astype(int)]


def _group(clip_dataset: ClipDataset, index: int) -> str:
    return clip_dataset.examples.dataset.group_of(clip_dataset[index].video)


@torch.inference_mode()
def _scores(
    fabric: Fabric, model: VideoReasoner, task: DenseTask, source: ClipDataset, index: int, config: ResolvedConfig
) -> np.ndarray:
    """Log-probabilities of the frames of a video under noise, (T, C)."""
    batch = source.batch([(index, dataclasses.replace(source.whole(index), asked=()))]).to(fabric.device)
    seed_step(config.seed, 0, index, 0)
    features = noisy_features(model, batch, config, NOISE)
    y = model(features, batch.mask, levelled=True)
    probabilities = task.log_probabilities(task.decode(y))[0].exp()
    return np.log(probabilities.cpu().numpy().clip(min=MIN_PROBABILITY))


def _try_all(task: str, held_out: _HeldOut, *, causal: bool) -> Iterable[Candidate]:
    """Measures every candidate, simpler ones first."""
    grid: list[tuple[str, float]] = [(FRAMES, 1.0), *((SEGMENTS, value) for value in PAIRS_EVIDENCE)]
    if ORDERED in held_out.segmenter.decodings:
        grid += [(ORDERED, value) for value in ORDER_EVIDENCE]
    for decoding, evidence in grid:
        segmenter = dataclasses.replace(held_out.segmenter, pairs_evidence=evidence, order_evidence=evidence)
        labels = [segmenter.decode(scores, decoding, causal=causal) for scores in held_out.scores]
        yield Candidate(task, decoding, evidence, measure(labels, held_out.classes, held_out.background), len(labels))


def measure(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray], background: int | None) -> float:
    """The mean over videos of frame accuracy, edit score and F1 at `OVERLAPS`, and over these five.

    Args:
        predicted: class of each frame, (T,) per video.
        true: the right ones; below 0 where there is none.
        background: class that is no action.
    """
    scores = []
    for labels, classes in zip(predicted, true):
        segments = [segment_counts(labels, classes, overlap, background).f1 for overlap in OVERLAPS]
        scores.append([frame_accuracy(labels, classes), edit_score(labels, classes, background), *segments])
    return float(np.mean(scores))


def _as_csv(candidates: Sequence[Candidate]) -> str:
    rows = ({**vars(one), "score": f"{one.score:.4f}", "chosen": int(one.chosen)}.values() for one in candidates)
    return csv_text([[field.name for field in dataclasses.fields(Candidate)], *rows])
