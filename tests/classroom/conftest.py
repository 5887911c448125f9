import numpy as np
import pytest

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.generator import plan_videos


@pytest.fixture(scope="session")
def config():
    return ClassroomConfig(
        train_videos=400, val_videos=0, test_videos=0, questions_per_video=24, num_toys=4, num_gifts=4, seed=11
    )


@pytest.fixture(scope="session")
def videos(config):
    """A generated set, by video: enough to distinguish an effect from chance."""
    made = [planned for index in range(300) for planned in plan_videos(config, "train", index)]
    return {planned.world.video: planned for planned in made}


@pytest.fixture(scope="session")
def records(videos):
    return {video: planned.world.record() for video, planned in videos.items()}


@pytest.fixture
def rng():
    return np.random.default_rng(0)
