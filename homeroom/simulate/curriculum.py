"""What the simulated district teaches: subjects, skills in the order of their prerequisites, courses, and work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GRADES = (6, 7, 8, 9, 10, 11, 12)

#: The four core subjects: the code in keys, the name in records, the name of a course.
SUBJECTS = (
    ("EL", "english", "English"),
    ("MA", "mathematics", "Mathematics"),
    ("SC", "science", "Science"),
    ("SO", "social_studies", "Social studies"),
)
CORE = len(SUBJECTS)

#: Elective courses; a student takes two of them.
ELECTIVES = (("AR", "art", "Art"), ("MU", "music", "Music"), ("PE", "physical_education", "Physical education"),
             ("CS", "computing", "Computing"))  # fmt: skip
TAKEN = CORE + 2
COURSES = (*SUBJECTS, *ELECTIVES)


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill: its key, what a student can do who has it, its subject (by place) and the grade that teaches it."""

    key: str
    statement: str
    subject: int
    grade: int


_STATEMENTS: dict[str, dict[int, tuple[tuple[str, str], ...]]] = {
    "EL": {
        6: (("EVIDENCE", "Point to the lines of a text that support an answer"),
            ("MAINIDEA", "Say what a text is mainly about, and how its parts add to it"),
            ("PARAGRAPH", "Write a paragraph that keeps to one idea")),
        7: (("INFERENCE", "Say what a text implies and does not state"),
            ("COMPARE", "Compare how two texts treat the same matter"),
            ("CLAIM", "Write a claim and give reasons for it")),
        8: (("THEME", "Follow a theme through a story"),
            ("SOURCES", "Judge whether a source can be trusted"),
            ("ARGUMENT", "Write an argument that answers an objection")),
        9: (("STRUCTURE", "Explain how the order of a text makes its effect"),
            ("LANGUAGE", "Explain how the choice of words shapes tone"),
            ("ESSAY", "Write an essay with a thesis and evidence")),
        10: (("PERSPECTIVE", "Explain how a narrator's standpoint shapes a story"),
             ("RHETORIC", "Take apart how a speech persuades"),
             ("RESEARCH", "Write from several sources and name them")),
        11: (("SYNTHESIS", "Bring several texts together in one line of thought"),
             ("STYLE", "Edit a text for clarity and voice"),
             ("CRITIQUE", "Weigh the reasoning of an argument")),
        12: (("ANALYSIS", "Write an analysis of a longer work"),
             ("PRESENT", "Present an argument and answer questions"),
             ("PORTFOLIO", "Choose, revise and explain own work")),
    },
    "MA": {
        6: (("FRACTION", "Divide fractions and say what the result means"),
            ("RATIO", "Use ratios to compare and to scale"),
            ("EXPRESSION", "Write and read expressions with letters")),
        7: (("PERCENT", "Solve problems of percent increase and decrease"),
            ("NEGATIVE", "Calculate with negative numbers"),
            ("EQUATION", "Solve equations of two steps")),
        8: (("LINEAR", "Describe a line by its slope and intercept"),
            ("EXPONENT", "Use integer exponents"),
            ("SYSTEM", "Solve two linear equations together")),
        9: (("INEQUALITY", "Solve inequalities and show them on a line"),
            ("FUNCTION", "Read and use function notation"),
            ("QUADRATIC", "Factor quadratic expressions")),
        10: (("SIMILAR", "Use similar triangles"),
             ("PROOF", "Prove a statement about angles"),
             ("CIRCLE", "Relate arcs, angles and chords")),
        11: (("POLYNOMIAL", "Divide polynomials"),
             ("LOGARITHM", "Use logarithms to solve for an exponent"),
             ("TRIG", "Use sine and cosine on the unit circle")),
        12: (("LIMIT", "Say what a function approaches"),
             ("INFER", "Draw a conclusion from a sample"),
             ("MODEL", "Choose and judge a mathematical model")),
    },
    "SC": {
        6: (("MEASURE", "Plan a fair test and measure with it"),
            ("CELL", "Say what the parts of a cell do"),
            ("MATTER", "Explain changes of state with particles")),
        7: (("ENERGY", "Follow energy from one form to another"),
            ("ECOSYSTEM", "Say how living things depend on each other"),
            ("GRAPH", "Draw and read a graph of measurements")),
        8: (("FORCE", "Predict how forces change motion"),
            ("HEREDITY", "Explain how traits are passed on"),
            ("EARTH", "Use evidence of the Earth's past")),
        9: (("ATOM", "Describe an atom and its charges"),
            ("EVOLUTION", "Explain adaptation by selection"),
            ("VARIABLE", "Tell which variable caused a result")),
        10: (("REACTION", "Balance a chemical equation"),
             ("GENETICS", "Predict traits with a cross"),
             ("UNCERTAINTY", "Give a result with its uncertainty")),
        11: (("MOLE", "Calculate amounts in moles"),
             ("MOTION", "Describe motion with equations"),
             ("DESIGN", "Design an experiment and defend it")),
        12: (("FIELD", "Describe electric and magnetic fields"),
             ("SYSTEMS", "Model the feedback of a system"),
             ("REVIEW", "Judge a published finding")),
    },
    "SO": {
        6: (("MAP", "Read a map and its scale"),
            ("TIMELINE", "Put events in order and say how far apart they are"),
            ("SOURCE", "Tell a first-hand source from a later one")),
        7: (("REGION", "Explain how a place shapes how people live"),
            ("CAUSE", "Tell causes of an event from its occasion"),
            ("ECONOMY", "Explain supply and demand")),
        8: (("CIVICS", "Say how a law is made"),
            ("VIEWPOINT", "Explain an event from two sides"),
            ("DATA", "Read a table of figures about people")),
        9: (("MIGRATION", "Explain why people move"),
            ("CONTEXT", "Read a source in its time"),
            ("RIGHTS", "Apply a right to a case")),
        10: (("EMPIRE", "Compare how empires ruled"),
             ("TRADE", "Explain who gains from trade"),
             ("THESIS", "Defend a thesis about the past")),
        11: (("REFORM", "Trace how a reform came about"),
             ("POLICY", "Weigh the effects of a policy"),
             ("ARCHIVE", "Work with several sources that disagree")),
        12: (("GOVERN", "Compare forms of government"),
             ("FINANCE", "Plan a budget and judge a loan"),
             ("ACTION", "Plan and present a proposal for the town")),
    },
}  # fmt: skip

#: Every skill, in the order of grades: what is learned before a skill stands before it.
SKILLS: tuple[Skill, ...] = tuple(
    Skill(f"{code}.{grade}.{key}", statement, subject, grade)
    for grade in GRADES
    for subject, (code, _, _) in enumerate(SUBJECTS)
    for key, statement in _STATEMENTS[code][grade]
)
SKILL_AT = {skill.key: at for at, skill in enumerate(SKILLS)}
#: New skills that a course teaches in a year.
NEW = 3


def course_skills(subject: int, grade: int) -> tuple[int, ...]:
    """Return the places of the skills that a core course works on: its three own, and one of the grade before."""
    own = [at for at, skill in enumerate(SKILLS) if skill.subject == subject and skill.grade == grade]
    if grade == GRADES[0]:
        return (*own, own[0])
    before = [at for at, skill in enumerate(SKILLS) if skill.subject == subject and skill.grade == grade - 1]
    return (*own, before[-1])


def _prerequisites() -> tuple[tuple[str, str], ...]:
    """Each skill rests on the one before it in its course; a year's first and last on those of the year before."""
    pairs: list[tuple[str, str]] = []
    for subject in range(CORE):
        for grade in GRADES:
            own = course_skills(subject, grade)[:NEW]
            pairs += [(SKILLS[own[at]].key, SKILLS[own[at - 1]].key) for at in (1, 2)]
            if grade > GRADES[0]:
                before = course_skills(subject, grade - 1)[:NEW]
                pairs += [(SKILLS[own[0]].key, SKILLS[before[2]].key), (SKILLS[own[2]].key, SKILLS[before[0]].key)]
    # Some bridges between subjects: measuring needs ratios, arguing in social studies needs claims.
    pairs += [("SC.7.GRAPH", "MA.6.RATIO"), ("SC.9.VARIABLE", "SC.6.MEASURE"), ("SC.11.MOTION", "MA.8.LINEAR"),
              ("SO.8.DATA", "MA.7.PERCENT"), ("SO.10.THESIS", "EL.8.ARGUMENT"), ("SC.11.MOLE", "MA.8.EXPONENT")]  # fmt: skip
    return tuple(pairs)


#: Pairs of a skill and one that is learned before it, in the default world.
PREREQUISITES = _prerequisites()


def disorder(pairs: Sequence[tuple[str, ...]]) -> list[str]:
    """Return what is wrong with prerequisites: unknown skills, and what is taught no earlier than what needs it."""
    found = []
    for pair in pairs:
        unknown = [key for key in pair if key not in SKILL_AT]
        if len(pair) != 2:
            found.append("a prerequisite is a pair of a skill and one before it")
        elif unknown:
            found += [f"{key} is no skill" for key in unknown]
        elif SKILL_AT[pair[1]] >= SKILL_AT[pair[0]]:
            found.append(f"{pair[1]} is taught no earlier than {pair[0]}")
    return found


#: Pieces of work of a course in one semester: kind, weight, best score, days from the hand-in to the mark (least, most).
WORK: tuple[tuple[str, float, float, int, int], ...] = (
    ("homework", 5, 10, 1, 4),
    ("quiz", 8, 20, 0, 0),
    ("homework", 5, 10, 1, 4),
    ("tutor_marked", 12, 50, 4, 14),
    ("computer_marked", 6, 20, 0, 0),
    ("exam", 14, 100, 3, 7),
    ("homework", 5, 10, 1, 4),
    ("quiz", 8, 20, 0, 0),
    ("homework", 5, 10, 1, 4),
    ("project", 12, 50, 5, 14),
    ("computer_marked", 6, 20, 0, 0),
    ("exam", 14, 100, 3, 7),
)
PER_SEMESTER = len(WORK)
PER_YEAR = 2 * PER_SEMESTER
#: Pieces in one grading period: a semester has two.
PER_PERIOD = PER_SEMESTER // 2

#: Which of the course's four skills a piece is about, and a second one or none (-1).
PRIMARY = np.array([3, 0, 0, 0, 3, 0, 0, 1, 1, 0, 1, 1, 1, 1, 3, 2, 1, 2, 2, 0, 2, 2, 1, 2])
SECOND = np.array([-1, -1, -1, 3, -1, -1, -1, -1, -1, 1, -1, 0, -1, -1, -1, 1, -1, 1, -1, -1, -1, 0, -1, 1])
