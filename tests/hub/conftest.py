import dataclasses
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from conftest import make_toy_world
from hub_server import TOKEN, Hub, hub_server

from vidseq.evaluation.models import measure_models
from vidseq.evaluation.rows import concatenate, write_rows
from vidseq.training import TrainConfig, fit


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run with its data set and its evaluation."""

    data: Path
    run: Path
    evaluation: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("hub")
    found = Trained(folder / "toy", folder / "runs" / "first", folder / "report")
    dataset, store = make_toy_world(found.data, videos={"train": 4, "val": 2, "test": 3})
    fit(dataset, store, TrainConfig(head="gru", epochs=1, dim=8, head_options={"layers": 2}, device="cpu"), found.run)
    measured = measure_models(found.data, [found.run], controls=["majority"], device="cpu")
    write_rows(concatenate(measured.answered), found.evaluation / "rows.parquet")
    return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A stand-in of the hub that the real client asks, with a token that may write."""
    constants = huggingface_hub.constants
    with hub_server() as served:
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {"ENDPOINT": served.address, "HUGGINGFACE_CO_URL_TEMPLATE": template,
                            "HF_HUB_DISABLE_XET": True, "HF_HUB_OFFLINE": False,
                            "HF_TOKEN_PATH": str(tmp_path / "token")}.items():  # fmt: skip
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield served
