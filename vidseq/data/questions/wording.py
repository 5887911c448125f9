"""The wording of questions, in several forms; which one is used does not depend on the answer."""

from random import Random

from vidseq.data.questions.family import Subject

#: By family and number of subjects.
FORMS: dict[tuple[str, int], tuple[str, ...]] = {
    ("now", 0): ("What is happening?", "Which action is going on now?", "What is being done at the moment?"),
    ("now", 1): ("What is {0} doing?", "Which action is {0} doing now?", "At the moment, what does {0} do?"),
    ("who_does", 1): ('Who is doing "{0}"?', 'Who does "{0}" now?', '"{0}": who is doing that at the moment?'),
    ("done", 1): ('Has "{0}" been done yet?', 'Is "{0}" already done?', '"{0}": has that been done so far?'),
    ("count", 1): (
        'How many times has "{0}" been done?',
        'How often was "{0}" done so far?',
        '"{0}": how many times was that done?',
    ),
    ("ago", 1): (
        'How long ago was "{0}" last finished?',
        'How much time has passed since "{0}" was last done?',
        '"{0}": when did that last end, seen from now?',
    ),
    ("who_did", 1): ('Who did "{0}" last?', 'Who was the last to do "{0}"?', '"{0}": who did that last?'),
    ("first", 0): ("What was done first?", "Which action was the first?", "With which action did it all begin?"),
    ("last", 0): (
        "What was finished last?",
        "Which action was finished most recently?",
        "What has been completed last of all?",
    ),
    ("before", 1): (
        'What was done just before "{0}"?',
        'Which action came right before "{0}"?',
        '"{0}": what was done directly before that?',
    ),
    ("after", 1): (
        'What was done just after "{0}"?',
        'Which action came right after "{0}"?',
        '"{0}": what was done directly after that?',
    ),
    ("order", 2): (
        'What was done first, "{0}" or "{1}"?',
        'Which came earlier, "{0}" or "{1}"?',
        '"{0}" and "{1}": which of the two was done first?',
    ),
    ("next", 1): (
        "What will be happening in {0} s?",
        "Which action will be going on {0} s from now?",
        "{0} s later, what will be being done?",
    ),
}


def words(label: str) -> str:
    """Writes a label such as "cut_cheese" in words."""
    return " ".join(label.replace("_", " ").split())


def phrase(family: str, subject: Subject, rng: Random) -> str:
    """Puts a question into words, in a random form; two subjects stand in random order."""
    forms = FORMS[family, len(subject)]
    return rng.choice(forms).format(*map(words, rng.sample(subject, len(subject))))
