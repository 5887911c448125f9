"""The actions of all videos of a data set, and the ranges of their ages."""

from collections.abc import Collection, Mapping

from vidseq.data.dataset import Dataset
from vidseq.data.questions.ages import AgeRanges, age_ranges
from vidseq.data.questions.moment import Actions
from vidseq.errors import unknown_name

#: Ages are measured in this split where there is one; otherwise in all.
TRAIN_SPLIT = "train"


def actions_of(dataset: Dataset, leave_out: Collection[str] = ()) -> dict[str, Actions]:
    """Returns the actions of every video, without the background and other labels that are no actions.

    Raises:
        UserError: there is no such label.
    """
    for label in leave_out:
        if label not in dataset.action_labels:
            raise unknown_name("label", label, dataset.action_labels)
    none = {dataset.info.background, *leave_out}
    return {
        video: Actions(segment for segment in dataset.segments_of(video) if segment.label not in none)
        for video in dataset.videos
    }


def ages_of(dataset: Dataset, actions: Mapping[str, Actions]) -> AgeRanges:
    """Derives the ranges of ages from the videos of the split "train", or from all where there are none."""
    training = [actions[name] for name, video in dataset.videos.items() if video.split == TRAIN_SPLIT]
    return age_ranges(training or actions.values())
