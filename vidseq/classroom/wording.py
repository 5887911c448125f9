"""The wording of questions, in several surface forms that are independent of the answer, and of answers as sentences,
in one form each, so that a right answer has one wording."""

import numpy as np

from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.answers import UNKNOWN, Question
from vidseq.classroom.palette import ZONE_WORDS

_FORMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("color_now", ""): (
        "What colour is the {subject}?",
        "Which colour does the {subject} have now?",
        "The {subject} has what colour?",
    ),
    ("doing", ""): (
        "What is the child in the {subject} shirt doing?",
        "What does the child with the {subject} shirt do now?",
        "The child in {subject}: what is it doing?",
    ),
    ("name_of", ""): (
        "What is the name of the child in the {subject} shirt?",
        "Who is the child in the {subject} shirt?",
        "How is the child in {subject} called?",
    ),
    ("name_at", ""): (
        "Who is {zone}?",
        "Which child is {zone} now?",
        "What is the name of the child {zone}?",
    ),
    ("color_then", "last"): (
        "What colour was the chair before it was plain wood again?",
        "Which colour did the chair have last, before the wooden one came back?",
        "The last coloured chair: what colour was it?",
    ),
    ("color_then", "first"): (
        "What colour was the first coloured chair?",
        "Which colour did the chair turn to first?",
        "When the chair first changed, what colour did it get?",
    ),
    ("shown card", "last"): (
        "Which card did the teacher show last?",
        "What was on the teacher's latest card?",
        "The last card of the teacher showed what?",
    ),
    ("shown card", "first"): (
        "Which card did the teacher show first?",
        "What was on the teacher's first card?",
        "The first card of the teacher showed what?",
    ),
    ("shown television", "last"): (
        "What was on television last?",
        "Which programme did the television show last?",
        "The latest programme showed what?",
    ),
    ("shown television", "first"): (
        "What was on television first?",
        "Which programme did the television show first?",
        "The first programme showed what?",
    ),
    ("box_of", "last"): (
        "In which box is the {subject}?",
        "Where is the {subject} now: in the box of which colour?",
        "What colour is the box with the {subject} in it?",
    ),
    ("box_of", "first"): (
        "In which box was the {subject} put first?",
        "Where was the {subject} first: in the box of which colour?",
        "What colour is the box that first had the {subject} in it?",
    ),
    ("times", ""): (
        "How many times did the {subject} {verb}?",
        "How often did the {subject} {verb} so far?",
        "The {subject}: how many times did it {verb}?",
    ),
    ("first_hidden", ""): (
        "Which was put into a box first, the {subject} or the {which}?",
        "What went into a box earlier, the {subject} or the {which}?",
        "The {subject} and the {which}: which was put away first?",
    ),
    ("first_held", ""): (
        "Which was held up first, the {subject} or the {which}?",
        "What did a child hold up earlier, the {subject} or the {which}?",
        "The {subject} and the {which}: which was held up first?",
    ),
    ("holder", ""): (
        "Who held up the {subject}?",
        "Which child held the {subject} up?",
        "What is the name of the child that held up the {subject}?",
    ),
    ("holding", ""): (
        "What does the child in the {subject} shirt hold up?",
        "What is the child with the {subject} shirt holding up now?",
        "The child in {subject}: what does it hold up?",
    ),
    ("held_by", ""): (
        "What colour is the shirt of the child that held up the {subject}?",
        "In which shirt was the child that held the {subject} up?",
        "The child that held up the {subject}: which shirt does it have?",
    ),
    ("held", "last"): (
        "What was held up last?",
        "Which did a child hold up last?",
        "What did a child hold up last?",
    ),
    ("put_away", "last"): (
        "What was put into a box last?",
        "What went into a box last?",
        "Which was put away last?",
    ),
    ("held", "first"): (
        "What was held up first?",
        "Which did a child hold up first?",
        "What did a child hold up first?",
    ),
    ("put_away", "first"): (
        "What was put into a box first?",
        "What went into a box first?",
        "Which was put away first?",
    ),
    ("next", ""): (
        "What will the child in the {subject} shirt do next?",
        "What does the child with the {subject} shirt do next?",
        "The child in {subject}: what comes next?",
    ),
}

_VERBS = {"bell": "ring", "lamp": "flash"}

#: Forms of answers as sentences.
_SENTENCES: dict[tuple[str, str], str] = {
    ("color_now", ""): "the {subject} is {answer}",
    ("doing", ""): "the child in {subject} is {doing}",
    ("name_of", ""): "it is {answer}",
    ("name_at", ""): "{answer} is {zone}",
    ("color_then", "last"): "it was {answer}",
    ("color_then", "first"): "it was {answer} at first",
    ("shown card", "last"): "the teacher showed a {answer} last",
    ("shown card", "first"): "the teacher showed a {answer} first",
    ("shown television", "last"): "the {answer} was on television last",
    ("shown television", "first"): "the {answer} was on television first",
    ("box_of", "last"): "the {subject} is in the {answer} box",
    ("box_of", "first"): "the {subject} was put into the {answer} box first",
    ("times", ""): "{answer} times",
    ("first_hidden", ""): "the {answer} was put away first",
    ("first_held", ""): "the {answer} was held up first",
    ("holder", ""): "{answer} held up the {subject}",
    ("holding", ""): "the child in {subject} holds up the {answer}",
    ("held_by", ""): "the child in {answer} held up the {subject}",
    ("held", "last"): "the {answer} was held up last",
    ("held", "first"): "the {answer} was held up first",
    ("put_away", "last"): "the {answer} was put away last",
    ("put_away", "first"): "the {answer} was put away first",
    ("next", ""): "the child in {subject} will be {doing}",
}


def answer_sentence(question: Question, answer: str) -> str:
    """Puts an answer into a sentence; "unknown" stays as it is."""
    if answer == UNKNOWN:
        return answer
    kind = f"shown {question.subject}" if question.kind == "shown" else question.kind
    form = _SENTENCES[(kind, question.which)] if (kind, question.which) in _SENTENCES else _SENTENCES[(kind, "")]
    doing = ACTIONS[answer].doing if answer in ACTIONS else ""
    return form.format(subject=question.subject, answer=answer, zone=ZONE_WORDS.get(question.subject, ""), doing=doing)


def forms_of(question: Question) -> tuple[str, ...]:
    """Returns the surface forms of a question, with fields for its subjects."""
    kind = f"shown {question.subject}" if question.kind == "shown" else question.kind
    return _FORMS[(kind, question.which)] if (kind, question.which) in _FORMS else _FORMS[(kind, "")]


def phrase_question(question: Question, rng: np.random.Generator) -> str:
    """Puts a question into words, in a random surface form."""
    return word_question(question, str(rng.choice(forms_of(question))))


def word_question(question: Question, form: str) -> str:
    """Puts a question into words, in one of its forms."""
    return form.format(
        subject=question.subject,
        which=question.which,
        zone=ZONE_WORDS.get(question.subject, ""),
        verb=_VERBS.get(question.subject, ""),
    )
