"""How long answers take, in constant memory however many there are."""

import math

import numpy as np

#: The shortest and the longest latency that differ, in seconds, and the steps between: 1% each.
_SHORTEST, _LONGEST, _STEP = 1e-4, 1e4, 1.01


class Latencies:
    """Counts latencies in classes that are 1% wide."""

    def __init__(self) -> None:
        self._counts = np.zeros(math.ceil(math.log(_LONGEST / _SHORTEST, _STEP)) + 1, dtype=np.int64)
        self.longest = 0.0
        """The longest, in seconds."""

    def __len__(self) -> int:
        return int(self._counts.sum())

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.longest = max(self.longest, seconds)
        index = math.log(min(max(seconds, _SHORTEST), _LONGEST) / _SHORTEST, _STEP)
        self._counts[round(index)] += 1

    def quantile(self, part: float) -> float:
        """The latency, in seconds, that a part of all do not exceed; 0 if there are none."""
        if not len(self):
            return 0.0
        index = int(np.searchsorted(self._counts.cumsum(), max(1.0, part * len(self))))
        return min(_SHORTEST * _STEP**index, self.longest)

    def summary(self) -> str:
        """Median, 95% and longest, in words."""
        median, most = self.quantile(0.5), self.quantile(0.95)
        return f"median {_shown(median)}, 95% {_shown(most)}, longest {_shown(self.longest)}"


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
