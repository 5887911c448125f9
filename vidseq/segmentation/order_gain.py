"""Whether all actions so far say more about the next one than the last one does: measured on training labels."""

from collections.abc import Sequence

import numpy as np

from vidseq.segmentation.action_order import MAX_SHARE_DONE, ActionOrder, actions_of

#: Parts that training videos are divided into; each is predicted from the others.
FOLDS = 5
#: Pseudo-counts of every pair of actions.
_PSEUDO_COUNT = 0.5


def order_helps(videos: Sequence[np.ndarray], num_classes: int, background: int | None = None) -> bool:
    """Whether `ActionOrder` gives held-out videos a higher likelihood than pairs of actions do.

    Args:
        videos: class of each frame, (T,) per video; frames below 0 have no label.
        num_classes: C.
        background: class that is no action, if there is one.

    Returns:
        False with fewer than two videos that have two actions or more: then there is nothing to measure.
    """
    sequences = [actions_of(labels, background) for labels in videos]
    sequences = [sequence for sequence in sequences if len(sequence) > 1]
    if len(sequences) < 2:
        return False
    gain = 0.0
    for fold in range(min(FOLDS, len(sequences))):
        held_out = sequences[fold::FOLDS]
        rest = [sequence for index, sequence in enumerate(sequences) if index % FOLDS != fold]
        order, follow = ActionOrder.fit(rest, num_classes), _pairs(rest, num_classes)
        gain += sum(_log_order(sequence, order) - _log_pairs(sequence, follow) for sequence in held_out)
    return gain > 0


def _pairs(sequences: Sequence[np.ndarray], num_classes: int) -> np.ndarray:
    """Log-probabilities of the next action, or of the end (column C), after each action, (C, C + 1)."""
    counts = np.full((num_classes, num_classes + 1), _PSEUDO_COUNT)
    counts[np.arange(num_classes), np.arange(num_classes)] = 0
    for sequence in sequences:
        np.add.at(counts, (sequence, np.append(sequence[1:], num_classes)), 1)
    with np.errstate(divide="ignore"):
        return np.log(counts / counts.sum(axis=1, keepdims=True))


def _log_pairs(sequence: np.ndarray, follow: np.ndarray) -> float:
    return float(follow[sequence, np.append(sequence[1:], len(follow))].sum())


def _log_order(sequence: np.ndarray, order: ActionOrder) -> float:
    """Log-likelihood of all actions but the first, and of the end."""
    done = np.eye(order.num_classes, dtype=int)[sequence].cumsum(axis=0).clip(max=MAX_SHARE_DONE)
    following = np.append(sequence[1:], order.num_classes)
    return float(order.log_next(done, sequence)[np.arange(len(sequence)), following].sum())
