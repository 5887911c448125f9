"""Starts a model from the weights of a trained one: for one's own data, or for a model with a new part."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vidseq.checkpoint import load_model
from vidseq.errors import UserError, unknown_name
from vidseq.language.vocabulary import UNKNOWN
from vidseq.model import VideoReasoner

_EMBEDDING = "encoder.embedding.weight"


def start_from(model: VideoReasoner, *folders: Path | str) -> list[str]:
    """Copies the weights of trained models where names and shapes agree, those of later models over earlier ones'.

    Words keep their vectors by name, whatever their order. A task is copied if both models have the same labels.

    Args:
        model: changed in place.
        folders: the trained models; a run, a folder, or the name of a shipped one.

    Returns:
        the names of the weights that were not copied and stay as they were drawn.

    Raises:
        ModelError: a folder holds no model.
        UserError: nothing of one fits.
    """
    copied = {name for folder in folders for name in _copy(model, folder)}
    return [name for name in model.state_dict() if name not in copied]


def _copy(model: VideoReasoner, folder: Path | str) -> list[str]:
    """Copies what fits; returns the names of the weights."""
    trained = load_model(folder, "cpu")
    own = model.state_dict()
    copied = {name: part for name, part in trained.state_dict().items() if _fits(name, part, own, model, trained)}
    if _EMBEDDING in own and trained.encoder is not None:
        rows = _word_rows(own[_EMBEDDING], model, trained)
        copied.update({} if rows is None else {_EMBEDDING: rows})
    if not copied:
        raise UserError(
            f"A start from {folder} expects a model of the same head and width, got one without any part in common. "
            f"Set head and dim as there ({trained.config.head}, {trained.config.dim})."
        )
    model.load_state_dict({**own, **copied})
    return [*copied]


def _fits(name: str, part: Tensor, own: dict[str, Tensor], model: VideoReasoner, trained: VideoReasoner) -> bool:
    if name == _EMBEDDING or name not in own or own[name].shape != part.shape:
        return False
    if not name.startswith("tasks."):
        return True
    task = name.split(".")[1]
    return model.find_task(task).labels == trained.find_task(task).labels


def _word_rows(rows: Tensor, model: VideoReasoner, trained: VideoReasoner) -> Tensor | None:
    """The vectors of words: those of the trained model where it knows the word; None: of another width."""
    assert trained.encoder is not None
    known = trained.encoder.embedding.weight
    if known.shape[1] != rows.shape[1]:
        return None
    known_index = {word: index for index, word in enumerate(trained.vocabulary.words, start=UNKNOWN + 1)}
    rows = rows.clone()
    with torch.no_grad():
        rows[UNKNOWN] = known[UNKNOWN]
        for index, word in enumerate(model.vocabulary.words, start=UNKNOWN + 1):
            if word in known_index:
                rows[index] = known[known_index[word]]
    return rows


def freeze(model: VideoReasoner, parts: Sequence[str]) -> None:
    """Keeps parts of a model, such as its head, as they are in training.

    Args:
        model: changed in place.
        parts: names of its modules.

    Raises:
        UserError: the model has no such part, or none is left to train.
    """
    known = {name: module for name, module in model.named_children() if any(True for _ in module.parameters())}
    for part in parts:
        if part not in known:
            raise unknown_name("part of this model", part, known)
        known[part].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"Training expects a part that is not frozen, got frozen={','.join(parts)}. Leave one out.")
