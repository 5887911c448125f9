"""Exports a model as a folder of ONNX files and one JSON file that says how to use them."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vidseq import __version__
from vidseq.checkpoint import load_model
from vidseq.claims import refuse_existing, scratch_folder
from vidseq.errors import ModelError, UserError
from vidseq.features.base import Backbone
from vidseq.features.cnn import FeatureNetwork
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import BACKBONES
from vidseq.files import naming
from vidseq.heads import HEADS
from vidseq.language.vocabulary import PADDING, UNKNOWN, WORD_PATTERN
from vidseq.model import VideoReasoner
from vidseq.onnx.check import largest_difference
from vidseq.onnx.files import check_packages, write_constants, write_graph
from vidseq.onnx.graphs import AskGraph, CnnGraph, StateLayout, StepGraph
from vidseq.tasks import DenseTask, QueryTask, of_family
from vidseq.video.resizing import CROP_MARGIN

MODEL_FILE = "model.json"
#: Frames that the files are compared with the model on before the folder is written, and how far they may differ.
CHECKED_FRAMES, TOLERANCE = 48, 1e-3


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """The outcome of an export."""

    folder: Path
    files: dict[str, int]
    """The bytes of each file."""
    difference: float
    """The largest difference from torch, of log-probabilities."""
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Writes the report for a person, one fact a line."""
        sizes = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in self.files.items())
        checked = f"On {CHECKED_FRAMES} random frames they differ from torch by at most {self.difference:.0e}."
        return "\n".join([f"{self.folder}: {sizes}.", checked, *(f"note: {note}" for note in self.notes)])


def export_onnx(
    model_folder: Path | str,
    out: Path | str,
    *,
    frames: int = 1024,
    picture: tuple[int, int] = (640, 480),
    weights: str = "pretrained",
) -> ExportedModel:
    """Exports a model as ONNX files; the folder appears when all of it is there and has been compared with torch.

    Args:
        model_folder: folder of a run or model, or the name of a model that ships.
        out: the new folder.
        frames: what a head keeps whose state would grow without a limit; then the oldest frame goes.
        picture: width and height of the videos, for models that read whole pictures; others are fitted into it.
        weights: of the backbone, see `BackboneConfig`.

    Raises:
        UserError: the model sees the future, its head cannot be exported, the folder exists, a number does not fit, or
            a package is missing.
        ModelError: the model cannot be loaded.
    """
    out = Path(out)
    refuse_existing(out, "An export")
    if frames < 2:
        raise UserError(f"--frames expects at least 2, got {frames}.")
    if min(picture) < 1:
        raise UserError(f"--picture expects a width and a height of at least 1, got {picture[0]}x{picture[1]}.")
    check_packages()
    model = load_model(model_folder, device="cpu").requires_grad_(False)
    check_exportable(model)
    backbone = _backbone(model, weights)
    with naming(out), _new_folder(out) as folder:
        content = write_files(model, folder, frames)
        notes = [] if backbone is not None else [_why_no_cnn(model)]
        if content["left_out"]:
            notes.append(f"answers of {', '.join(content['left_out'])} are no classes, so they are not exported.")
        content["images"] = None if backbone is None else _write_cnn(backbone, folder, picture)
        difference = _checked(model, folder, content)
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return ExportedModel(folder=out, files=files, difference=difference, notes=tuple(notes))


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Yields a folder that takes its name when the block has ended without an error."""
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(parent, f".{out.name}") as temporary:
        folder = temporary / "finished"
        folder.mkdir()
        yield folder
        folder.rename(out)


def check_exportable(model: VideoReasoner) -> None:
    """Refuses a model whose step has no form that ONNX can hold.

    Raises:
        UserError: it sees the future, its head is not exportable, or it answers with nothing but words.
    """
    if not model.config.causal:
        raise UserError(
            "Export expects a causal model, whose step reads one frame, got one with causal=False, which sees the "
            "future. Train with causal=True."
        )
    if not model.head.exportable:
        able = ", ".join(sorted(name for name, head in HEADS.items() if head.exportable))
        raise UserError(f"Export expects one of the heads {able}, got {model.head.name}. Train one of them.")
    if not _dense(model) and not _asked(model)[0]:
        raise UserError(f"Export expects a task whose answers are classes, got {', '.join(model.tasks)}.")


def write_files(model: VideoReasoner, folder: Path, frames: int) -> dict[str, Any]:
    """Writes the step, the state before the first frame, and the answers of each task that is asked.

    Args:
        model: causal, on the CPU, in evaluation mode.
        folder: that is there.
        frames: see `export_onnx`.

    Returns:
        what the JSON file says of them.
    """
    layout, config = StateLayout(model, frames), model.config
    dense, (asked, left_out) = _dense(model), _asked(model)
    features = model.projection.mean[None]
    new_names = [f"new_{name}" for name in layout.start]
    write_constants(folder / "start.onnx", layout.start)
    write_graph(
        folder / "step.onnx",
        StepGraph(model, layout).eval(),
        {"features": features, "state": layout.start},
        [*(f"{name}_labels" for name in dense), *new_names],
    )
    for name in asked:
        words = features.new_full((1, 3), UNKNOWN).long()
        graph = AskGraph(model, layout, name).eval()
        write_graph(
            folder / answer_file(name), graph, {"words": words, "state": layout.start}, ["scores"], {"words": 1}
        )
    return {
        "format": "vidseq onnx",
        "version": 1,
        "vidseq": __version__,
        "head": {
            "name": config.head,
            "options": dict(config.head_options),
            "context_frames": model.head.context_frames,
        },
        "fps": config.fps,
        "seconds": None if config.fps is None else float(1 / Fraction(config.fps)),
        "fingerprint": None if config.fingerprint is None else asdict(config.fingerprint),
        "features": {"shape": [1, *model.frame_shape], "rounded_to": "float16"},
        "state": {
            name: {"new": f"new_{name}", "shape": list(part.shape), "dtype": str(part.dtype).split(".")[-1]}
            for name, part in layout.start.items()
        },
        "per_frame": {name: {"output": f"{name}_labels", **_task(model, name)} for name in dense},
        "answers": {name: {"file": answer_file(name), **_task(model, name)} for name in asked},
        "left_out": left_out,
        "words": {
            "pattern": WORD_PATTERN,
            "vocabulary": {word: index for index, word in enumerate(model.vocabulary.words, start=UNKNOWN + 1)},
            "unknown": UNKNOWN,
            "none": PADDING,
        },
    }


def answer_file(task: str) -> str:
    """The name of the file that answers for a task."""
    return f"ask_{task}.onnx"


def _dense(model: VideoReasoner) -> list[str]:
    return list(of_family(model.tasks.values(), DenseTask))


def _asked(model: VideoReasoner) -> tuple[list[str], list[str]]:
    """The tasks that are asked, those with answers of classes first."""
    asked = of_family(model.tasks.values(), QueryTask)
    able = [name for name, task in asked.items() if task.answer_classes]
    return able, [name for name in asked if name not in able]


def _task(model: VideoReasoner, name: str) -> dict[str, Any]:
    task = model.find_task(name)
    several = name in _dense(model) and model.dense_task(name).many_labels
    return {
        "labels": list(task.labels),
        "temperature": task.temperature,
        "several_labels": several,
        "needs_text": task.asked_in_words,
    }


def _backbone(model: VideoReasoner, weights: str) -> Backbone | None:
    """The backbone of a model's features; None: they came from elsewhere, or it is no network of torch."""
    wanted = model.config.fingerprint
    if wanted is None or wanted.backbone not in BACKBONES:
        return None
    engine = "torch" if wanted.precision == "float32" else "auto"
    backbone = backbone_like(wanted, model.feature_projection, weights=weights, engine=engine, device="cpu")
    return backbone if backbone.torch_network() is not None else None


def _why_no_cnn(model: VideoReasoner) -> str:
    made = "unknown" if model.config.fingerprint is None else f"of '{model.config.fingerprint.backbone}'"
    return f"the model's features are {made}, so there is no CNN to export: step.onnx expects them as input."


def _write_cnn(backbone: Backbone, folder: Path, picture: tuple[int, int]) -> dict[str, Any]:
    """Writes the CNN; returns what the JSON file says of its images."""
    network, size = backbone.torch_network(), backbone.size
    assert network is not None
    height, width = size.output(picture[1], picture[0])
    images = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    write_graph(folder / "cnn.onnx", CnnGraph(network).eval(), {"images": images}, ["features"])
    return {
        "file": "cnn.onnx",
        "backbone": backbone.name,
        "sides": [height, width],
        "resize": size.resize,
        "shorter_side": int(size.pixels * CROP_MARGIN) if size.resize == "crop" else None,
        "color": "rgb",
        **_normalisation(network),
    }


def _normalisation(network: nn.Module) -> dict[str, Sequence[float]]:
    """The mean and deviation of pixels, where they are known; the CNN's file applies them."""
    for module in network.modules():
        if isinstance(module, FeatureNetwork):
            return {"mean": module.mean.flatten().tolist(), "std": (1 / module.scale).flatten().tolist()}
    return {}


def _checked(model: VideoReasoner, folder: Path, content: dict[str, Any]) -> float:
    answers = {name: task["file"] for name, task in content["answers"].items()}
    difference = largest_difference(model, folder, answers, CHECKED_FRAMES)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"Export expects files that differ from torch by at most {TOLERANCE:g}, got {difference:.2g} with the "
            f"head {model.head.name}. Nothing is written. Use another version of torch."
        )
    return difference
