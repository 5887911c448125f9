"""Models of transformers as files: a folder, or an id on the hub."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from vidseq.errors import UserError
from vidseq.features.encoder import with_seed_0
from vidseq.features.hub import find_on_hub, first_files, missing_package
from vidseq.features.weights import weights_hash

CONFIG = "config.json"
#: Files of weights, best first; the second is that of large models, in parts.
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "pytorch_model.bin", "pytorch_model-*-of-*.bin")
#: Files that say how pictures are prepared.
PROCESSORS = ("*processor_config.json",)
_VIDEO_PROCESSOR = "video_preprocessor_config.json"
#: The files of text that an image-text model reads, beside the indexes of weights in parts.
_REST = ("*.json", "*.txt", "*.model")
#: Starts of the names of weights that turn the first token into a vector, which many checkpoints lack.
_POOLER = "pooler."
_WAY_OUT = (
    "Name a folder with config.json, preprocessor_config.json and model.safetensors as its weights, "
    "or use efficientnet_lite0, whose weights are installed with vidseq."
)


class HfFolder:
    """The folder of a model of transformers.

    Args:
        backbone: its name, for messages.
        model: an id on the hub, or a folder.
        weights: as in `BackboneConfig`.

    Raises:
        UserError: transformers is not installed, or files are missing.
        FileNotFoundError: `weights` is no folder.
    """

    def __init__(self, backbone: str, model: str, weights: str = "pretrained") -> None:
        self.transformers, self.backbone, self.random = _transformers(backbone), backbone, weights == "random"
        if weights not in ("pretrained", "random"):
            self.folder = Path(weights)
            if not self.folder.is_dir():
                raise FileNotFoundError(
                    f"Weights of {backbone} expect a folder as save_pretrained writes it, got {weights}, "
                    f"which is {'a file' if self.folder.exists() else 'not there'}."
                )
        elif Path(model).is_dir():
            self.folder = Path(model)
        else:
            needed = (PROCESSORS, (CONFIG,)) if self.random else (WEIGHTS, PROCESSORS, (CONFIG,))
            self.folder = find_on_hub(backbone, model, needed, _WAY_OUT, also=_REST)
        self._need((CONFIG,))

    def config(self) -> Any:
        """The model's own config."""
        with self._one_line(), quiet():
            return self.transformers.AutoConfig.from_pretrained(self.folder, local_files_only=True)

    def processor(self) -> Any:
        """What prepares the pictures of the model."""
        self._need(PROCESSORS)
        kind = "AutoVideoProcessor" if (self.folder / _VIDEO_PROCESSOR).exists() else "AutoImageProcessor"
        with self._one_line(), quiet():
            return getattr(self.transformers, kind).from_pretrained(self.folder, local_files_only=True)

    def tokenizer(self) -> Any:
        """What turns the text for an image-text model into tokens."""
        with self._one_line(), quiet():
            return self.transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    def load(self, part: str = "") -> tuple[nn.Module, frozenset[str]]:
        """Loads the model.

        Args:
            part: the name of the module that is used; "": all of it.

        Returns:
            the module, and the names of its weights that its files lack, which only the pooler may; they are random.

        Raises:
            UserError: the weights are those of another model.
        """
        if self.random:
            config = self.config()
            with quiet():
                model = with_seed_0(lambda: self.transformers.AutoModel.from_config(config, dtype=torch.float32))
            return _part(model, part), frozenset()
        self._need(WEIGHTS)
        with self._one_line(), quiet():
            model, found = self.transformers.AutoModel.from_pretrained(
                self.folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
        start = f"{part}." if part else ""
        missing = {name.removeprefix(start) for name in found["missing_keys"] if name.startswith(start)}
        other = sorted(name for name in missing if not name.startswith(_POOLER))
        if other:
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            raise UserError(
                f"Weights of {self.backbone} expect to belong to this network, but {self.folder} lacks "
                f"{start}{other[0]}{more}. Use the folder that its {CONFIG} came with."
            )
        return _part(model.eval().requires_grad_(False), part), frozenset(missing)

    def hash(self) -> str:
        """The short SHA-256 of the weights and of the config, which says what they are weights of."""
        if self.random:
            return "random-seed0"
        files = [*first_files(self.folder, WEIGHTS), self.folder / CONFIG]
        return hashlib.sha256(" ".join(map(weights_hash, files)).encode()).hexdigest()[:12]

    def _need(self, patterns: tuple[str, ...]) -> None:
        if not first_files(self.folder, patterns):
            raise UserError(
                f"Backbone '{self.backbone}' expects {' or '.join(patterns)} in {self.folder}, got none. "
                "Copy it from where the model came from."
            )

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turns what transformers raises into one line."""
        try:
            yield
        except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError, UnpicklingError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
            raise UserError(
                f"Backbone '{self.backbone}' expects a model that transformers reads in {self.folder}, got: {reason}"
            ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets transformers neither warn nor draw progress, since its warnings are about training."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _part(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name) if name else model


def _transformers(backbone: str) -> ModuleType:
    """Imports transformers, which is an optional package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers
    except ImportError:
        raise missing_package(backbone, "transformers") from None
    return transformers
