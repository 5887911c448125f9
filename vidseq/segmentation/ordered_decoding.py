"""From frame scores to segments, with a memory of all done actions: a beam search over semi-Markov paths.

In `decoding`, a segment depends on the one before it; here it also depends on all earlier ones. The exact search over
all sets of done actions is infeasible. So it keeps, for each class, the best few paths with different sets of done
actions, and of those with the same set only the best: an exact search over times, a beam search over histories.
"""

from typing import NamedTuple

import numpy as np

from vidseq.errors import UserError
from vidseq.segmentation.action_order import MAX_SHARE_DONE, ActionOrder
from vidseq.segmentation.decoding import SegmentModel, checked_scores

#: Paths that are sorted per kept path; most have the same history as another that began a few frames apart.
_SORTED = 16


class _Paths(NamedTuple):
    """Segmentations of the frames so far, K for each class of the newest segment."""

    score: np.ndarray
    """(..., C, K); -inf where there are fewer."""
    key: np.ndarray
    """Hash of the done actions and the last one; different histories have different ones almost surely."""
    done: np.ndarray
    """How often each class was done, at most `MAX_SHARE_DONE` times, int8 (..., C, K, C)."""
    last: np.ndarray
    """Last action that is not background; C: none."""
    node: np.ndarray
    """Node at which the newest segment began; nodes are numbered frame by frame."""


class OrderedDecoder:
    """Reads scores frame by frame and keeps the best segmentation so far.

    Args:
        lengths: lengths of each class, from training labels; its transitions are not used.
        order: model of the next action, from training labels.
        score_weight: weight of a frame's log-probability; well below 1, because neighbouring frames are correlated.
        order_weight: weight of the order.
        length_weight: weight of the lengths.
        beam: paths with different histories that are kept for each class.

    Raises:
        UserError: a weight or the beam is out of range, or the models have different classes.
    """

    def __init__(
        self,
        lengths: SegmentModel,
        order: ActionOrder,
        *,
        score_weight: float = 0.1,
        order_weight: float = 1.0,
        length_weight: float = 0.5,
        beam: int = 5,
    ) -> None:
        if not (score_weight > 0 and order_weight > 0 and length_weight >= 0 and beam >= 1):
            raise UserError(
                f"An ordered decoder expects score_weight and order_weight above 0, length_weight of at least 0 and "
                f"a beam of at least 1, got {score_weight}, {order_weight}, {length_weight} and {beam}."
            )
        classes = order.num_classes
        if lengths.num_classes != classes:
            raise UserError(
                f"An ordered decoder expects lengths and order of the same classes, got {lengths.num_classes} "
                f"and {classes}."
            )
        self._order, self._beam = order, beam
        self._score_weight, self._order_weight = score_weight, order_weight
        self._log_length = length_weight * lengths.log_length[:, :, None]
        self._log_survival = length_weight * lengths.log_survival[:, :, None]
        self._codes = np.random.default_rng(0).integers(2**62, size=2 * classes + 1)
        self._frames = 0
        # Newest first: row k is the start of a segment of length k + 1 that includes the newest frame.
        self._open = _no_paths(classes, (0, classes, beam))
        self._closed = _no_paths(classes, (classes, beam))
        self._closed.score[0, 0] = 0  # the path without frames
        self._current = np.full(classes * beam, -1)

    def step(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Reads new frames; returns the class of each in the best segmentation up to it.

        Args:
            log_probabilities: of the classes, (N, C).

        Returns:
            classes, (N,).

        Raises:
            UserError: the shape is wrong, or there is NaN.
        """
        scores = checked_scores(log_probabilities, self._order.num_classes)
        classes = []
        for row in scores:
            self._advance(row)
            alive = self._open.score + self._log_survival[: len(self._open.score)]
            classes.append(alive.max(axis=(0, 2)).argmax())
        return np.array(classes, dtype=int)

    def _advance(self, scores: np.ndarray) -> np.ndarray:
        """Reads one frame; returns the parent node of each path that begins a segment at it, (C, K)."""
        entered, parents = self._enter()
        self._open = _Paths(
            *(np.concatenate([new[None], old[: len(self._log_length) - 1]]) for new, old in zip(entered, self._open))
        )
        self._open = self._open._replace(score=self._open.score + self._score_weight * scores[:, None])
        self._closed = self._end()
        self._current = np.repeat(np.arange(self._order.num_classes), self._beam)
        self._frames += 1
        return parents

    def _enter(self) -> tuple[_Paths, np.ndarray]:
        """Begins a segment of every class after the closed paths."""
        order, beam, closed_paths = self._order, self._beam, self._all_closed()
        classes = order.num_classes
        scores = (closed_paths.score[:, None] + self._log_next(closed_paths)[:, :-1]).T
        all_classes = np.arange(classes)
        is_action = (all_classes != order.background)[:, None]
        done = np.repeat(closed_paths.done[None], classes, axis=0)
        done[all_classes, :, all_classes] += is_action.astype(np.int8)
        done = np.minimum(done, np.int8(MAX_SHARE_DONE))
        last = np.where(is_action, all_classes[:, None], closed_paths.last)
        keys = done @ self._codes[:classes] + self._codes[classes + last]
        rows, best = all_classes[:, None], _best_distinct(scores, keys, beam)
        nodes = (self._frames * classes + rows) * beam + np.arange(beam)
        entered = _Paths(scores[rows, best], keys[rows, best], done[rows, best], last[rows, best], nodes)
        return entered, closed_paths.node[best]

    def _log_next(self, closed_paths: _Paths) -> np.ndarray:
        """Computes log-probabilities of the next segment's class and of the end after N paths, (N, C + 1)."""
        order = self._order
        at_once, background_first = order.log_background[closed_paths.last].T
        behind_background = self._current == order.background
        known = order.log_next(closed_paths.done, closed_paths.last) + np.where(behind_background, 0, at_once)[:, None]
        if order.background is not None:
            known[:, order.background] = background_first
        possible = self._current[:, None] != np.arange(order.num_classes + 1)
        return self._order_weight * known + np.where(possible, 0, -np.inf)

    def _all_closed(self) -> _Paths:
        """Returns the closed paths in one row: (C * K, ...)."""
        return _Paths(*(part.reshape(-1, *part.shape[2:]) for part in self._closed))

    def _end(self) -> _Paths:
        """Ends a segment of every class with the newest frame."""
        open_, beam = self._open, self._beam
        classes, length = self._order.num_classes, len(open_.score)
        closed = open_.score + self._log_length[:length]
        scores, keys = (part.transpose(1, 0, 2).reshape(classes, length * beam) for part in (closed, open_.key))
        best = _best_distinct(scores, keys, beam)
        rows = np.arange(classes)[:, None]
        start, column = best // beam, best % beam
        closed_paths = _Paths(*(part[start, rows, column] for part in open_))
        return closed_paths._replace(score=scores[rows, best])

    def _finish(self) -> int:
        """Returns the node at which the newest segment of the best path began, if the video ends here."""
        closed_paths = self._all_closed()
        return int(closed_paths.node[(closed_paths.score + self._log_next(closed_paths)[:, -1]).argmax()])


def decode_ordered(
    log_probabilities: np.ndarray,
    lengths: SegmentModel,
    order: ActionOrder,
    *,
    score_weight: float = 0.1,
    order_weight: float = 1.0,
    length_weight: float = 0.5,
    beam: int = 5,
) -> np.ndarray:
    """Finds the best segmentation of a whole video, its end included.

    Args:
        log_probabilities: of the classes, (T, C).
        lengths: see `OrderedDecoder`.
        order: see `OrderedDecoder`.
        score_weight: see `OrderedDecoder`.
        order_weight: see `OrderedDecoder`.
        length_weight: see `OrderedDecoder`.
        beam: see `OrderedDecoder`.

    Returns:
        the class of each frame, (T,).

    Raises:
        UserError: the shape is wrong, there is NaN, or `OrderedDecoder` refuses an option.
    """
    decoder = OrderedDecoder(
        lengths,
        order,
        score_weight=score_weight,
        order_weight=order_weight,
        length_weight=length_weight,
        beam=beam,
    )
    scores = checked_scores(log_probabilities, order.num_classes)
    parents = [decoder._advance(row) for row in scores]
    labels = np.empty(len(scores), dtype=int)
    end = len(scores)
    node = decoder._finish() if end else -1
    while end > 0:
        start, column = divmod(node, order.num_classes * beam)
        label, path = divmod(column, beam)
        labels[start:end] = label
        end, node = start, int(parents[start][label, path])
    return labels


def _no_paths(classes: int, shape: tuple[int, ...]) -> _Paths:
    return _Paths(
        np.full(shape, -np.inf),
        np.zeros(shape, dtype=np.int64),
        np.zeros((*shape, classes), dtype=np.int8),
        np.full(shape, classes),
        np.full(shape, -1),
    )


def _best_distinct(scores: np.ndarray, keys: np.ndarray, count: int) -> np.ndarray:
    """Finds the highest scores with different keys in each row; sets repeated scores to -inf.

    Args:
        scores: (R, N), N at least `count`; changed where a key is repeated.
        keys: (R, N).
        count: number of scores.

    Returns:
        indices, (R, count).
    """
    rows, likely = np.arange(len(scores))[:, None], min(scores.shape[1], _SORTED * count)
    indices = np.argpartition(-scores, likely - 1, axis=1)[:, :likely]
    indices = indices[rows, np.argsort(-scores[rows, indices], axis=1, kind="stable")]
    found = keys[rows, indices]
    again = (found[:, :, None] == found[:, None, :]).argmax(axis=2) != np.arange(likely)
    scores[rows, indices] = np.where(again, -np.inf, scores[rows, indices])
    return indices[rows, np.argsort(again, axis=1, kind="stable")[:, :count]]
