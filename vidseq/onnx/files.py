"""Writes traced modules as ONNX files, and runs such files."""

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError

#: What the extra `onnx` installs.
PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def check_packages() -> None:
    """Refuses to export without the packages that it takes.

    Raises:
        UserError: one is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"Export expects the packages {', '.join(PACKAGES)}, got no {' and no '.join(missing)}. "
            "Run `pip install vidseq[onnx]`."
        )


def write_graph(
    path: Path,
    graph: nn.Module,
    inputs: Mapping[str, Tensor | Mapping[str, Tensor]],
    outputs: Sequence[str],
    dynamic: Mapping[str, int] | None = None,
) -> None:
    """Traces a module and writes it.

    Args:
        path: the file.
        graph: in evaluation mode.
        inputs: an example of each argument by its name; an argument that is a list of tensors has their names.
        outputs: names of the outputs, in order.
        dynamic: the axis of an argument whose length may be any, by the argument's name.
    """
    names = [name for key, part in inputs.items() for name in ([key] if isinstance(part, Tensor) else part)]
    example = tuple(part if isinstance(part, Tensor) else list(part.values()) for part in inputs.values())
    shapes: dict[str, Any] = {key: _no_shape(part) for key, part in inputs.items()}
    shapes |= {key: {axis: torch.export.Dim(key)} for key, axis in (dynamic or {}).items()}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            input_names=names,
            output_names=list(outputs),
            dynamic_shapes=shapes if dynamic else None,
            optimize=False,
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=False)


def _no_shape(part: Tensor | Mapping[str, Tensor]) -> Any:
    return None if isinstance(part, Tensor) else [None] * len(part)


def write_constants(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes a graph without inputs, whose outputs are given; equal numbers take no room."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, outputs = [], []
    for name, part in tensors.items():
        array = part.numpy()
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        outputs.append(helper.make_tensor_value_info(name, kind, array.shape))
        if (array == array.flat[0]).all():
            shape = numpy_helper.from_array(np.array(array.shape, np.int64), f"shape of {name}")
            nodes.append(helper.make_node("Constant", [], [f"shape of {name}"], value=shape))
            value = numpy_helper.from_array(array.flat[:1])
            nodes.append(helper.make_node("ConstantOfShape", [f"shape of {name}"], [name], value=value))
        else:
            nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array)))
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(helper.make_graph(nodes, "start", [], outputs), opset_imports=[opset], ir_version=10)
    onnx.save(model, path)


class Runner:
    """Runs an ONNX file on the CPU, with one thread.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._outputs = [item.name for item in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs it once, with all of its inputs by name; returns the outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs))))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the exporter says of its own insides."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
