"""How words become values: switches, lists, mappings, paths, nothing."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import cyclopts
import pytest
import yaml

from vidseq.cli import main
from vidseq.data.words import comma_words
from vidseq.errors import UserError


def settings_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*words, "--print_config"]) == 0, capsys.readouterr().err
    printed: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return printed


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["train", "d", "o"], {"data": "d", "out": "o", "resume": False, "causal": True, "head_options": {}}),
        (["train", "d", "o", "--resume"], {"resume": True}),
        (["train", "--resume", "--out", "o", "--data", "d"], {"data": "d", "out": "o", "resume": True}),
        (["train", "d", "o", "--resume=false", "--causal=false"], {"resume": False, "causal": False}),
        pytest.param(
            ["train", "d", "o", "--resume", "true", "--causal", "false"],
            {"resume": True, "causal": False},
            marks=pytest.mark.skipif(cyclopts.__version__ < "5", reason="cyclopts 5 needs Python 3.11"),
        ),
        (["train", "d", "o", "--no-causal"], {"causal": False}),
        (["train", "d", "o", "--batch-size", "3", "--max_steps=4"], {"batch_size": 3, "max_steps": 4}),
        (["train", "d", "o", "--epochs", "3", "--epochs", "4"], {"epochs": 4}),
        (["train", "d", "o", "--patience", "null"], {"patience": None}),
        (["train", "d", "o", "--lr", "1e-3"], {"lr": 0.001}),
        (
            ["train", "d", "o", "--head_options", "{layers: 2, kind: [a]}"],
            {"head_options": {"layers": 2, "kind": ["a"]}},
        ),
        (["train", "d", "o", "--head-options.layers", "2"], {"head_options": {"layers": 2}}),
        (
            ["train", "d", "o", "--tasks", '{"answer_words": {"unit": "word"}}'],
            {"tasks": {"answer_words": {"unit": "word"}}},
        ),
        (
            ["compare", "d", "o", "--heads", "a,b", "--options", "{a: {x: 1}}"],
            {"heads": "a,b", "options": {"a": {"x": 1}}},
        ),
        (["data", "init", "s", "--name", "null", "--out=null"], {"name": "null", "out": None}),
        (["predict", "s", "m", "--question", "null"], {"question": ["null"]}),
        (["predict", "s", "m", "--question", "[a] or [b]?"], {"question": ["[a] or [b]?"]}),
        (["predict", "s", "m", "--question", "[What, yes, 1e3]"], {"question": ["What", "yes", "1e3"]}),
        (["data", "init", "s", "--name", "none"], {"name": "none"}),
        (["predict", "s", "m", "--context", "null", "--at", "null"], {"context": None, "at": None}),
        (["evaluate", "d", "a", "b"], {"model": ["a", "b"], "controls": None}),
        (["evaluate", "d", "--model", "a", "--model=b"], {"model": ["a", "b"]}),
        (["evaluate", "d", "m", "--controls", "blind", "--controls", "x"], {"controls": ["blind", "x"]}),
        (["evaluate", "d", "m", "--controls", "[blind, x]"], {"controls": ["blind", "x"]}),
        (["predict", "0", "m", "--at", "1", "--at", "2.5"], {"source": "0", "at": [1.0, 2.5]}),
        (["predict", "--model", "m", "clip.mp4"], {"source": "clip.mp4", "model": ["m"]}),
        (["classroom", "o", "--families", "doing,order"], {"families": ["doing", "order"]}),
        (["classroom", "o", "--families", "[doing, order]"], {"families": ["doing", "order"]}),
        (["features", "d", "--fps", "30000/1001", "--decoder", "pyav"], {"fps": "30000/1001", "decoder": "pyav"}),
        (["data", "init", "s", "--classes=false", "--name", "n"], {"classes": False, "name": "n"}),
        (["data", "convert", "--from", "mstcn", "s", "o", "--fps", "15"], {"source": "s", "out": "o", "fps": "15"}),
        (["data", "convert", "mstcn", "s", "o", "--fps", "15"], {"source": "s", "out": "o", "fps": "15"}),
        (["data", "convert", "--from", "folder", "s", "o", "--splits", "{train: 1.0}"], {"splits": {"train": 1.0}}),
        (["context", "--data", "d", "--model", "m", "--out", "o"], {"contexts": "1f,1s,2s,...,full"}),
        (["context", "audit", "d", "--out", "o"], {"data": "d", "epochs": 15}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_become_values(words: list[str], values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    printed = settings_of(words, capsys)
    assert {name: printed[name] for name in values} == values


def test_compare_sets_heads_and_seeds_itself(capsys: pytest.CaptureFixture[str]) -> None:
    printed = settings_of(["compare", "d", "o", "--heads", "gru"], capsys)
    assert not {"head", "head_options", "seed"} & set(printed)


def test_lists_with_commas_may_be_repeated() -> None:
    assert comma_words("blind, last_frame", "ngram:2") == ("blind", "last_frame", "ngram:2")
    assert comma_words("none") == comma_words(",") == comma_words() == ()


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (["evaluate", "--model", "m"], "vidseq.evaluation.models.evaluate_models"),
        (["compare", "--out", "o", "--heads", "lstm"], "vidseq.comparison.compare.compare_heads"),
    ],
)
def test_controls_are_a_list(words: list[str], function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, controls: Sequence[str], **__: object) -> None:
        raise UserError(" and ".join(controls))

    monkeypatch.setattr(function, stop)
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        assert main([*words, "--data", "d", "--controls", "blind,last_frame", "--controls", "majority"]) == 2
    assert printed.getvalue() == "vidseq: blind and last_frame and majority\n"
