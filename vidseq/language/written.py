"""Answers in words, with their log-probabilities."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """An answer in words, and the probability of the right one."""

    ranking: tuple[tuple[str, float], ...]
    """Texts with their log-probabilities, best first; for multiple choice, among the choices only."""
    answer_log_prob: float
    """Log-probability of the query's own answer, as text, its end included."""
    answer_tokens: int
    """Number of pieces of that answer, its end included."""

    @property
    def text(self) -> str:
        """The answer."""
        return self.ranking[0][0]
