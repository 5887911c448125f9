"""Asks a model that `vidseq export` wrote about a video: `run_onnx.py FOLDER VIDEO QUESTION`. Needs no vidseq."""

import itertools
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from onnxruntime import InferenceSession


def main(folder: Path, video: str, question: str, task: str = "question") -> None:
    """Prints the most probable answers at the end of the video."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    start, cnn, step, ask = (
        InferenceSession(folder / f"{name}.onnx") for name in ("start", "cnn", "step", f"ask_{task}")
    )
    state, known = dict(zip(model["state"], start.run(None, {}))), model["words"]
    for picture in sampled(video, model["seconds"]):
        (features,) = cnn.run(None, {"images": resized(picture, model["images"])[None]})
        outputs = step.run(None, {"features": features, **state})  # labels of the frame, then the new state
        state = dict(zip(state, outputs[-len(state) :]))
    found = re.findall(known["pattern"], unicodedata.normalize("NFC", question.lower()))
    words = [known["vocabulary"].get(word, known["unknown"]) for word in found] or [known["none"]]
    scores = ask.run(None, {"words": np.array([words]), **state})[0][0]
    for index in np.argsort(-scores, kind="stable")[:5]:
        print(f"{np.exp(scores[index]):.4f} {model['answers'][task]['labels'][index]}")


def sampled(video: str, seconds: float) -> Iterator[np.ndarray]:
    """The picture on screen every so many seconds from the first frame on, uint8 (H, W, 3)."""
    with av.open(video) as container:
        first, taken, rate = None, 0, container.streams.video[0].average_rate or 1
        for shown, after in itertools.pairwise(itertools.chain(container.decode(video=0), [None])):
            assert shown is not None, "only what comes after the last is None"
            first = shown.time if first is None else first
            while taken * seconds < (after.time if after else shown.time + 1 / rate) - first - 5e-4:
                yield shown.to_ndarray(format="rgb24")
                taken += 1


def resized(picture: np.ndarray, images: dict) -> np.ndarray:
    """What the CNN sees: the middle square, or all of the picture, whose edges fill what it leaves."""
    old, new, shorter = np.array(picture.shape[:2]), np.array(images["sides"]), images["shorter_side"]
    sides = np.array(shorter * old / old.min() if shorter else np.clip(np.round(old * (new / old).min()), 1, new), int)
    for axis in (0, 1):
        distance = (np.arange(sides[axis])[:, None] + 0.5) * old[axis] / sides[axis] - np.arange(old[axis]) - 0.5
        weights = np.clip(1 - np.abs(distance) / max(1, old[axis] / sides[axis]), 0, None)
        picture = np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), picture, (1, axis)), 0, axis)
    (top, left), missing = np.round((sides - new) / 2).clip(0).astype(int), (new - sides).clip(0)
    picture = picture.round().astype(np.uint8)[top:, left:][: new[0], : new[1]]
    return np.pad(picture, [*((some // 2, some - some // 2) for some in missing), (0, 0)], "edge")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
