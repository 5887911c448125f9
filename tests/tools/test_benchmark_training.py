"""The benchmark of training: its ways to read agree, and its table compares them."""

import math

import pytest
import torch
from benchmark_training import Row, make_batch, make_model, one_pass, pieces, plain_loop, table, train_step


@pytest.mark.parametrize("head", ["lstm", "window"])
def test_one_pass_and_pieces_give_the_same_answers(head: str) -> None:
    model, batch = make_model(head, 12, 16).eval(), make_batch(10, 3, 12)
    assert batch.queries.tokens.shape[0] == len(batch.queries.rows) == 8 * 3
    torch.testing.assert_close(pieces(model, batch), one_pass(model, batch))
    assert model.head.asks_in_one_pass


def test_the_plain_loop_asks_once_a_clip() -> None:
    model, batch = make_model("gru", 12, 16), make_batch(10, 3, 12)
    assert plain_loop(model, batch).shape == (8, 60)
    before = [weight.clone() for weight in model.parameters()]
    assert train_step(model, torch.optim.AdamW(model.parameters()), batch, plain_loop) >= 0
    assert any(not torch.equal(*pair) for pair in zip(before, model.parameters()))


def test_the_table_has_ratios() -> None:
    rows = [Row("lstm", 60, 16, 20, 100, 16), Row("lstm", 300, 16, 50, math.nan, 40)]
    lines = table([*rows, Row("lstm", 300, 256, 60, math.nan, 40)]).splitlines()
    assert lines[2:] == [
        "| `lstm` | 60 | 16 | 20 | 5.00 | 1.25 | 1.00 |",
        "| `lstm` | 300 | 16 | 50 | – | 1.25 | 1.00 |",
        "| `lstm` | 300 | 256 | 60 | – | 1.50 | 1.20 |",
    ]
