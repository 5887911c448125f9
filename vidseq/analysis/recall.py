"""Generated recall tasks: something is shown, time passes, and only then is it asked. Which head still knows?

Every task is read and then asked, like a video: frames x (B, T, C) first, then everything that a task can ask of them,
(B, Q, C), and every answer is one of a few classes. Questions do not see one another. `lag` counts the frames between
the last thing worth knowing and the questions.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: Channels: what is shown (symbols or a key), what belongs to it, a flag, noise.
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
    """A name tag is seen in one frame; its name is asked `lag` frames later."""
    return _shown(generator, _symbols(generator, batch, 1), lag)


def copy(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Four symbols are shown one after another; the one at each place is asked.

    Source: Graves et al., arXiv:1410.5401, section 4.1; here places are asked apart, and not to be written in turn.
    """
    return _shown(generator, _symbols(generator, batch, 4), lag)


def selective_copy(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Like `copy`, with the symbols strewn among as many frames of noise before the lag begins.

    Source: Gu and Dao, arXiv:2312.00752, section 3.1.
    """
    symbols = _symbols(generator, batch, 4)
    clips = _shown(generator, symbols, lag)
    num = symbols.shape[1]
    noise = _blank(generator, batch, num)
    mixed = torch.cat([clips.frames[:, :num], noise], dim=1)
    places = torch.stack([torch.randperm(2 * num, generator=generator) for _ in range(batch)])
    places[:, :num] = places[:, :num].sort(dim=1).values  # the symbols stay in order
    strewn = torch.empty_like(mixed).scatter_(1, places[..., None].expand_as(mixed), mixed)
    return Clips(torch.cat([strewn, clips.frames[:, num:]], dim=1), clips.questions, clips.answers)


def adding(generator: torch.Generator, batch: int, lag: int) -> Clips:
    """Every frame shows a number from 0 to 3, two are marked: one at the start, one half-way; their sum is asked.

    Source: Hochreiter and Schmidhuber 1997, section 5.4, with small whole numbers, so that the answer is a class.
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
    """Eight keys are shown, each with a symbol that belongs to it; the symbol of each key is asked.

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
"""The tasks by name: (generator, batch, lag) to clips."""


def _symbols(generator: torch.Generator, batch: int, num: int) -> Tensor:
    return torch.randint(SYMBOLS, (batch, num), generator=generator)


def _shown(generator: torch.Generator, symbols: Tensor, lag: int) -> Clips:
    """Symbols (B, N) in turn, then `lag` frames of nothing; the symbol at each place is asked."""
    batch, num = symbols.shape
    frames = _blank(generator, batch, num + lag)
    frames[:, :num, :SYMBOLS] = F.one_hot(symbols, SYMBOLS)
    frames[:, :num, _FLAG] = 1
    questions = _asking(batch, num)
    questions[..., SYMBOLS:_FLAG] = torch.eye(num, SYMBOLS)
    return Clips(frames, questions, symbols)


def _blank(generator: torch.Generator, batch: int, num_frames: int) -> Tensor:
    """Frames with noise in their noisy channels and nothing else."""
    noise = torch.randn(batch, num_frames, NOISE, generator=generator)
    return F.pad(noise, (CHANNELS - NOISE, 0))


def _asking(batch: int, num: int) -> Tensor:
    """The mark of a question: a flag of the other sign."""
    questions = torch.zeros(batch, num, CHANNELS)
    questions[..., _FLAG] = -1
    return questions
