"""Generates recall tasks: a clip shows symbols, frames without information follow, and then the head is asked.

Every task is read and then asked, like a video: first frames x (B, T, C), then all questions of the task (B, Q, C).
Each answer is one of a few classes. Questions do not see one another. `lag` is the number of frames between the last
frame with information and the questions.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: Channels: the symbol or key, the symbol that belongs to a key, a flag, noise.
SYMBOLS, NOISE = 8, 4
CHANNELS = 2 * SYMBOLS + 1 + NOISE
_FLAG = 2 * SYMBOLS


class Clips(NamedTuple):
    """Clips of one length with their questions."""

    frames: Tensor
    """(B, T, C)."""
    questions: Tensor
    """(B, Q, C)."""
    answers: Tensor
    """long (B, Q), below `SYMBOLS`."""


Draw = Callable[[torch.Generator, int, int], Clips]


def frank(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """One frame shows a name tag; the question asks its name `lag` frames later."""
    return _shown(generator, _symbols(generator, batch, 1), lag)


def copy(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Four frames show one symbol each; each question asks the symbol at one position.

    Source: Graves et al., arXiv:1410.5401, section 4.1; here: positions are asked separately, not written in order.
    """
    return _shown(generator, _symbols(generator, batch, 4), lag)


def selective_copy(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Like `copy`, with the symbols spread among as many frames of noise before the lag.

    Source: Gu and Dao, arXiv:2312.00752, section 3.1.
    """
    symbols = _symbols(generator, batch, 4)
    clips = _shown(generator, symbols, lag)
    num = symbols.shape[1]
    noise = _blank(generator, batch, num)
    mixed = torch.cat([clips.frames[:, :num], noise], dim=1)
    positions = torch.stack([torch.randperm(2 * num, generator=generator) for _ in range(batch)])
    positions[:, :num] = positions[:, :num].sort(dim=1).values  # the symbols stay in order
    spread = torch.empty_like(mixed).scatter_(1, positions[..., None].expand_as(mixed), mixed)
    return Clips(torch.cat([spread, clips.frames[:, num:]], dim=1), clips.questions, clips.answers)


def adding(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Every frame shows a number from 0 to 3; the question asks the sum of two marked ones, the first and one in the
    first half.

    Source: Hochreiter and Schmidhuber 1997, section 5.4; here: small whole numbers, so that the answer is a class.
    """
    numbers = torch.randint(4, (batch, lag + 2), generator=generator)
    marked = torch.zeros(batch, lag + 2)
    marked[:, 0] = 1
    marked.scatter_(1, torch.randint(1, max(2, lag // 2), (batch, 1), generator=generator), 1.0)
    frames = _blank(generator, batch, lag + 2)
    frames[..., :SYMBOLS] = F.one_hot(numbers, SYMBOLS)
    frames[..., _FLAG] = marked
    return Clips(frames, _asking(batch, 1), (numbers * marked).sum(dim=1, keepdim=True).long())


def associative(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Eight frames show a key with its symbol each; each question asks the symbol of one key.

    Source: Ba et al., arXiv:1610.06258, section 4.1.
    """
    keys = torch.stack([torch.randperm(SYMBOLS, generator=generator) for _ in range(batch)])
    values = _symbols(generator, batch, SYMBOLS)
    shown = _blank(generator, batch, SYMBOLS)
    shown[..., :SYMBOLS], shown[..., SYMBOLS:_FLAG] = F.one_hot(keys, SYMBOLS), F.one_hot(values, SYMBOLS)
    shown[..., _FLAG] = 1
    questions = _asking(batch, SYMBOLS)
    questions[..., :SYMBOLS] = torch.eye(SYMBOLS)
    answers = values.gather(1, keys.argsort(dim=1))
    return Clips(torch.cat([shown, _blank(generator, batch, lag)], dim=1), questions, answers)


TASKS: dict[str, Draw] = {
    "frank": frank,
    "copy": copy,
    "selective_copy": selective_copy,
    "adding": adding,
    "associative": associative,
}
"""The tasks by name; each maps (generator, batch, lag) to clips."""


def _symbols(generator: torch.Generator, batch: int, num: int) -> Tensor:
    return torch.randint(SYMBOLS, (batch, num), generator=generator)


def _shown(generator: torch.Generator, symbols: Tensor, lag: int) -> Clips:
    """Shows symbols (B, N), one per frame, then `lag` frames of noise; each question asks for one position."""
    batch, num = symbols.shape
    frames = _blank(generator, batch, num + lag)
    frames[:, :num, :SYMBOLS] = F.one_hot(symbols, SYMBOLS)
    frames[:, :num, _FLAG] = 1
    questions = _asking(batch, num)
    questions[..., SYMBOLS:_FLAG] = torch.eye(num, SYMBOLS)
    return Clips(frames, questions, symbols)


def _blank(generator: torch.Generator, batch: int, num_frames: int) -> Tensor:
    """Returns frames with only noise, in the noise channels."""
    noise = torch.randn(batch, num_frames, NOISE, generator=generator)
    return F.pad(noise, (CHANNELS - NOISE, 0))


def _asking(batch: int, num: int) -> Tensor:
    """Returns questions, which have a flag of the opposite sign."""
    questions = torch.zeros(batch, num, CHANNELS)
    questions[..., _FLAG] = -1
    return questions
