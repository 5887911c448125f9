"""What features were made with: two stores of one fingerprint hold features that can be mixed."""

import dataclasses
import hashlib
import json
import re
from fractions import Fraction

from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.video.sampling import exact_rate

#: Raised when the code that turns frames into features changes what it yields.
FEATURES_VERSION = 1

MAX_FPS = 10_000
"""More frames a second than anybody samples; the times of a video's samples must fit into memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """All that decides what a feature vector is."""

    backbone: str
    weights: str
    """Short SHA-256 of the weights file, "random-seed0" (by name only), or "external"."""
    input_size: int
    """Side of the square that the CNN sees, or would see; 0 for features made elsewhere."""
    resize: str
    """"crop": the centre square; "whole": all of the picture, its shape kept; "external": made elsewhere."""
    pooling: str = "mean"
    """"mean", or rows x columns such as "2x3"."""
    fps: str
    """Frames a second that were sampled, as an exact rational such as "4" or "30000/1001"."""
    precision: str = "float32"
    engine: str = "torch"
    """What ran the CNN: "torch", "openvino" or "external"."""
    decoder: str = "auto"
    """How the decoder was chosen; which one read a video stands in the video's own sidecar."""
    version: int = FEATURES_VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", str(rational(self.fps)))

    @property
    def name(self) -> str:
        """A folder name that can be read, made unique by a short hash of all fields."""
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()[:8]
        fps = self.fps.replace("/", "over")
        readable = f"{self.backbone}-{self.input_size}{self.resize}-{self.pooling}-{fps}fps-{self.precision}"
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', readable)}-{digest}"

    def to_json(self) -> str:
        """All fields as JSON, in a fixed order."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Fingerprint":
        """Reads what `to_json` wrote.

        Raises:
            DataError: not JSON, or fields are missing, unknown or of another type.
        """
        try:
            values = json.loads(text)
            types = {field.name: field.type for field in dataclasses.fields(cls)}
            wrong = [name for name, value in values.items() if not isinstance(value, types[name])]  # type: ignore[arg-type]
            if not wrong:
                return cls(**values)
            reason = f"{wrong[0]} is {values[wrong[0]]!r}"
        except (json.JSONDecodeError, AttributeError) as error:
            reason = f"it is no JSON object ({error})"
        except KeyError as error:
            reason = f"field {error} is unknown"
        except TypeError as error:
            reason = str(error).split("__init__() ")[-1]
        raise DataError(f"Fingerprint cannot be read: {reason}. Make the features again.")

    def check(self, other: "Fingerprint") -> None:
        """Refuses features that were made in another way.

        In float32 the engines agree to about 1e-5 (a test holds them to it), so there the engine may differ.

        Args:
            other: the fingerprint of the features that came; `self` is the one that is wanted.

        Raises:
            FingerprintError: names the first field that differs, with both values.
        """
        interchangeable = self.precision == "float32" and "external" not in (self.engine, other.engine)
        for field in dataclasses.fields(self):
            wanted, got = getattr(self, field.name), getattr(other, field.name)
            if wanted != got and not (field.name == "engine" and interchangeable):
                raise FingerprintError(
                    f"Features expect {field.name} {wanted!r}, got {got!r}. "
                    "Make them again in the wanted way, or use the model that goes with them."
                )

    def matches(self, other: "Fingerprint") -> bool:
        """Whether `check` would let `other` pass."""
        try:
            self.check(other)
        except FingerprintError:
            return False
        return True


def rational(fps: Fraction | float | str) -> Fraction:
    """The exact rate meant by `fps`, by the rule that sampling follows.

    Args:
        fps: frames a second; text such as "30000/1001" says any rate exactly.

    Raises:
        UserError: not a positive rate, or one of more than `MAX_FPS`.
    """
    if not isinstance(fps, str):
        rate = exact_rate(fps)
    elif "e" in fps.lower():  # Fraction would think about "1e999999999" for ever
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
