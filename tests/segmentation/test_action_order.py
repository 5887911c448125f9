"""The next action after all previous ones: learned from labels, without background."""

import numpy as np
import pytest

from vidseq.errors import UserError
from vidseq.segmentation.action_order import ActionOrder


def runs(*labels):
    return np.repeat(labels, 3)


def next_after(order, *actions):
    """Probabilities of what comes after some actions, the end last."""
    done = np.minimum(np.bincount(actions, minlength=order.num_classes), 2)
    last = actions[-1] if actions else order.num_classes
    return np.exp(order.log_next(done[None], np.array([last]))[0])


def test_all_that_was_done_matters_not_only_the_last():
    # 1 and 2 in either order, then 3, always all three: after 1 comes what is missing, which a chain cannot know.
    order = ActionOrder.fit([runs(1, 2, 3), runs(2, 1, 3)] * 20, 4, background=0)
    assert next_after(order, 1)[2] > 0.85
    assert next_after(order, 2, 1)[3] > 0.85
    assert next_after(order, 1, 2)[3] > 0.85
    assert next_after(order, 1, 2, 3)[4] > 0.85
    assert next_after(order)[[1, 2]] == pytest.approx([0.49, 0.49], abs=0.03)


def test_done_twice_differs_from_done_once():
    order = ActionOrder.fit([runs(1, 0, 1, 0, 1, 2)] * 30, 3, background=0)
    assert next_after(order, 1)[1] > 0.9
    assert next_after(order, 1, 1)[[1, 2]] == pytest.approx([0.5, 0.5], abs=0.1)  # twice and three times are the same


def test_it_is_a_distribution_without_background():
    order = ActionOrder.fit([runs(0, 1, 0, 2), runs(2, 1)], 5, background=0)
    for actions in ((), (1,), (2, 1), (4, 4, 3)):
        chances = next_after(order, *actions)
        assert chances.sum() == pytest.approx(1)
        assert chances[0] == 0 and (chances[1:] > 0.002).all()  # not even what was never seen is impossible


def test_background_in_between_is_counted():
    order = ActionOrder.fit([runs(0, 1, 2, 0), runs(1, 0, 2), runs(1, 2)], 3, background=0)
    first = np.exp(order.log_background[:, 1])
    # before the first action once in three; after 1 once in three; after 2, that is before the end, once in three
    assert first == pytest.approx([0.5, 1.5 / 4, 1.5 / 4, 1.5 / 4])
    assert np.exp(order.log_background).sum(axis=1) == pytest.approx(1)


def test_no_background_and_frames_without_label():
    order = ActionOrder.fit([np.array([-100, 0, 0, -100, 0, 1, 1, -100])], 2)
    same = ActionOrder.fit([np.array([0, 1])], 2)
    assert np.array_equal(order.weights, same.weights) and np.array_equal(order.bias, same.bias)
    assert np.exp(order.log_background).tolist() == [[1, 0]] * 3


def test_one_action_alone():
    order = ActionOrder.fit([runs(0), runs(0)], 1)
    assert next_after(order)[0] > 0.5
    assert next_after(order, 0)[1] > 0.5


def test_errors():
    for nothing in ([], [np.array([-100])], [runs(0)]):
        with pytest.raises(UserError, match="training videos with actions, got none"):
            ActionOrder.fit(nothing, 2, background=0)
    with pytest.raises(UserError, match="classes below 2, got 2"):
        ActionOrder.fit([runs(2)], 2)
