"""From a score for each frame to segments, with a memory of all that was done: a beam over semi-Markov paths.

`segment_decoding` knows what a segment follows; here it also matters what came before that. The exact search over all
sets of done actions is out of reach, so for each class the best few paths that have done different things are kept,
and of those that have done the same only the best: an exact search over times, a beam over histories.
"""

from typing import NamedTuple

import numpy as np

from vidseq.errors import UserError
from vidseq.segmentation.action_order import MAX_SHARE_DONE, ActionOrder
from vidseq.segmentation.decoding import SegmentModel, checked_scores

#: So many paths for each one kept are sorted; most have done the same as another that began a few frames apart.
_SORTED = 16


class _Paths(NamedTuple):
    """Segmentations of all that came up to a frame, K of each class that the newest segment can have."""

    score: np.ndarray
    """(..., C, K); -inf where there are fewer."""
    key: np.ndarray
    """A number that two paths share if and only if they have done the same, and the same last (all but surely)."""
    done: np.ndarray
    """How often each class was done, at most `MAX_SHARE_DONE` times, int8 (..., C, K, C)."""
    last: np.ndarray
    """The last action that is not background; C: none."""
    node: np.ndarray
    """Which entry the newest segment began with: entries are numbered frame by frame."""


class OrderedDecoder:
    """Reads scores frame by frame and knows, after each, the best segmentation so far.

    Args:
        lengths: how long each class lasts, from training labels; what it knows of pairs is not used.
        order: what is done next, from training labels.
        score_weight: how much a frame's log-probability counts. Well below 1: neighbouring frames say the same thing.
        order_weight: how much the order counts.
        length_weight: how much lengths count.
        beam: paths with different histories that are kept for each class.

    Raises:
        UserError: weights that are no weights, or models of different classes.
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
        # Newest first: row k is where a segment of length k + 1 that includes the newest frame would start.
        self._open = _no_paths(classes, (0, classes, beam))
        self._ended = _no_paths(classes, (classes, beam))
        self._ended.score[0, 0] = 0  # the one path through no frame
        self._current = np.full(classes * beam, -1)

    def step(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Reads new frames; gives each the class that it has in the best segmentation of what came up to it.

        Args:
            log_probabilities: of the classes, (N, C).

        Returns:
            classes, (N,).

        Raises:
            UserError: another shape, or NaN.
        """
        scores = checked_scores(log_probabilities, self._order.num_classes)
        classes = []
        for row in scores:
            self._advance(row)
            alive = self._open.score + self._log_survival[: len(self._open.score)]
            classes.append(alive.max(axis=(0, 2)).argmax())
        return np.array(classes, dtype=int)

    def _advance(self, scores: np.ndarray) -> np.ndarray:
        """Reads one frame; gives the entry that each of the paths that now began a segment came from, (C, K)."""
        entered, parents = self._enter()
        self._open = _Paths(
            *(np.concatenate([new[None], old[: len(self._log_length) - 1]]) for new, old in zip(entered, self._open))
        )
        self._open = self._open._replace(score=self._open.score + self._score_weight * scores[:, None])
        self._ended = self._end()
        self._current = np.repeat(np.arange(self._order.num_classes), self._beam)
        self._frames += 1
        return parents

    def _enter(self) -> tuple[_Paths, np.ndarray]:
        """Begins a segment of every class behind the paths that have ended."""
        order, beam, ended = self._order, self._beam, self._all_ended()
        classes = order.num_classes
        scores = (ended.score[:, None] + self._log_next(ended)[:, :-1]).T
        all_classes = np.arange(classes)
        is_action = (all_classes != order.background)[:, None]
        done = np.repeat(ended.done[None], classes, axis=0)
        done[all_classes, :, all_classes] += is_action.astype(np.int8)
        done = np.minimum(done, np.int8(MAX_SHARE_DONE))
        last = np.where(is_action, all_classes[:, None], ended.last)
        keys = done @ self._codes[:classes] + self._codes[classes + last]
        rows, best = all_classes[:, None], _best_distinct(scores, keys, beam)
        numbers = (self._frames * classes + rows) * beam + np.arange(beam)
        entered = _Paths(scores[rows, best], keys[rows, best], done[rows, best], last[rows, best], numbers)
        return entered, ended.node[best]

    def _log_next(self, ended: _Paths) -> np.ndarray:
        """How likely each class is as the next segment behind N paths, and how likely the end is: (N, C + 1)."""
        order = self._order
        at_once, background_first = order.log_background[ended.last].T
        behind_background = self._current == order.background
        known = order.log_next(ended.done, ended.last) + np.where(behind_background, 0, at_once)[:, None]
        if order.background is not None:
            known[:, order.background] = background_first
        possible = self._current[:, None] != np.arange(order.num_classes + 1)
        return self._order_weight * known + np.where(possible, 0, -np.inf)

    def _all_ended(self) -> _Paths:
        """The paths that have ended, in one row: (C * K, ...)."""
        return _Paths(*(part.reshape(-1, *part.shape[2:]) for part in self._ended))

    def _end(self) -> _Paths:
        """Ends a segment of every class with the newest frame."""
        open_, beam = self._open, self._beam
        classes, length = self._order.num_classes, len(open_.score)
        closed = open_.score + self._log_length[:length]
        scores, keys = (part.transpose(1, 0, 2).reshape(classes, length * beam) for part in (closed, open_.key))
        best = _best_distinct(scores, keys, beam)
        rows = np.arange(classes)[:, None]
        start, place = best // beam, best % beam
        ended = _Paths(*(part[start, rows, place] for part in open_))
        return ended._replace(score=scores[rows, best])

    def _finish(self) -> int:
        """The entry that the newest segment of the best path began with, if nothing more comes."""
        ended = self._all_ended()
        return int(ended.node[(ended.score + self._log_next(ended)[:, -1]).argmax()])


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
        lengths: see `OrderedDecoder`, as the others.
        order: what is done next.
        score_weight: of frames.
        order_weight: of the order.
        length_weight: of lengths.
        beam: paths that are kept for each class.

    Returns:
        the class of each frame, (T,).

    Raises:
        UserError: another shape, NaN, or what `OrderedDecoder` does not take.
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
        start, place = divmod(node, order.num_classes * beam)
        label, path = divmod(place, beam)
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
    """The places of the highest scores of different keys in each row; scores there become -inf beyond those.

    Args:
        scores: (R, N), N at least `count`; changed where a key comes again.
        keys: (R, N).
        count: how many.

    Returns:
        places, (R, count).
    """
    rows, likely = np.arange(len(scores))[:, None], min(scores.shape[1], _SORTED * count)
    places = np.argpartition(-scores, likely - 1, axis=1)[:, :likely]
    places = places[rows, np.argsort(-scores[rows, places], axis=1, kind="stable")]
    found = keys[rows, places]
    again = (found[:, :, None] == found[:, None, :]).argmax(axis=2) != np.arange(likely)
    scores[rows, places] = np.where(again, -np.inf, scores[rows, places])
    return places[rows, np.argsort(again, axis=1, kind="stable")[:, :count]]
