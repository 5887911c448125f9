"""Giving videos to splits: by proportion, never a group to two of them; and the rule that finds a video's group."""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from vidseq.errors import DataError, UserError

#: What data sets call their splits, and the one that is meant.
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
    """The split that a file's name tells, as "kinetics400_train_list.txt" does; None where none or several do."""
    found = {SPLIT_NAMES[word] for word in re.findall(r"[a-z]+", name.lower()) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def group_rule(pattern: str | None) -> Callable[[str], str | None]:
    """Makes the rule that reads a video's group off its name.

    Args:
        pattern: a regular expression that is looked for in the name; its first parenthesis is the group, or all of the
            match. "^(P[0-9]+)_" finds the person in Breakfast's "P03_cam01_P03_milk". None: no video has a group.

    Returns:
        a function from name to group; raises `DataError` for a name that does not match.

    Raises:
        UserError: the pattern is no regular expression.
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
    """Gives whole groups of videos to splits, by chance and in proportion, within each class as well as overall.

    Args:
        videos: (video, group, class or None where there are no classes).
        proportions: the share of each split, at least 0; only their ratios count.
        seed: of the chance.

    Returns:
        the split of each video.

    Raises:
        UserError: the proportions are none.
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
        # What a split still lacks: of this class in all, and of everything given so far.
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
