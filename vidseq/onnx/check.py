"""Compares exported files with the model that they came from, on random frames."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidseq.model import ModelState, VideoReasoner
from vidseq.onnx.files import Runner
from vidseq.tasks import DenseTask, of_family

#: Words of a random question.
NUM_WORDS = 5


def random_frames(model: VideoReasoner, num_frames: int, seed: int = 0) -> Tensor:
    """Frames that look like training features, (T, F) or (T, N, F)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(num_frames, *model.frame_shape, generator=generator)
    mean, std = model.projection.mean.cpu(), model.projection.std.cpu()
    return mean + std * drawn


@torch.inference_mode()
def largest_difference(
    model: VideoReasoner, folder: Path, answers: Mapping[str, str], num_frames: int, every: int = 8
) -> float:
    """Streams random frames through the model and through the exported files, one at a time.

    Args:
        model: on the CPU.
        folder: of the files.
        answers: the file of each task that is asked.
        num_frames: how many frames.
        every: frames from one question to the next one.

    Returns:
        the largest absolute difference of a log-probability, or of the state's `present`.
    """
    step, answering = Runner(folder / "step.onnx"), {task: Runner(folder / file) for task, file in answers.items()}
    state, before, worst = Runner(folder / "start.onnx")({}), model.init_state(1), 0.0
    dense, generator = of_family(model.tasks.values(), DenseTask), torch.Generator().manual_seed(1)
    for index, frame in enumerate(random_frames(model, num_frames)):
        y, before = model.step(frame[None, None], before)
        got = step({"features": frame[None].numpy(), **state})
        state = {name.removeprefix("new_"): part for name, part in got.items() if name.startswith("new_")}
        wanted = {f"{name}_labels": task.log_probabilities(task.decode(y))[:, 0] for name, task in dense.items()}
        if index % every == 0:
            words = torch.randint(1, len(model.vocabulary), (1, NUM_WORDS), generator=generator)
            for task, ask in answering.items():
                wanted[task] = _answer(model, before, words, task)
                got[task] = ask({"words": words.numpy(), **state})["scores"]
        pairs = [(got[name], part.numpy()) for name, part in wanted.items()]
        pairs.append((got["new_present"], before.present.numpy()))
        worst = max([worst, *(float(np.abs(one - other).max()) for one, other in pairs)])
    return worst


def _answer(model: VideoReasoner, state: ModelState, words: Tensor, task: str) -> Tensor:
    return model.find_task(task).log_probabilities(model.ask(words[:, None], state, task)[:, 0])
