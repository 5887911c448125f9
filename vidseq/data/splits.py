"""Assigns videos to splits in proportion, each group to one split; finds the group in a video's name."""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from vidseq.errors import DataError, UserError

#: Names of splits in other data sets, with our names.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_in(name: str) -> str | None:
    """Finds the split in a file's name, such as "kinetics400_train_list.txt"; None if it names none or several."""
    found = {SPLIT_NAMES[word] for word in re.findall(r"[a-z]+", name.lower()) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def group_rule(pattern: str | None) -> Callable[[str], str | None]:
    """Makes a function that finds a video's group in its name.

    Args:
        pattern: a regular expression to search in the name. Its first capturing group is the video's group, or else
            the whole match. "^(P[0-9]+)_" finds the person in Breakfast's "P03_cam01_P03_milk". None: videos have no
            group.

    Returns:
        a function from name to group, which raises `DataError` for a name that does not match.

    Raises:
        UserError: the pattern is not a regular expression.
    """
    if pattern is None:
        return lambda video: None
    try:
        rule = re.compile(pattern)
    except re.error as problem:
        raise UserError(f"A group rule expects a regular expression, got '{pattern}' ({problem}).") from None

    def group_of(video: str) -> str:
        match = rule.search(video)
        group = match and (match.group(1) if rule.groups else match.group())
        if not group:
            raise DataError(f"The group rule '{pattern}' expects to match every video's name, got '{video}'.")
        return group

    return group_of


def assign_splits(
    videos: Iterable[tuple[str, str, str | None]], proportions: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Assigns whole groups of videos to splits at random, in proportion within each class and overall.

    Args:
        videos: a (video, group, class) for each video; the class is None if there are no classes.
        proportions: the share of each split, at least 0; only their ratios count.
        seed: seed of the random order.

    Returns:
        the split of each video.

    Raises:
        UserError: a proportion is negative or infinite, or all are 0.
    """
    shares = _shares(proportions)
    members: defaultdict[str, list[str]] = defaultdict(list)
    classes: dict[str, Counter[str | None]] = defaultdict(Counter)
    for video, group, label in videos:
        members[group].append(video)
        classes[group][label] += 1
    stratum = {
        group: str(min(counts, key=lambda label: (-counts[label], str(label)))) for group, counts in classes.items()
    }
    order = sorted(members)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: stratum[group])
    sizes: Counter[str] = Counter()
    for group in order:
        sizes[stratum[group]] += len(members[group])
    given: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    splits = {}
    for group in order:
        # The number of videos that each split still lacks, of this class and overall.
        kind, so_far = stratum[group], overall.total()
        lack = {
            name: share * (sizes[kind] + so_far) - given[kind][name] - overall[name] for name, share in shares.items()
        }
        split = max(shares, key=lambda name: lack[name])
        given[kind][split] += len(members[group])
        overall[split] += len(members[group])
        splits.update(dict.fromkeys(members[group], split))
    return splits


def _shares(proportions: Mapping[str, float]) -> dict[str, float]:
    total = sum(proportions.values())
    if not math.isfinite(total) or total <= 0 or any(share < 0 for share in proportions.values()):
        raise UserError(f"Splits expect proportions of at least 0, not all 0, got {dict(proportions)}.")
    return {name: share / total for name, share in proportions.items() if share > 0}
