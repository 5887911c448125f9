"""Calibrates the best model of a run on its validation split; see `vidseq.tasks.calibration`."""

import torch
from lightning_fabric import Fabric

from vidseq.checkpoint import load_model, save_model
from vidseq.clip_reader import output_of
from vidseq.files import atomic_write, csv_text
from vidseq.model import VideoReasoner
from vidseq.tasks.calibration import Calibration, ScoredAnswers, calibrate, join_answers
from vidseq.training.clips import Batch, ClipDataset
from vidseq.training.config import TrainConfig
from vidseq.training.losses import read_batch
from vidseq.training.run_folder import RunFolder
from vidseq.training.validation import Validation


def calibrate_best(fabric: Fabric, clip_dataset: ClipDataset, config: TrainConfig, folder: RunFolder) -> None:
    """Fits the temperatures and decisions of a run's best model; writes them into it, and `calibration.csv`.

    One process does it while the others wait. A kill leaves a run that is calibrated when it is resumed.

    Args:
        fabric: device, precision, processes.
        clip_dataset: the validation split.
        config: batch size and context length.
        folder: the run.
    """
    if fabric.is_global_zero:
        model = load_model(folder.best, fabric.device)
        answers = scored_answers(fabric, clip_dataset, config, model)
        found = {name: calibrate(part) for name, part in answers.items()}
        model.set_temperatures({name: part.temperature for name, part in found.items()})
        for name, part in answers.items():
            model.find_task(name).fit_decisions(part)
        save_model(model, folder.best)
        atomic_write(folder.calibration_file, _as_csv(found))
    fabric.barrier()


def scored_answers(
    fabric: Fabric, clip_dataset: ClipDataset, config: TrainConfig, model: VideoReasoner
) -> dict[str, ScoredAnswers]:
    """The scores of each task whose answers are classes; tasks without answers in the split are left out."""
    validation = Validation(fabric, clip_dataset, config, causal=model.config.causal, shared=False)
    parts: dict[str, list[ScoredAnswers]] = {}
    with torch.inference_mode():
        for batch in validation.batches():
            with fabric.autocast():
                for name, answers in _scored_answers(model, batch).items():
                    parts.setdefault(name, []).append(answers)
    joined = {name: join_answers(answers) for name, answers in parts.items()}
    return {name: answers for name, answers in joined.items() if len(answers.targets)}


def _scored_answers(model: VideoReasoner, batch: Batch) -> dict[str, ScoredAnswers]:
    outputs = read_batch(model, batch)
    found = {}
    for name, targets in batch.targets.items():
        answers = model.find_task(name).scored_answers(output_of(model, outputs, name), targets, batch.valid[name])
        if answers is not None:
            found[name] = ScoredAnswers(*(part.cpu() for part in answers))
    return found


def _as_csv(found: dict[str, Calibration]) -> str:
    rows = [["task", *Calibration._fields]]
    for name, part in found.items():
        rows.append([name, *(f"{value:.6g}" if isinstance(value, float) else str(value) for value in part)])
    return csv_text(rows)
