"""The engines that run a CNN: torch anywhere, and OpenVINO on CPUs, where it is several times as fast."""

import abc
import contextlib
import functools
import importlib
import importlib.util
import io
import sys
import threading
import types
import warnings
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from vidseq.device import choose_device
from vidseq.errors import UserError, unknown_name
from vidseq.features.ahead import map_side_by_side
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.compiled_cache import CompiledCache, compiled_key, network_digest, user_cache_folder
from vidseq.processes import num_cpus

PRECISIONS = ("float32", "bf16")
#: The number of compiled networks that are kept: one per image size, and one more for single images.
COMPILED_KEPT = 6
#: The largest number of batches that OpenVINO runs at the same time, each with its own activations.
MAX_PARALLEL = 4


class Engine(abc.ABC):
    """Runs a network on images.

    Args:
        network: maps uint8 images (N, H, W, 3), or clips (N, W, H, W, 3), to float32 features, (N, D) or
            (N, tokens, D).
        config: precision, batch size, threads, and the device for engines that have a choice.
    """

    name: str
    side_by_side: int = 1
    """The number of batches, each from its own thread, that run at the same time."""

    def __init__(self, network: nn.Module, config: BackboneConfig) -> None:
        if config.precision not in PRECISIONS:
            raise unknown_name("precision", config.precision, PRECISIONS)
        self.network = network.eval().requires_grad_(False)
        self.precision = config.precision
        self.batch_size = config.batch_size
        self.threads = config.threads

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns images, uint8 (N, H, W, 3), into float32 features, shaped as by the network, a batch at a time."""
        batches = [images[start : start + self.batch_size] for start in range(0, len(images), self.batch_size)]
        return np.concatenate(list(map_side_by_side(self._run, batches, min(self.side_by_side, len(batches)))))

    @abc.abstractmethod
    def limit_threads(self, threads: int) -> None:
        """Limits the CPU threads that it uses from now on."""

    @abc.abstractmethod
    def _run(self, images: np.ndarray) -> np.ndarray: ...


class TorchEngine(Engine):
    """Eager torch on any device; images are channels-last."""

    name = "torch"

    def __init__(self, network: nn.Module, config: BackboneConfig) -> None:
        super().__init__(network, config)
        self.device = choose_device(config.device)
        self.network.to(self.device)
        if not any(weight.ndim > 4 for weight in self.network.parameters()):  # those of clips have no such layout
            self.network.to(memory_format=torch.channels_last)
        if config.threads is not None:
            self.limit_threads(config.threads)

    def limit_threads(self, threads: int) -> None:
        """Limits the threads of torch as a whole, since it has no smaller unit."""
        self.threads = threads
        torch.set_num_threads(threads)

    def _run(self, images: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(self.device)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            return self.network(batch).float().cpu().numpy()


class OpenVinoEngine(Engine):
    """OpenVINO on CPUs, which compiles a static network for each image size and keeps the newest ones.

    Compiled networks are also kept in the user's cache folder, for the next run.

    Batches run at the same time, each on its share of the threads. If decoding keeps one CPU busy, a batch on another
    CPU still runs at full speed, instead of waiting for the slower half of its threads.
    """

    name = "openvino"

    def __init__(self, network: nn.Module, config: BackboneConfig) -> None:
        super().__init__(network, config)
        self.openvino = _import_openvino()
        self.core = _core()
        if self.precision == "bf16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise UserError(
                "Precision bf16 expects a CPU that supports it, got one that does not. Use precision float32."
            )
        self._cache = _cache_of(self.core)
        self._compiled: OrderedDict[tuple[int, ...], _Compiled] = OrderedDict()
        self._compiling = threading.Lock()
        self.limit_threads(config.threads or num_cpus())

    def limit_threads(self, threads: int) -> None:
        """Limits the CPU threads; networks are compiled again for the new number."""
        self.threads = threads
        self.side_by_side = min(threads, MAX_PARALLEL)
        self._compiled.clear()

    def _run(self, images: np.ndarray) -> np.ndarray:
        num = 1 if len(images) == 1 else self.batch_size  # a stream sends single frames, which need no padding
        if len(images) < num:
            padding = np.zeros((num - len(images), *images.shape[1:]), np.uint8)
            batch = np.concatenate([images, padding])
        else:
            batch = np.ascontiguousarray(images)
        with self._for(batch.shape).request() as request:
            results = request.infer({0: batch})  # type: ignore[attr-defined]
            return results[0][: len(images)].copy()  # the next batch overwrites the request's memory

    def _for(self, shape: tuple[int, ...]) -> "_Compiled":
        with self._compiling:
            if shape not in self._compiled:
                if len(self._compiled) == COMPILED_KEPT:
                    self._compiled.popitem(last=False)
                self._compiled[shape] = _Compiled(self._compile(shape))
            self._compiled.move_to_end(shape)
            return self._compiled[shape]

    def _compile(self, shape: tuple[int, ...]) -> object:
        streams = 1 if shape[0] == 1 else self.side_by_side  # a single image gets all threads
        options = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[self.precision],
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(self.threads),
            "ENABLE_CPU_PINNING": "NO",  # with pinning, all processes would use the first cores
        }
        key = compiled_key(self._digest, shape, {**options, **self._runtime})
        blob = self._cache.read(key)
        if blob is not None:
            with contextlib.suppress(RuntimeError):  # this CPU or version refuses what another one exported
                return self.core.import_model(io.BytesIO(blob), "CPU", options)
        model = _converted(self.network, shape)
        model.reshape(list(shape))  # type: ignore[attr-defined]
        compiled = self.core.compile_model(model, "CPU", options)
        if self._cache.folder is not None:
            exported = io.BytesIO()
            compiled.export_model(exported)
            self._cache.write(key, exported.getvalue())
        return compiled

    @functools.cached_property
    def _digest(self) -> bytes:
        return network_digest(self.network)

    @functools.cached_property
    def _runtime(self) -> dict[str, object]:
        cpu = self.core.get_property("CPU", "FULL_DEVICE_NAME")
        return {"openvino": self.openvino.__version__, "cpu": cpu}


class _Compiled:
    """A network for one batch shape, with its free requests."""

    def __init__(self, model: object) -> None:
        self.model = model
        self._free: deque[object] = deque()

    @contextlib.contextmanager
    def request(self) -> Iterator[object]:
        """Lends a free request, or makes a new one."""
        try:
            request = self._free.pop()
        except IndexError:
            request = self.model.create_infer_request()  # type: ignore[attr-defined]
        try:
            yield request
        finally:
            self._free.append(request)


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (TorchEngine, OpenVinoEngine)}


def choose_engine(name: str, device: str) -> str:
    """Resolves the engine "auto": OpenVINO if it is installed and the device is a CPU, else torch.

    Raises:
        UserError: the engine is unknown, or is OpenVINO for a device other than a CPU, or where it is not installed.
    """
    if name not in (*ENGINES, "auto"):
        raise unknown_name("engine", name, (*ENGINES, "auto"))
    on_cpu = choose_device(device).type == "cpu"
    if name == "openvino" and not on_cpu and device != "auto":
        raise UserError(f"Engine openvino expects device cpu, got {device}. Use engine torch there.")
    installed = importlib.util.find_spec("openvino") is not None
    if name == "openvino" and not installed:
        raise UserError("Engine openvino expects the package openvino, got none. Install it, or use engine torch.")
    return name if name != "auto" else "openvino" if on_cpu and installed else "torch"


def _converted(network: nn.Module, shape: tuple[int, ...]) -> object:
    """Converts a network to an OpenVINO model for images of one height and width.

    Tracing is deprecated in torch but takes 2 s, while `torch.export` takes 6 s. It warns about branches on sizes,
    which are correct here because every size is traced separately.
    """
    frontend_module = importlib.import_module("openvino.frontend")
    decoder_module = importlib.import_module("openvino.frontend.pytorch.ts_decoder")
    example = torch.zeros(1, *shape[1:], dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, (example,), check_trace=False)
        decoder = decoder_module.TorchScriptPythonDecoder(traced, example_input=(example,))
        frontend = frontend_module.FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


def _cache_of(core: object) -> CompiledCache:
    """The cache for compiled networks; an empty one if the runtime cannot export them."""
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")  # type: ignore[attr-defined]
    folder = user_cache_folder() if "EXPORT_IMPORT" in capabilities else None
    return CompiledCache(None if folder is None else folder / "compiled")


@functools.cache
def _core() -> Any:
    """OpenVINO's core, one for the process, which stays until its end.

    A core gives the thread that makes it a stack for signals, and frees that stack with itself, in whatever thread the
    last reference goes. The first thread then has a stack that is gone: Ctrl-C ends the process with a violation of
    memory.
    """
    return _import_openvino().Core()


def _import_openvino() -> types.ModuleType:
    """Imports OpenVINO without its usage reports, which it sends at every import if it finds its reporter."""
    if "openvino" in sys.modules or "openvino_telemetry" in sys.modules:
        return importlib.import_module("openvino")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        fix = "Install it again, or remove it: torch then runs the CNN."
        raise UserError(f"Engine openvino expects a package that loads, got a failure ({reason}). {fix}") from None
    finally:
        del sys.modules["openvino_telemetry"]
