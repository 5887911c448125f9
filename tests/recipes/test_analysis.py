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
    recipe("gradient_flow").main(heads="window", frames=120, out=tmp_path)
    table = pd.read_csv(tmp_path / "gradient_flow.csv").set_index("head")
    assert table.loc["rnn, radius 0.9", "lag 119"] < 1e-3 < 1e3 < table.loc["rnn, radius 1.1", "lag 119"]
    assert 0.5 < table.loc["rnn, radius 1", "lag 119"] < 2
    assert "| window" in capsys.readouterr().out
    assert (tmp_path / "gradient_flow.png").stat().st_size > 0


def test_recall(tmp_path, capsys, monkeypatch):
    module = recipe("recall")
    finished = pd.DataFrame({"head": "rnn", "task": "frank", "lag": [10, 100], "accuracy": [1.0, 0.2], "seed": 0})
    (tmp_path / "rows").mkdir()
    finished.to_csv(tmp_path / "rows/rnn-frank-20000-0.csv", index=False)
    module.main(heads="rnn", tasks="frank", out=tmp_path)  # nothing is left to run
    assert "| rnn  |    10 |" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"Unknown task 'frnk'"):
        module.main(tasks="frnk", out=tmp_path)
    monkeypatch.setattr(module, "score_recall", lambda head, task, **options: (head, task, sorted(options)))
    assert module.run("lstm", "copy", 3, 5000) == ("lstm", "copy", ["options", "parameters", "seed"])
