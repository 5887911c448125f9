"""The recipes that measure heads, on little."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from vidseq.errors import UserError

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name):
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gradient_flow(tmp_path, capsys):
    recipe("gradient_flow").main(heads="attention,min_gru", frames=120, out=tmp_path, train_steps=0.02)
    radius = pd.read_csv(tmp_path / "radius.csv").set_index("radius")
    assert radius["last_lag"].to_numpy() == pytest.approx(radius["last_lag_theory"], rel=0.1)
    assert radius["half_life"].drop(1.0).to_numpy() == pytest.approx(radius["half_life_theory"].drop(1.0), rel=5e-3)
    assert (radius["last_lag_squashed"] < 1e-3 * radius["last_lag"]).all(), "tanh shrinks gradients"
    table = pd.read_csv(tmp_path / "gradient_flow.csv").set_index("head")
    assert table.index.tolist() == ["attention", "min_gru"]
    assert (table["name_trained"] != table["name_untrained"]).all() and table["accuracy"].between(0, 1).all()
    assert "| attention" in capsys.readouterr().out
    assert (tmp_path / "gradient_flow.png").stat().st_size > 0


def test_complexity(tmp_path, capsys, monkeypatch):
    from vidseq.analysis import complexity

    def weighed(head, lengths, *, backward, **_):
        return [length ** (2 if head == "attention" else 1) * (3000 if backward else 1000) for length in lengths]

    monkeypatch.setattr(complexity, "peak_memory", weighed)
    module = recipe("complexity")
    plan = {"heads": "attention,conv", "frames": "16,32,64", "dim": 8, "runs": 1, "out": tmp_path}
    module.main(**plan)
    table = pd.read_csv(tmp_path / "complexity.csv").set_index("head")
    assert table["layers"].to_dict() == {"attention": "1, 1, 1, 1", "conv": "4, 5, 6, 7"}
    assert table["learn"].to_numpy() == pytest.approx([2, 1])
    assert table["read_frames"].tolist() == [2000, 4_000_000]
    assert "| conv      | k n d^2 |" in (tmp_path / "complexity.md").read_text()
    assert "4,000,000" in capsys.readouterr().out
    assert (tmp_path / "complexity.png").stat().st_size > 0
    monkeypatch.setattr(module, "measure_complexity", None)
    module.main(**plan)  # nothing is left to measure


def test_recall(tmp_path, capsys, monkeypatch):
    module = recipe("recall")
    finished = pd.DataFrame(
        {
            "head": "rnn",
            "task": "frank",
            "lag": [10, 100],
            "accuracy": [1.0, 0.2],
            "parameters": 9,
            "context_frames": float("nan"),
            "seed": 0,
        }
    )
    (tmp_path / "rows").mkdir()
    finished.to_csv(tmp_path / "rows/rnn-frank-20000-0.csv", index=False)
    module.main(heads="rnn", tasks="frank", out=tmp_path)  # nothing is left to run
    out = capsys.readouterr().out
    assert "| rnn  |          9 |    – |    10 |" in out and "| rnn  |     1 | 100 | 20  |" in out
    assert (tmp_path / "recall.png").stat().st_size > 0
    with pytest.raises(UserError, match=r"Unknown task 'frnk'"):
        module.main(tasks="frnk", out=tmp_path)
    monkeypatch.setattr(
        module, "score_recall", lambda head, task, **options: pd.DataFrame({"head": head, **options}, [0])
    )
    module.run(5000, ("lstm", "copy", 3, tmp_path / "row.csv"))
    assert (tmp_path / "row.csv").read_text().splitlines() == ["head,parameters,seed", "lstm,5000,3"]
