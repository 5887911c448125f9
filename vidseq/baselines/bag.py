"""Bag of history: the past without its order, plus the present. Where it does as well as a model, order is not
used."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from vidseq.baselines.baseline_data import BaselineData, family_of
from vidseq.baselines.counts import majority
from vidseq.data.schema import Query

#: Fewer training queries with one text are not learnt from.
_MIN_EXAMPLES = 20
#: As many are enough, and keep the memory of many classes bounded.
_MAX_EXAMPLES = 10_000
_MAX_COMPONENTS = 64
#: Of steps, and of queries a step, in fitting the bag of labels.
_STEPS, _BATCH = 1500, 256
#: How much the majority's frequencies count, so that no answer is impossible.
_FLOOR = 0.01


def bag_of_labels(data: BaselineData) -> np.ndarray:
    """Answers from the set of past labels and the one going on, by a linear softmax fitted on the training segments.

    Returns:
        log-probabilities (N, C).
    """
    answers = data.answers()
    known = [number for number, answer in enumerate(answers) if answer >= 0]
    scores = majority(data)
    if not known:
        return scores
    histories = [data.labels_before(data.training[number]) for number in known]
    places = {label: number for number, label in enumerate(sorted({label for past in histories for label in past}))}
    model = _fit_bag([_bag(past, places) for past in histories], answers[known], len(places), len(data.classes))
    with torch.no_grad():
        logits = model(*_packed([_bag(data.labels_before(query), places) for query in data.queries]))
    return _with_floor(logits.double().softmax(dim=-1).numpy(), scores)


def bag_of_frames(data: BaselineData) -> np.ndarray:
    """Answers from the mean of the past frames' features and the newest frame's, by logistic regression.

    One model for each text of a question, on at most 64 principal components; questions whose text is rare in training
    get the majority answer of their family.

    Returns:
        log-probabilities (N, C).
    """
    scores, answers = majority(data), data.answers()
    of_text: dict[tuple[str, str | None], list[int]] = {}
    for number, query in enumerate(data.training):
        if answers[number] >= 0:
            of_text.setdefault(_text(query), []).append(number)
    asked: dict[tuple[str, str | None], list[int]] = {}
    for row, query in enumerate(data.queries):
        asked.setdefault(_text(query), []).append(row)
    for text, rows in asked.items():
        known = np.array(of_text.get(text, []), dtype=int)
        if len(known) > _MAX_EXAMPLES:
            known = np.sort(np.random.default_rng(0).choice(known, _MAX_EXAMPLES, replace=False))
        if len(known) >= _MIN_EXAMPLES and len(np.unique(answers[known])) > 1:
            told = np.stack([_summary(data, data.training[number]) for number in known])
            asked_of = np.stack([_summary(data, data.queries[row]) for row in rows])
            scores[rows] = _with_floor(_regress(told, answers[known], asked_of, len(data.classes)), scores[rows])
    return scores


def _text(query: Query) -> tuple[str, str | None]:
    return family_of(query), query.question


def _summary(data: BaselineData, query: Query) -> np.ndarray:
    features = np.asarray(data.past(query).features, np.float32)
    if not len(features):  # a training query before the first frame
        return np.zeros(2 * features.shape[1], np.float32)
    return np.concatenate([features.mean(axis=0), features[-1]])


def _regress(told: np.ndarray, answers: np.ndarray, asked: np.ndarray, num_classes: int) -> np.ndarray:
    scaler = StandardScaler().fit(told)
    told, asked = scaler.transform(told), scaler.transform(asked)
    if told.shape[1] > _MAX_COMPONENTS:
        components = min(_MAX_COMPONENTS, len(told) - 1)
        pca = PCA(components, random_state=0, svd_solver="randomized").fit(told)
        told, asked = pca.transform(told), pca.transform(asked)
    model = LogisticRegression(C=0.1, max_iter=2000).fit(told, answers)
    shares = np.zeros((len(asked), num_classes))
    shares[:, model.classes_] = model.predict_proba(asked)
    return shares


def _with_floor(shares: np.ndarray, log_floor: np.ndarray) -> np.ndarray:
    return np.log((1 - _FLOOR) * shares + _FLOOR * np.exp(log_floor))


def _bag(history: list[str], places: dict[str, int]) -> list[int]:
    """Word numbers: one for each label in the past, one more for the last; 0 for an empty past."""
    known = [places[label] for label in history if label in places]
    return [*sorted({1 + place for place in known}), 1 + len(places) + known[-1]] if known else [0]


def _packed(bags: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = np.cumsum([0, *(len(bag) for bag in bags[:-1])])
    return torch.tensor([word for bag in bags for word in bag]), torch.tensor(offsets)


def _fit_bag(bags: list[list[int]], answers: np.ndarray, num_labels: int, num_classes: int) -> nn.EmbeddingBag:
    """A weight for each label and class, by AdamW on the negative log-likelihood."""
    random = np.random.default_rng(0)
    model = nn.EmbeddingBag(1 + 2 * num_labels, num_classes, mode="sum")
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    targets = torch.from_numpy(answers)
    for _ in range(_STEPS):
        chosen = random.integers(len(bags), size=min(_BATCH, len(bags)))
        loss = F.cross_entropy(model(*_packed([bags[number] for number in chosen])), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.requires_grad_(False)
