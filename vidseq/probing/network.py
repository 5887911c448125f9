"""The small probe: a network that knows the question, and looks at the cells of a frame with it."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.language.question import pad_tokens
from vidseq.language.vocabulary import Vocabulary
from vidseq.probing.linear import held_out
from vidseq.projection import MAX_DEVIATIONS

#: Steps of training; the state that answered most of the held-out groups counts.
STEPS = 400
_BATCH = 64
_EVALUATE_EVERY = 25


class QuestionLooksAtCells(nn.Module):
    """The question attends to the cells of a frame, and a small network answers from what it saw.

    Args:
        num_words: word ids of questions.
        tokens: cells N.
        dim: width F of a cell.
        num_classes: answers C.
        width: width of the hidden layers.
        heads: of the attention.
    """

    def __init__(
        self, num_words: int, tokens: int, dim: int, num_classes: int, *, width: int = 64, heads: int = 4
    ) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(num_words, width, mode="mean", padding_idx=0)
        self.cells = nn.Sequential(nn.Linear(dim, width), nn.GELU())
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        hidden = nn.Sequential(nn.LayerNorm(2 * width), nn.Dropout(0.2), nn.Linear(2 * width, width), nn.GELU())
        self.answer = nn.Sequential(hidden, nn.Linear(width, num_classes))

    def forward(self, frames: Tensor, words: Tensor) -> Tensor:
        """Answers questions.

        Args:
            frames: (B, N, F).
            words: word ids (B, W), 0 behind the last one.

        Returns:
            logits (B, C).
        """
        question, cells = self.words(words), self.cells(frames) + self.positions
        seen, _ = self.attention(question[:, None], cells, cells, need_weights=False)
        return self.answer(torch.cat([seen[:, 0], question], dim=-1))


class NetworkProbe:
    """Trains `QuestionLooksAtCells`.

    Args:
        frames: training frames, (M, N, F), of any precision.
        texts: their questions, (M,).
        answers: their classes, whole numbers (M,).
        groups: the group of each, (M,); some are held out to choose when to stop.
        num_classes: of all classes.
        seed: of weights, batches and held-out groups.
        steps: of training.
    """

    def __init__(
        self,
        frames: np.ndarray,
        texts: Sequence[str],
        answers: np.ndarray,
        groups: np.ndarray,
        num_classes: int,
        *,
        seed: int = 0,
        steps: int = STEPS,
    ) -> None:
        self._vocabulary = Vocabulary.build(texts)
        self._mean = frames.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        self._std = np.maximum(frames.std(axis=(0, 1), dtype=np.float64), 1e-6).astype(np.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = QuestionLooksAtCells(len(self._vocabulary), frames.shape[1], frames.shape[2], num_classes)
            self._train(frames, self._encode(texts), answers, held_out(groups, seed), steps)

    def scores(self, frames: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Returns logits (Q, C) of frames (Q, N, F) with their questions."""
        return self._logits(frames, self._encode(texts))

    def _train(self, frames: np.ndarray, words: Tensor, answers: np.ndarray, held: np.ndarray, steps: int) -> None:
        network, rows, best = self._network, np.flatnonzero(~held), (-1.0, -np.inf)
        kept = copy.deepcopy(network.state_dict())
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
        for step in range(1, steps + 1):
            network.train()
            drawn = torch.from_numpy(rows)[torch.randint(len(rows), (_BATCH,))].numpy()
            logits = network(self._standardise(frames[drawn]), words[drawn])
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(answers[drawn]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if held.any() and (step % _EVALUATE_EVERY == 0 or step == steps):
                quality = _quality(self._logits(frames[held], words[held]), answers[held])
                if quality > best:
                    best, kept = quality, copy.deepcopy(network.state_dict())
        if held.any():
            network.load_state_dict(kept)
        network.eval()

    @torch.inference_mode()
    def _logits(self, frames: np.ndarray, words: Tensor) -> np.ndarray:
        self._network.eval()
        parts = [
            self._network(self._standardise(frames[start : start + _BATCH]), words[start : start + _BATCH]).numpy()
            for start in range(0, len(frames), _BATCH)
        ]
        return np.concatenate(parts)

    def _standardise(self, frames: np.ndarray) -> Tensor:
        scaled = (np.asarray(frames, np.float32) - self._mean) / self._std
        return torch.from_numpy(scaled.clip(-MAX_DEVIATIONS, MAX_DEVIATIONS))

    def _encode(self, texts: Sequence[str]) -> Tensor:
        return pad_tokens([self._vocabulary.encode(text) for text in texts])


def _quality(logits: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """How many answers are right; of equals, the likelihood decides."""
    likelihood = torch.from_numpy(logits).log_softmax(dim=-1).numpy()[np.arange(len(answers)), answers]
    return float((logits.argmax(axis=1) == answers).mean()), float(likelihood.mean())
