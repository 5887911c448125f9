"""Rows of a planted model that is right iff the evidence lies within its memory and its context, and else guesses.

Groups differ in how far back evidence lies and in how well guessing goes, so that queries of a group are alike. The
expected accuracy at every context is known in closed form.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from vidseq.evaluation.rows import make_rows

CONTEXTS = {
    "1f": 0.25,
    "1s": 1.0,
    "2s": 2.0,
    "4s": 4.0,
    "8s": 8.0,
    "16s": 16.0,
    "32s": 32.0,
    "64s": 64.0,
    "full": np.inf,
}


@dataclass(frozen=True)
class World:
    """How evidence and guesses are spread."""

    memory_seconds: float = 8.0
    """The model remembers nothing older."""
    median_reach: float = 5.0
    spread: float = 1.0
    """Of the logarithm of reach, within a group."""
    group_spread: float = 0.5
    """Of the logarithm of the median reach, and (times a fifth) of the share of right guesses, between groups."""
    chance: float = 0.3
    history: float = 100.0

    def accuracy(self, seconds: float) -> float:
        """Expected accuracy with a context, over groups and queries."""
        seen = min(seconds, self.memory_seconds)
        spread = np.hypot(self.spread, self.group_spread)
        within = stats.norm.cdf(np.log(seen / self.median_reach) / spread) if seen > 0 else 0.0
        return float(within + (1 - within) * self.chance)


def planted_rows(
    random: np.random.Generator,
    world: World | None = None,
    *,
    num_groups: int = 25,
    per_group: int = 30,
    num_seeds: int = 1,
    controls: bool = True,
) -> pd.DataFrame:
    """Draws a data set and answers it at every context of `CONTEXTS`, from a model trained with `num_seeds` seeds."""
    world = world or World()
    sizes = random.poisson(per_group, num_groups) + 1
    group = np.repeat(np.arange(num_groups), sizes)
    shift = random.normal(0, world.group_spread, num_groups)[group]
    reach = world.median_reach * np.exp(shift + random.normal(0, world.spread, len(group)))
    luck = np.clip(world.chance + random.uniform(-0.2, 0.2, num_groups) * world.group_spread, 0, 1)[group]
    tables = []
    for seed in range(num_seeds):
        guessed = random.uniform(size=len(group)) < luck
        for context, seconds in CONTEXTS.items():
            right = (reach <= min(seconds, world.memory_seconds)) | guessed
            tables.append(_rows(group, reach, right, context, seconds, "", seed, world.history))
        if controls:
            tables.append(_rows(group, reach, guessed, "0f", 0.0, "blind", seed, world.history))
            shuffled = reach <= world.memory_seconds
            tables.append(_rows(group, reach, shuffled | guessed, "full", np.inf, "shuffled", seed, world.history))
    return pd.concat(tables, ignore_index=True)


def _rows(group, reach, right, context, seconds, control, seed, history):
    number = len(group)
    return make_rows(
        {
            "run": f"planted-{seed}", "seed": seed, "head": "planted", "dataset": "planted", "split": "test",
            "mode": "given", "video": [f"v{g}" for g in group], "group": [f"g{g}" for g in group], "time": history,
            "kind": "question", "family": "planted", "question": None, "answer": "yes",
            "prediction": np.where(right, "yes", "no"), "correct": right, "rank": np.where(right, 1, 2), "score": 0.8,
            "answer_score": np.where(right, 0.8, 0.2), "query": [f"q{n}" for n in range(number)],
            "context": context, "context_seconds": seconds, "context_frames": int(min(seconds, history) * 4),
            "control": control, "history_seconds": history, "reach_seconds": reach, "evidence_age_seconds": reach,
            "certificate_seconds": 0.5, "cause": None, "tier": None, "pair": None, "ceiling": np.nan,
        }
    )  # fmt: skip
