"""Times `vidseq features` against its own parts and against a plain loop, all in one run.

    python tools/benchmark_features.py                       # on a generated 720p video at 30 frames per second
    python tools/benchmark_features.py --source film.mp4 --backbone mobilenet_v3_small --weights random

Each row runs in its own process, which reports its peak resident memory. Rows take turns, and the fastest turn of each
counts, because other programs can only slow it down. It takes about two minutes for 20 s of video on 2 cores. Expected
on 2 free cores: "vidseq" reaches at least 0.85 of the slower of "decode" and "CNN", at least 4 times the plain loop,
and at least 1.8 times its own speed on one core.
"""

import argparse
import contextlib
import functools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vidseq.features import BackboneConfig, FeatureStore, extract_features, make_backbone
from vidseq.processes import all_values, run_jobs
from vidseq.video import VideoReader, VideoWriter, exact_rate, probe, resize, sample_times

HEIGHT, WIDTH, FPS = 720, 1280, 30
WARM_UP_SECONDS, COPIES = 0.5, 4
TARGET_OF_PARTS, TARGET_OF_PLAIN, TARGET_OF_ONE_CPU, TARGET_MEMORY_MB, TARGET_RESIZE = 0.85, 4.0, 1.8, 1500, 1.1


@dataclass(frozen=True)
class Job:
    """A measurement: sampling a video at a rate with a backbone, a number of times."""

    path: Path
    fps: float
    config: BackboneConfig
    workers: int = 1
    copies: int = 1
    cpus: int | None = None


@dataclass(frozen=True)
class Cost:
    """The cost of a job: sampled frames, wall-clock and CPU seconds, peak resident megabytes."""

    num_frames: int
    seconds: float
    cpu_seconds: float
    memory_mb: float

    @property
    def rate(self) -> float:
        """Sampled frames per second."""
        return self.num_frames / self.seconds


Timing = tuple[int, float, float]


def decode(job: Job) -> Timing:
    """Decodes the sampled frames at full size."""
    return _timed_sampling(VideoReader(job.path), job)


def decode_and_resize(job: Job) -> Timing:
    """Decodes the sampled frames at the input size of the CNN."""
    return _timed_sampling(VideoReader(job.path, size=make_backbone(job.config).size), job)


def cnn(job: Job) -> Timing:
    """Runs the CNN on frames in memory."""
    backbone = make_backbone(job.config)
    with VideoReader(job.path, size=backbone.size) as reader:
        images = next(reader.sample(job.fps, end=min(8.0, reader.info.duration_seconds), chunk=64)).images
    num = len(sample_times(probe(job.path).duration_seconds, job.fps))
    images = np.resize(images, (num, *images.shape[1:]))
    backbone(images[: backbone.batch_size])
    started = _now()
    backbone(images)
    return num, *(_now() - started)


def plain_loop(job: Job) -> Timing:
    """Runs a simple script: decord and eager torch, one frame at a time."""
    import decord

    plain = replace(job.config, engine="torch", precision="float32", batch_size=1, device="cpu")
    backbone = make_backbone(plain)
    started = _now()
    reader = decord.VideoReader(str(job.path))
    step = reader.get_avg_fps() / job.fps
    indices = [round(index * step) for index in range(int(len(reader) / step))]
    for index in indices:
        backbone(resize(reader[index].asnumpy()[None], backbone.size))
    return len(indices), *(_now() - started)


def vidseq_features(job: Job) -> Timing:
    """Runs `vidseq features` on several copies in order; the time includes the start of workers, not compilation."""
    backbone = make_backbone(job.config)
    backbone(np.zeros((job.config.batch_size, *backbone.size.output(HEIGHT, WIDTH), 3), np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore.create_in(folder, backbone.fingerprint(job.fps))
        videos = [(f"copy{index}", job.path) for index in range(job.copies)]
        started = _now()
        report = extract_features(videos, store, backbone, job.fps, workers=job.workers)
        taken = _now() - started
    if report.failed:
        raise SystemExit(report.summary())
    return report.num_frames, *taken


def measure(what: Callable[[Job], Timing], job: Job) -> Cost:
    """Runs one of the above in a new process, whose threads stay on the job's CPUs."""
    with _only(job.cpus):
        results = run_jobs(functools.partial(_in_process, what), {job.path.name: job}, 1, isolated=True)
        return all_values(results, "The benchmark")[job.path.name]


@contextlib.contextmanager
def _only(cpus: int | None) -> Iterator[None]:
    """Restricts this process, and those that it starts meanwhile, to a number of CPUs; None: no restriction."""
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:cpus]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def generate(path: Path, seconds: float) -> Path:
    """Writes a 720p video that is as hard to decode as real ones: moving texture, objects that cross it, noise."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 3, HEIGHT // 8, WIDTH // 4), dtype=np.float32))
    wall = torch.nn.functional.interpolate(coarse, (HEIGHT, 2 * WIDTH), mode="bicubic")[0].permute(1, 2, 0)
    background = (wall.clamp(0, 1) * 200).numpy().astype(np.uint8)
    grain = rng.integers(0, 12, (4, HEIGHT, WIDTH, 1), dtype=np.uint8)
    with VideoWriter(path, fps=FPS) as writer:
        for index in range(round(seconds * FPS)):
            left = index * 3 % WIDTH
            image = background[:, left : left + WIDTH] + grain[index % 4]
            for thing in range(6):
                top, side = 100 * thing, (index * (5 + 3 * thing)) % (WIDTH - 160)
                image[top : top + 160, side : side + 160] = 40 * thing
            writer.write(image)
    return path


def table(costs: dict[str, Cost], job: Job) -> str:
    """Formats the rows, and compares them with the targets."""
    info = probe(job.path)
    lines = [
        f"{info.width} x {info.height} {info.codec}, {info.duration_seconds:.0f} s, read by {info.decoder}; "
        f"{float(job.fps):g} frames per second; {job.config.backbone} {job.config.precision} on {job.config.engine}; "
        f"{torch.get_num_threads()} threads",
        "",
        "| | frames per second | times real time | CPU ms per frame | peak memory, MB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {cost.rate:.1f} | {cost.rate / float(job.fps):.1f} "
        f"| {1000 * cost.cpu_seconds / cost.num_frames:.1f} | {cost.memory_mb:.0f} |"
        for name, cost in costs.items()
    ]
    rate = {name: cost.rate for name, cost in costs.items()}
    slower = min(rate["decode"], rate["CNN"])
    ratios = [
        ("vidseq / slower of decode and CNN", rate["vidseq"] / slower, ">=", TARGET_OF_PARTS),
        ("vidseq / plain loop", rate["vidseq"] / rate["plain loop"], ">=", TARGET_OF_PLAIN),
        ("decode + resize / decode, time", rate["decode"] / rate["decode + resize"], "<=", TARGET_RESIZE),
        ("peak memory of vidseq, MB", costs["vidseq"].memory_mb, "<=", TARGET_MEMORY_MB),
    ]
    if "vidseq, one CPU" in rate:
        ratios.append(
            ("vidseq / vidseq on one CPU", rate["vidseq"] / rate["vidseq, one CPU"], ">=", TARGET_OF_ONE_CPU)
        )
    lines += ["", "| ratio | measured | target |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {sign} {target:g} |" for name, value, sign, target in ratios]
    if "vidseq, 2 processes" in rate:
        lines.append(f"| 2 processes / 1 process | {rate['vidseq, 2 processes'] / rate['vidseq']:.2f} | |")
    return "\n".join(lines)


def main() -> None:
    """Reads the command line, measures, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="a video file; default: a generated one")
    parser.add_argument("--seconds", type=float, default=20, help="length of the generated video")
    parser.add_argument("--fps", type=float, default=4, help="frames per second to sample")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--turns", type=int, default=3, help="runs of each row")
    parser.add_argument("--workers", action="store_true", help="also measure two processes")
    options = parser.parse_args()
    config = BackboneConfig(
        backbone=options.backbone, weights=options.weights, engine=options.engine, precision=options.precision
    )
    with tempfile.TemporaryDirectory() as folder:
        path = options.source or generate(Path(folder) / "generated.mp4", options.seconds)
        job = Job(path, options.fps, config)
        several = replace(job, copies=COPIES)
        rows: dict[str, tuple[Callable[[Job], Timing], Job]] = {
            "decode": (decode, job),
            "decode + resize": (decode_and_resize, job),
            "CNN": (cnn, job),
            "plain loop": (plain_loop, job),
            "vidseq": (vidseq_features, several),
        }
        if hasattr(os, "sched_setaffinity"):  # some systems do not let a process choose its CPUs
            rows["vidseq, one CPU"] = (vidseq_features, replace(several, cpus=1))
        if options.workers:
            rows["vidseq, 2 processes"] = (vidseq_features, replace(several, workers=2))
        turns = [{name: measure(*row) for name, row in rows.items()} for _ in range(options.turns)]
        print(table({name: min((turn[name] for turn in turns), key=lambda cost: cost.seconds) for name in rows}, job))


def _in_process(what: Callable[[Job], Timing], job: Job) -> Cost:
    num_frames, seconds, cpu_seconds = what(job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(num_frames, seconds, cpu_seconds, peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def _timed_sampling(reader: VideoReader, job: Job) -> Timing:
    torch.set_num_threads(1)  # one thread reads in `vidseq features` too; an idle second one would cost CPU time
    with reader:
        for _ in reader.sample(job.fps, end=WARM_UP_SECONDS):
            pass
        started = _now()
        num = sum(len(frames) for frames in reader.sample(exact_rate(job.fps), chunk=job.config.batch_size))
        taken = _now() - started
    return num, *taken


def _now() -> np.ndarray:
    """Returns wall-clock time and the CPU time of this process and its children, which other programs affect less."""
    times = os.times()
    return np.array([time.perf_counter(), times.user + times.system + times.children_user + times.children_system])


if __name__ == "__main__":
    main()
