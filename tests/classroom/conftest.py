import numpy as np
import pytest

from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.generator import make_lessons


@pytest.fixture(scope="session")
def config():
    return ClassroomConfig(
        train_videos=400, val_videos=0, test_videos=0, questions_per_video=24, num_toys=4, num_gifts=4, seed=11
    )


@pytest.fixture(scope="session")
def lessons(config):
    """A generated set, by video: enough that chance and not chance can be told apart."""
    made = [lesson for index in range(300) for lesson in make_lessons(config, "train", index)]
    return {lesson.world.video: lesson for lesson in made}


@pytest.fixture(scope="session")
def records(lessons):
    return {video: lesson.world.record() for video, lesson in lessons.items()}


@pytest.fixture
def rng():
    return np.random.default_rng(0)
