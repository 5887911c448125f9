"""Counts the features a second of each kind of backbone, with random weights, on one core.

    python tools/benchmark_backbones.py                         # tiny and real shapes; needs vidseq[backbones]
    python tools/benchmark_backbones.py --only hf:dinov2 --engines torch openvino --repeats 5

Nothing is downloaded: models of transformers are made of configs that are written to a temporary folder. A rate is of
CPU time with one thread, which other programs affect less than wall-clock time; the fastest of the repeats counts.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidseq.features import Backbone, build_backbone

TINY: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BASE: dict[str, Any] = {}
SMALL: dict[str, Any] = {"hidden_size": 384, "num_attention_heads": 6}


@dataclass(frozen=True)
class Subject:
    """A backbone of one kind and shape."""

    kind: str
    shape: str
    backbone: str
    """Its name; of transformers, that of a function below, with the options of the config."""
    options: dict[str, Any]


SUBJECTS = (
    Subject("named", "real", "efficientnet_lite0", {}),
    Subject("named", "real", "efficientnet_lite2", {}),
    Subject("torchvision", "tiny", "torchvision:shufflenet_v2_x0_5", {}),
    Subject("torchvision", "real", "torchvision:vit_b_16", {}),
    Subject("timm", "tiny", "timm:test_vit", {}),
    Subject("timm", "real", "timm:vit_small_patch16_224", {}),
    Subject("hf:dinov2", "tiny", "dinov2", {**TINY, "image_size": 56}),
    Subject("hf:dinov2", "real", "dinov2", {**SMALL, "image_size": 224}),
    Subject("hf:clip", "tiny", "clip", {**TINY, "intermediate_size": 64, "image_size": 32}),
    Subject("hf:clip", "real", "clip", BASE),
    Subject("hf:siglip", "tiny", "siglip", {**TINY, "intermediate_size": 64, "image_size": 32}),
    Subject("hf:siglip", "real", "siglip", BASE),
    Subject("hf:videomae", "tiny", "videomae", {**TINY, "intermediate_size": 64, "image_size": 32}),
    Subject("hf:videomae", "real", "videomae", BASE),
    Subject("hf:vjepa2", "tiny", "vjepa2", {**TINY, "crop_size": 32, "frames_per_clip": 16}),
    Subject("hf:vjepa2", "real", "vjepa2", {"frames_per_clip": 16}),
)


def write_model(model: str, options: dict[str, Any], folder: Path) -> None:
    """Writes the config and the processor of a model of transformers."""
    import transformers

    square = {"height": 224, "width": 224}
    sides = {name: options.get("image_size", 224) for name in square}
    cut: dict[str, Any] = {"size": {"shortest_edge": sides["height"]}, "crop_size": sides}
    makers: dict[str, Callable[[], tuple[Any, Any]]] = {
        "dinov2": lambda: (transformers.Dinov2Config(**options), transformers.BitImageProcessor(**cut)),
        "clip": lambda: (transformers.CLIPVisionConfig(**options), transformers.CLIPImageProcessor(**cut)),
        "siglip": lambda: (
            transformers.SiglipVisionConfig(**options),
            transformers.SiglipImageProcessor(size=sides),
        ),
        "videomae": lambda: (transformers.VideoMAEConfig(**options), transformers.VideoMAEImageProcessor(**cut)),
        "vjepa2": lambda: (
            transformers.VJEPA2Config(**options),
            transformers.VJEPA2VideoProcessor(
                size={"shortest_edge": options.get("crop_size", 256)},
                crop_size={name: options.get("crop_size", 256) for name in square},
            ),
        ),
    }
    for part in makers[model]():
        part.save_pretrained(folder)


def make(subject: Subject, engine: str, folder: Path) -> Backbone:
    """Makes a subject's backbone with random weights."""
    name = subject.backbone
    if subject.kind.startswith("hf:"):
        place = folder / f"{name}_{subject.shape}"
        write_model(name, subject.options, place)
        name = f"hf:{place}"
    return build_backbone(name, weights="random", engine=engine, device="cpu", batch_size=1, threads=1)


def rate(backbone: Backbone, repeats: int) -> float:
    """Features a second of CPU time, one at a time."""
    window = (backbone.window,) if backbone.window > 1 else ()
    shape = (1, *window, *backbone.size.output(720, 1280), 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    backbone(images)
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        backbone(images)
        seconds.append(time.process_time() - started)
    return 1 / min(seconds)


def rows(kinds: list[str], engines: list[str], repeats: int) -> Iterator[str]:
    """The rows of the table, as they are known."""
    yield "| kind | shape | pixels | samples | numbers | engine | features a second |"
    yield "|---|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        for subject in SUBJECTS:
            if kinds and subject.kind not in kinds:
                continue
            for engine in engines:
                made = make(subject, engine, Path(folder))
                yield (
                    f"| {subject.kind} | {subject.shape}: {subject.backbone} | {made.size.pixels} | {made.window} "
                    f"| {made.dim} | {engine} | {rate(made, repeats):.3g} |"
                )


def processor() -> str:
    """The name of the CPU, where the system says it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    """Reads the command line, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="kinds to measure, such as hf:clip; default: all")
    parser.add_argument("--engines", nargs="*", default=["torch"], help="torch, openvino or both")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, one thread, random weights, float32\n")
    for row in rows(options.only, options.engines, options.repeats):
        print(row, flush=True)


if __name__ == "__main__":
    main()
