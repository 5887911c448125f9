"""What may happen from a time on, as rows: one for each action to come."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vidseq.data.action_sequences import KIND, Future, actions_at
from vidseq.inference.predictions import Prediction

#: How many futures are drawn to tell how likely the likeliest one's actions are.
NUM_FUTURES = 50


def future_rows(video: str, time: float, likeliest: Future, drawn: Sequence[Future], top: int) -> list[Prediction]:
    """One row for each action of the likeliest future.

    Args:
        video: name for the rows.
        time: from when on, in seconds; what goes on then comes first.
        likeliest: the future that is told.
        drawn: many; the probability of an action is the share of them that agree in the middle of its time. Empty
            ones have no say.
        top: how many labels are ranked.
    """
    rows, start = [], 0.0
    for label, seconds in likeliest:
        shares = label_shares(drawn, start + seconds / 2)
        rows.append(
            Prediction(
                video=video,
                time=time + start,
                end=time + start + seconds,
                kind=KIND,
                question=f"What happens from {time:.3f} s on?",
                answer=label,
                probability=dict(shares).get(label, 0.0),
                ranking=shares[:top],
            )
        )
        start += seconds
    return rows


def label_shares(futures: Sequence[Future], after: float) -> tuple[tuple[str, float], ...]:
    """How large a share of futures says each label at a time, most first; what lies behind a future's end stays.

    Args:
        futures: any; empty ones are left out.
        after: seconds from now.
    """
    now = np.array([after])
    said = Counter(future[int(actions_at(future, now)[0])][0] for future in futures if future)
    return tuple((label, count / said.total()) for label, count in said.most_common())
