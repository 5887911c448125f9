"""What is traced: a model's step with its state as named tensors, its answers, and the CNN before it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vidseq.model import ModelState, VideoReasoner
from vidseq.tasks import DenseTask, of_family


class StateLayout:
    """A model's state as a list of named tensors, whose shapes never change.

    Tensors that hold nothing, such as the tokens of features without a token axis, are left out.

    Args:
        model: a causal model.
        frames: what a head keeps whose state would grow without a limit.
    """

    def __init__(self, model: VideoReasoner, frames: int) -> None:
        first = model.init_state(1)
        self._start = ModelState(model.head.fixed_state(frames), first.present, first.tokens)
        self.start = {name: part for name, part in _named(self._start).items() if part.numel()}
        """The state before the first frame: tensors (1, ...) by name."""

    def join(self, parts: Sequence[Tensor]) -> ModelState:
        """Makes a state of its tensors, in the order of `start`."""
        given = dict(zip(self.start, parts))
        whole = {
            name: given[name] if name in given else torch.zeros(part.shape, dtype=part.dtype)
            for name, part in _named(self._start).items()
        }
        present, tokens = whole.pop("present"), whole.pop("tokens")
        return ModelState(type(self._start.memory)(**whole), present, tokens)

    def split(self, state: ModelState) -> list[Tensor]:
        """Undoes `join`."""
        named = _named(state)
        return [named[name] for name in self.start]


def _named(state: ModelState) -> dict[str, Tensor]:
    return {**state.memory._asdict(), "present": state.present, "tokens": state.tokens}


class StepGraph(nn.Module):
    """Reads one frame.

    Args:
        model: a causal model.
        layout: of its state.
    """

    def __init__(self, model: VideoReasoner, layout: StateLayout) -> None:
        super().__init__()
        self.model, self._layout = model, layout
        self._dense = of_family(model.tasks.values(), DenseTask)

    def forward(self, features: Tensor, state: Sequence[Tensor]) -> list[Tensor]:
        """Reads features (1, F), or (1, N, F) with a token axis.

        Returns:
            log-probabilities (1, C) of the frame's classes for each task that labels frames; then the new state.
        """
        y, new = self.model.step(features[:, None], self._layout.join(state))
        labels = [task.log_probabilities(task.decode(y))[:, 0] for task in self._dense.values()]
        return [*labels, *self._layout.split(new)]


class AskGraph(nn.Module):
    """Answers a question from a state.

    Args:
        model: a causal model.
        layout: of its state.
        task: the name of the task that answers.
    """

    def __init__(self, model: VideoReasoner, layout: StateLayout, task: str) -> None:
        super().__init__()
        self.model, self._layout, self._task = model, layout, task

    def forward(self, words: Tensor, state: Sequence[Tensor]) -> Tensor:
        """Reads a question, word indices int64 (1, W), all 0 for no text; returns log-probabilities (1, C)."""
        scores = self.model.ask(words[:, None], self._layout.join(state), self._task)[:, 0]
        return self.model.find_task(self._task).log_probabilities(scores)


class CnnGraph(nn.Module):
    """Makes features of images, rounded as those on disk are, which models are trained on.

    Args:
        network: maps images uint8 (N, H, W, 3) to features.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images uint8 (1, H, W, 3) to features float32, (1, F) or (1, N, F)."""
        return self.network(images).half().float()
