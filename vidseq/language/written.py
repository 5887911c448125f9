"""What a model has written: answers in words, with their log-probabilities."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """An answer in words, and how likely the right one was."""

    ranking: tuple[tuple[str, float], ...]
    """Texts with their log-probabilities, best first; of multiple choice, among the choices alone."""
    answer_log_prob: float
    """Log-probability of the query's own answer, as text, its end included."""
    answer_tokens: int
    """In how many pieces that answer is written, its end included."""

    @property
    def text(self) -> str:
        """The answer."""
        return self.ranking[0][0]
