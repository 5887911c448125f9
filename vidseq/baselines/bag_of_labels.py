"""The set of past labels, without their order. Where it does as well as a model, order is not used."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.control import PAST_LABELS
from vidseq.baselines.majority import Majority
from vidseq.data.schema import NEXT_ACTION

#: Steps of the fit, and queries in each.
_STEPS, _BATCH = 1500, 256
#: The weight of the majority's frequencies: no answer is impossible.
_FLOOR = 0.01


@dataclass(frozen=True)
class BagOfLabels(Baseline):
    """Answers from the set of past labels and the current one, by a linear softmax of the training segments."""

    name = "bag_of_labels"
    sees = "the labels of all past actions, in no order, and the last of them"
    needs = PAST_LABELS
    kinds = (NEXT_ACTION,)

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns log-probabilities (N, C)."""
        answers, log_floor = data.answers(), Majority().answer(data)
        known = [index for index, answer in enumerate(answers) if answer >= 0]
        if not known:
            return log_floor
        histories = [data.labels_before(data.training[index]) for index in known]
        columns = {label: index for index, label in enumerate(sorted({label for past in histories for label in past}))}
        model = _fit_bag([_bag(past, columns) for past in histories], answers[known], len(columns), len(data.classes))
        with torch.no_grad():
            logits = model(*_packed([_bag(data.labels_before(query), columns) for query in data.queries]))
        shares = logits.double().softmax(dim=-1).numpy()
        return np.log((1 - _FLOOR) * shares + _FLOOR * np.exp(log_floor))


def _bag(history: list[str], columns: dict[str, int]) -> list[int]:
    """Indices of weights: one for each label in the past, one more for the last label; 0 for an empty past."""
    known = [columns[label] for label in history if label in columns]
    return [*sorted({1 + column for column in known}), 1 + len(columns) + known[-1]] if known else [0]


def _packed(bags: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = np.cumsum([0, *(len(bag) for bag in bags[:-1])])
    return torch.tensor([index for bag in bags for index in bag]), torch.tensor(offsets)


def _fit_bag(bags: list[list[int]], answers: np.ndarray, num_labels: int, num_classes: int) -> nn.EmbeddingBag:
    """Fits a weight for each label and class, by AdamW on the negative log-likelihood."""
    generator = np.random.default_rng(0)
    model = nn.EmbeddingBag(1 + 2 * num_labels, num_classes, mode="sum")
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    targets = torch.from_numpy(answers)
    for _ in range(_STEPS):
        chosen = generator.integers(len(bags), size=min(_BATCH, len(bags)))
        loss = F.cross_entropy(model(*_packed([bags[index] for index in chosen])), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.requires_grad_(False)
