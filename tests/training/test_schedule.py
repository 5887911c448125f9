import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.training.config import TrainConfig
from vidseq.training.schedule import FINAL_LR_SHARE, Schedule
from vidseq.training.state import TrainingState

schedules = st.builds(
    Schedule,
    st.builds(
        TrainConfig,
        epochs=st.integers(1, 5),
        batch_size=st.integers(1, 7),
        devices=st.integers(1, 4),
        clips_per_video=st.integers(1, 3),
        max_steps=st.none() | st.integers(1, 30),
        warmup=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    ),
    st.integers(1, 40),
)


@given(schedules)
def test_each_epoch_reads_every_video_and_every_process_has_work_in_each_step(schedule: Schedule) -> None:
    config = schedule.config
    order = list(range(schedule.num_videos * config.clips_per_video))
    read: list[int] = []
    for step in range(schedule.steps_per_epoch):
        shares = [schedule.videos_of_step(order, step, rank) for rank in range(config.devices)]
        assert all(1 <= len(share) <= config.batch_size for share in shares)
        assert len({len(share) for share in shares}) == 1, "means over processes are means over videos"
        together = [video for share in shares for video in share]
        read += dict.fromkeys(together)
        if step < schedule.steps_per_epoch - 1:
            assert len(set(together)) == len(together) == config.batch_size * config.devices
    assert read == order


@given(schedules)
def test_epochs_add_up_to_all_steps(schedule: Schedule) -> None:
    state = TrainingState()
    while not schedule.is_finished(state):
        steps = schedule.steps_in_next_epoch(state.steps_done)
        assert steps > 0
        state.steps_done += steps
        state.end_epoch(None)
    whole = schedule.config.epochs * schedule.steps_per_epoch
    assert state.steps_done == schedule.total_steps == min(whole, schedule.config.max_steps or whole)
    assert state.epoch <= schedule.config.epochs


@given(schedules)
def test_the_learning_rate_rises_in_the_warm_up_and_then_falls(schedule: Schedule) -> None:
    rates = [schedule.learning_rate(step) for step in range(schedule.total_steps)]
    lr, warmup = schedule.config.lr, math.ceil(schedule.config.warmup * schedule.total_steps)
    assert all(0 < rate <= lr for rate in rates)
    assert all(lr * FINAL_LR_SHARE < rate for rate in rates[warmup:])
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    if warmup < schedule.total_steps:
        assert rates[warmup] == lr
        assert schedule.learning_rate(schedule.total_steps) == pytest.approx(lr * FINAL_LR_SHARE)


def test_patience_counts_epochs_without_a_better_score() -> None:
    schedule = Schedule(TrainConfig(patience=2), num_videos=16)
    assert not schedule.is_finished(TrainingState(epoch=3, steps_done=3, epochs_since_best=1))
    assert schedule.is_finished(TrainingState(epoch=3, steps_done=3, epochs_since_best=2))
