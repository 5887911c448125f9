"""Compares an exported model with torch and OpenVINO: sizes, time of a frame, and what 8-bit weights of the CNN cost.

Command:   python tools/benchmark_onnx.py --data fresh --model classroom
Cost:      a few minutes on one CPU core.

Programs take turns on the same input, one thread each, and the fastest of several rounds counts, because other
programs can only slow them down. The CNN is quantised in two ways: "dynamic" measures each picture's ranges when it
runs, "static" takes them from pictures of the data set. What quantisation costs is the cosine distance of features,
and the accuracy of two families of questions on the first videos of the data set.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime import quantization

from vidseq import Dataset, Predictor, build_backbone, load_model
from vidseq.cli import run_script
from vidseq.onnx import export_onnx
from vidseq.video import Size, VideoReader

#: What stays in floating point: the pixels' mean and deviation, and the means of cells.
QUANTISED = ["Conv"]


def main(data: Path, model: str = "classroom", videos: int = 10, calibrate: int = 32, rounds: int = 20) -> None:
    """Measures and prints two tables.

    Args:
        data: a data set with videos and questions.
        model: folder of a run or model, or the name of one that ships.
        videos: how many videos of the data set are asked about.
        calibrate: pictures from which static quantisation takes its ranges.
        rounds: how often each program runs.
    """
    torch.set_num_threads(1)
    dataset = Dataset.load(data)
    names = sorted(dataset.videos)[:videos]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "onnx"
        export_onnx(model, folder, picture=picture_of(dataset, names[0]))
        pictures = {name: read_pictures(dataset, name, model) for name in names}
        some = np.concatenate([*pictures.values()])
        cnns = quantised(folder, some[:: max(1, len(some) // calibrate)][:calibrate])
        print(time_table(model, folder, cnns, some[:1], rounds))
        print(loss_table(model, dataset, cnns, pictures))


def picture_of(dataset: Dataset, name: str) -> tuple[int, int]:
    """The width and height of a video."""
    with VideoReader(path_of(dataset, name)) as reader:
        return reader.info.width, reader.info.height


def path_of(dataset: Dataset, name: str) -> Path:
    """The file of a video."""
    path = dataset.video_path(name)
    if path is None:
        raise ValueError(f"{name} expects a video file, got none.")
    return path


def read_pictures(dataset: Dataset, name: str, model: str) -> np.ndarray:
    """The samples of a video at the model's rate, as its CNN sees them, uint8 (T, H, W, 3)."""
    config = load_model(model, "cpu").config
    assert config.fingerprint is not None
    size = Size(config.fingerprint.input_size, config.fingerprint.resize)  # type: ignore[arg-type]  # checked by Size
    with VideoReader(path_of(dataset, name), size=size) as reader:
        return np.concatenate([frames.images for frames in reader.sample(config.fps, chunk=64)])


def quantised(folder: Path, pictures: np.ndarray) -> dict[str, Path]:
    """Writes the CNN with 8-bit numbers; returns all forms of it by name."""
    plain = folder / "cnn.onnx"
    fused = folder / "fused.onnx"  # batch norms become part of convolutions, which can then be quantised
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(fused)
    onnxruntime.InferenceSession(plain, options)
    dynamic, static = folder / "dynamic.onnx", folder / "static.onnx"
    quantization.quantize_dynamic(
        fused, dynamic, op_types_to_quantize=QUANTISED, weight_type=quantization.QuantType.QUInt8
    )
    quantization.quantize_static(fused, static, Pictures(pictures), op_types_to_quantize=QUANTISED, per_channel=True)
    return {"float32": plain, "int8, dynamic": dynamic, "int8, static": static}


class Pictures(quantization.CalibrationDataReader):
    """Gives pictures uint8 (N, H, W, 3) one by one."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._left: Iterator[np.ndarray] = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next picture; None behind the last."""
        picture = next(self._left, None)
        return None if picture is None else {"images": picture[None]}


def session(path: Path) -> Any:
    """Opens a file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def time_table(model: str, folder: Path, cnns: dict[str, Path], picture: np.ndarray, rounds: int) -> str:
    """Milliseconds of a frame and megabytes, a row a program."""
    programs = {**cnn_programs(model, cnns, picture), **step_programs(model, folder)}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    sizes = {f"CNN, onnxruntime, {name}": path for name, path in cnns.items()}
    sizes["step, onnxruntime"] = folder / "step.onnx"
    rows = [
        f"| {name} | {min(each):.2f} | {f'{sizes[name].stat().st_size / 1e6:.1f}' if name in sizes else '–'} |"
        for name, each in times.items()
    ]
    return "\n".join(["| one frame | ms | MB |", "|---|---:|---:|", *rows, ""])


def cnn_programs(model: str, cnns: dict[str, Path], picture: np.ndarray) -> dict[str, Callable[[], object]]:
    """What makes the features of one picture."""
    wanted = load_model(model, "cpu").config.fingerprint
    assert wanted is not None
    programs: dict[str, Callable[[], object]] = {}
    for engine in ("torch", "openvino"):
        backbone = build_backbone(
            wanted.backbone, engine=engine, pooling=wanted.pooling, tokens=wanted.tokens > 0, layer=wanted.layer,
            resize=wanted.resize, input_size=wanted.input_size, device="cpu", threads=1,
        )  # fmt: skip
        programs[f"CNN, {engine}"] = lambda backbone=backbone: backbone(picture)
    for name, path in cnns.items():
        opened = session(path)
        programs[f"CNN, onnxruntime, {name}"] = lambda opened=opened: opened.run(None, {"images": picture})
    for run in programs.values():
        run()
    return programs


def step_programs(model: str, folder: Path) -> dict[str, Callable[[], object]]:
    """What reads one frame's features, from a state before the first frame."""
    reasoner, step = load_model(model, "cpu"), session(folder / "step.onnx")
    features = reasoner.projection.mean[None]
    names = [item.name for item in step.get_inputs()][1:]
    given = {"features": features.numpy(), **dict(zip(names, session(folder / "start.onnx").run(None, {})))}
    state = reasoner.init_state(1)

    def torch_step() -> None:
        with torch.inference_mode():
            reasoner.step(features[None], state)

    return {"step, torch": torch_step, "step, onnxruntime": lambda: step.run(None, given)}


def loss_table(model: str, dataset: Dataset, cnns: dict[str, Path], pictures: dict[str, np.ndarray]) -> str:
    """Cosine distance of features from float32, and accuracy, a row a form of the CNN."""
    predictor, fps = Predictor(load_model(model, "cpu")), load_model(model, "cpu").config.fps
    families = ("color_now", "color_then")
    rows, plain = [], {}
    for form, path in cnns.items():
        opened, right = session(path), {family: [] for family in families}
        distances: list[float] = []
        for name, images in pictures.items():
            features = np.concatenate([opened.run(None, {"images": image[None]})[0] for image in images])
            distances.append(cosine_distance(plain.setdefault(name, features), features))
            times = np.arange(len(features)) / float(fps or 1)
            for family in families:
                right[family] += answers_right(predictor, dataset, name, family, features, times)
        shares = " | ".join(f"{100 * np.mean(each):.1f}" for each in right.values())
        rows.append(f"| {form} | {np.mean(distances):.4f} | {shares} |")
    counts = ", ".join(f"{family} ({len(each)})" for family, each in right.items())
    return "\n".join([f"| CNN | cosine distance | {counts.replace(', ', ' | ')} |", "|---|---:|---:|---:|", *rows, ""])


def cosine_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The mean of 1 - cosine over frames (T, ...)."""
    one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float((1 - (one * other).sum(1) / lengths).mean())


def answers_right(
    predictor: Predictor, dataset: Dataset, name: str, family: str, features: np.ndarray, times: np.ndarray
) -> Sequence[bool]:
    """Whether each question of a family about a video is answered right."""
    asked = [query for query in dataset.queries_of(name) if query.family == family and query.time >= times[0]]
    if not asked:
        return []
    classes = predictor.classes(predictor.task_for(asked[0].kind))
    scores = predictor.predict(features, times, asked)
    return [classes[int(np.argmax(row))] == query.answer for row, query in zip(scores, asked)]


if __name__ == "__main__":
    run_script(main)
