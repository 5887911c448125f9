import contextlib
import itertools
import os
import warnings

import pytest
import torch

from vidseq.training.determinism import deterministic_algorithms, seed_step

DEVICES = ["cpu", "cuda", "mps"]


def settings() -> tuple[object, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        list(warnings.filters),
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("workspace", [None, ":16:8"])
def test_settings_are_as_before_also_after_an_error(
    device: str, workspace: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if workspace is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    before = settings()
    with contextlib.suppress(KeyboardInterrupt), deterministic_algorithms(torch.device(device)):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (device != "cpu")
        if device != "cpu":
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == workspace or ":4096:8"
        raise KeyboardInterrupt
    assert settings() == before


def test_settings_of_the_caller_are_restored() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic_algorithms(torch.device("cpu")):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_on_accelerators_only_torchs_own_warning_is_dropped() -> None:
    with deterministic_algorithms(torch.device("cuda")):
        warnings.warn("f does not have a deterministic implementation, but you set warn_only", stacklevel=1)
        with pytest.warns(UserWarning, match="another"):
            warnings.warn("another", stacklevel=1)


def test_every_step_of_every_process_has_a_seed_of_its_own() -> None:
    drawn = set()
    with torch.random.fork_rng(devices=[]):
        for seed, epoch, step, rank in itertools.product(range(3), repeat=4):
            for _ in range(2):
                seed_step(seed, epoch, step, rank)
                drawn.add(float(torch.rand((), dtype=torch.float64)))
    assert len(drawn) == 3**4
