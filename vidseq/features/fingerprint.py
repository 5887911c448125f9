"""Fingerprints describe how features were made. Features with equal fingerprints can be mixed."""

import dataclasses
import hashlib
import json
import re
from fractions import Fraction

from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.files import parse_json
from vidseq.video.sampling import exact_rate

#: Increased when a change of the code changes the features.
FEATURES_VERSION = 1

#: Fields that fingerprints did not have at first; they enter the hash of a name where they differ from the default.
ADDED_FIELDS = frozenset({"tokens", "layer", "projection", "preprocessing", "window"})

#: Letters of a backbone's name in that of a folder; a longer one, such as a path, keeps its end.
MAX_NAME = 100

MAX_FPS = 10_000
"""Largest sampling rate, because the times of a video's samples must fit into memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """All settings that determine the features of a sample: one vector, or a vector a token."""

    backbone: str
    weights: str
    """Short SHA-256 of the weights file, "random-seed0" (by name only), or "external"."""
    input_size: int
    """Side of the square input of the CNN; 0 for external features."""
    resize: str
    """"crop": the centre square; "stretch": all of it as a square; "whole": the whole picture in its aspect ratio;
    "external": by other software."""
    pooling: str = "mean"
    """"mean", rows x columns such as "2x3", "own" (what the network itself pools) or "cls" (its first token)."""
    fps: str
    """Samples per second, as an exact rational such as "4" or "30000/1001"."""
    precision: str = "float32"
    engine: str = "torch"
    """The engine that ran the CNN: "torch", "openvino" or "external"."""
    decoder: str = "auto"
    """How the decoder was chosen. The video's sidecar names the decoder that read it."""
    version: int = FEATURES_VERSION
    tokens: int = 0
    """Tokens N of a sample, such as the cells of a grid; 0: one vector, no token axis."""
    layer: str = "last"
    """The feature map that is pooled: "last", an earlier one such as "stride16", or a module's name."""
    projection: str = ""
    """Short SHA-256 of the file of the projection (PCA) of each cell; "": none."""
    preprocessing: str = ""
    """How pictures are scaled and normalised where the model's own config says it; "": as the named CNN does."""
    window: int = 1
    """Samples that were read for each sample, up to it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", str(rational(self.fps)))

    @property
    def name(self) -> str:
        """A readable folder name, with a short hash of all fields that makes it unique.

        Features without a token axis, of the last layer and not projected, have the name that they always had.
        """
        values = dataclasses.asdict(self)
        added = {field.name: field.default for field in dataclasses.fields(self) if field.name in ADDED_FIELDS}
        hashed = {name: value for name, value in values.items() if name not in added or value != added[name]}
        digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]
        parts = [
            self.backbone if len(self.backbone) <= MAX_NAME else self.backbone[-MAX_NAME:],
            f"{self.input_size}{self.resize}",
            self.layer if "layer" in hashed else "",
            self.pooling,
            f"{self.tokens}tokens" if self.tokens else "",
            f"{self.window}window" if self.window > 1 else "",
            f"pca{self.projection}" if self.projection else "",
            f"{self.fps.replace('/', 'over')}fps",
            self.precision,
        ]
        readable = "-".join(part for part in parts if part)
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', readable)}-{digest}"

    def to_json(self) -> str:
        """Returns all fields as JSON, in a fixed order."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Fingerprint":
        """Reads a fingerprint from the text of `to_json`.

        Raises:
            DataError: the text is not JSON, or fields are missing, unknown or of another type.
        """
        try:
            values = parse_json(text)
            types = {field.name: field.type for field in dataclasses.fields(cls)}
            wrong = [name for name, value in values.items() if not isinstance(value, types[name])]  # type: ignore[arg-type]
            if not wrong:
                return cls(**values)
            reason = f"{wrong[0]} is {values[wrong[0]]!r}"
        except (ValueError, AttributeError) as error:
            reason = f"it is no JSON object ({error})"
        except KeyError as error:
            reason = f"field {error} is unknown"
        except TypeError as error:
            reason = str(error).split("__init__() ")[-1]
        raise DataError(f"Fingerprint cannot be read: {reason}. Make the features again.")

    def check(self, other: "Fingerprint") -> None:
        """Refuses features that were made in another way.

        In float32 the engines agree to about 1e-5 (a test checks it), so the engine may differ.

        Args:
            other: the fingerprint of the given features; `self` is the expected one.

        Raises:
            FingerprintError: a field differs; the message names the first one with both values.
        """
        interchangeable = self.precision == "float32" and "external" not in (self.engine, other.engine)
        for field in dataclasses.fields(self):
            wanted, got = getattr(self, field.name), getattr(other, field.name)
            if wanted != got and not (field.name == "engine" and interchangeable):
                raise FingerprintError(
                    f"Features expect {field.name} {wanted!r}, got {got!r}. "
                    "Make them again with that value, or use the model that belongs to them."
                )

    def matches(self, other: "Fingerprint") -> bool:
        """Whether `check` accepts `other`."""
        try:
            self.check(other)
        except FingerprintError:
            return False
        return True


def rational(fps: Fraction | float | str) -> Fraction:
    """Returns the exact rate that `fps` means, by the rule of sampling.

    Args:
        fps: frames per second; text such as "30000/1001" gives any rate exactly.

    Raises:
        UserError: the rate is not positive, or above `MAX_FPS`.
    """
    if not isinstance(fps, str):
        rate = exact_rate(fps)
    elif "e" in fps.lower():  # Fraction would compute "1e999999999" forever
        raise _no_rate(fps)
    else:
        try:
            rate = exact_rate(Fraction(fps))
        except (ValueError, ZeroDivisionError):
            raise _no_rate(fps) from None
    if rate > MAX_FPS:
        raise UserError(f"fps expects at most {MAX_FPS} frames a second, got {fps}.")
    return rate


def _no_rate(fps: str) -> UserError:
    return UserError(f"fps expects frames a second, got {fps!r}. Examples: '4', '30000/1001'.")
