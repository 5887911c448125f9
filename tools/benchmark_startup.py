"""Times how long `vidseq predict` takes from its start to its last answer on a clip of ten seconds.

Command:   python tools/benchmark_startup.py [--before CHECKOUT]
Cost:      two minutes on one CPU core.
Expected:  from the second run on at most 3.5 s on an idle machine.

The first run of a checkout finds no compiled network, later ones find that of the first. Checkouts take turns, and the
fastest run of each counts, because other programs can only slow it down. The import of torch alone is timed, too: no
run can be faster. The clip is generated, the model untrained; neither changes the time.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidseq.cli import run_script
from vidseq.video import VideoWriter

SECONDS, FPS, HEIGHT, WIDTH = 10, 25, 240, 320
TARGET_SECONDS = 3.5

#: Run by each checkout for itself, so that the model has its format.
MAKE_MODEL = """
import sys
from vidseq import ModelConfig, VideoReasoner, build_backbone, save_model

backbone = build_backbone(engine="openvino", device="cpu")
config = ModelConfig(
    feature_dim=backbone.dim,
    labels={"action": ("wave", "jump"), "answer": ("red", "blue")},
    tasks={"next_action": {}, "question": {}},
    fps="2",
    fingerprint=backbone.fingerprint(2),
)
save_model(VideoReasoner(config), sys.argv[1])
"""


class Cost(NamedTuple):
    """The cost of one process."""

    seconds: float
    cpu_seconds: float


def main(before: Path | None = None, runs: int = 3) -> None:
    """Measures and prints a table.

    Args:
        before: another checkout to compare with.
        runs: how often the second run is repeated.
    """
    checkouts = {"this": Path(__file__).parents[1]} | ({} if before is None else {"before": before.resolve()})
    with tempfile.TemporaryDirectory() as folder:
        clip = generate(Path(folder) / "clip.mp4")
        models = {name: make_model(checkout, Path(folder) / name) for name, checkout in checkouts.items()}
        costs: dict[str, list[Cost]] = {}
        for turn in range(1 + runs):
            for name, checkout in checkouts.items():
                words = ["-m", "vidseq.cli", "predict", str(clip), str(models[name]), "--device", "cpu"]
                row = f"{name}, {'second' if turn else 'first'} run"
                costs.setdefault(row, []).append(timed(checkout, models[name].parent, words))
            costs.setdefault("import torch", []).append(timed(checkouts["this"], Path(folder), ["-c", "import torch"]))
    print(table({name: Cost(*map(min, zip(*found))) for name, found in costs.items()}))


def generate(path: Path) -> Path:
    """Writes a clip of a stripe that moves over noise."""
    noise = np.random.default_rng(0).integers(0, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with VideoWriter(path, fps=FPS) as writer:
        for index in range(SECONDS * FPS):
            image = noise.copy()
            image[:, index : index + 40] = 255
            writer.write(image)
    return path


def make_model(checkout: Path, folder: Path) -> Path:
    """Makes an untrained model in the format of a checkout; returns its folder."""
    timed(checkout, folder, ["-c", MAKE_MODEL, str(folder / "model")])
    return folder / "model"


def timed(checkout: Path, folder: Path, words: list[str]) -> Cost:
    """Runs Python with the code of a checkout, and with a cache of its own in `folder`.

    Raises:
        SystemExit: the process failed.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(checkout),
        "VIDSEQ_CACHE": str(folder / "cache"),
    }
    started, cpu = time.perf_counter(), _children_seconds()
    done = subprocess.run([sys.executable, *words], env=environment, cwd=folder.parent, capture_output=True, text=True)
    cost = Cost(time.perf_counter() - started, _children_seconds() - cpu)
    if done.returncode:
        raise SystemExit(done.stderr)
    return cost


def table(costs: dict[str, Cost]) -> str:
    """Formats the rows, and compares the second run with the target and with the other checkout's."""
    lines = ["| | seconds | CPU seconds |", "|---|---|---|"]
    lines += [f"| {name} | {cost.seconds:.2f} | {cost.cpu_seconds:.2f} |" for name, cost in costs.items()]
    ratios = [("second run, seconds", costs["this, second run"].seconds, f"<= {TARGET_SECONDS:g}")]
    for run in ("first", "second"):
        if f"before, {run} run" in costs:
            other, own = costs[f"before, {run} run"], costs[f"this, {run} run"]
            ratios.append((f"before / this, {run} run", other.seconds / own.seconds, ""))
            ratios.append((f"before / this, {run} run, CPU", other.cpu_seconds / own.cpu_seconds, ""))
    lines += ["", "| | measured | target |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {target} |" for name, value, target in ratios]
    return "\n".join(lines)


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    run_script(main)
