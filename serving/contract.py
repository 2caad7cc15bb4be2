"""What the HTTP service needs from the room that scores, and what it can be told.

The service knows no model, no feature and no school: it hands a checked request to a :class:`Desk` and turns what
comes back, or what is raised, into an answer. Tests put a desk of cardboard in its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from features.problems import HomeroomError, NotFound, Problem, Refused
from serving.cases.oidc import OidcSettings
from serving.review.settings import ReviewSettings

if TYPE_CHECKING:
    from datetime import date

    from serving.cases.families import Correction, Restriction

#: Names the settings in the environment: BentoML starts its workers as processes of their own.
SETTINGS_VARIABLE = "HOMEROOM_SERVE"

#: Names the function that opens the desk, as ``module:function``.
DESK_VARIABLE = "HOMEROOM_DESK"

#: The language of an answer that names none.
FIRST_LANGUAGE = "en"


class NoModel(NotFound):
    """No model has been promoted yet, so that nothing can be scored. The service answers 503 and stays up."""


class NotYours(HomeroomError):
    """Something that exists but that this key may not have. The service answers 403."""


class Desk(Protocol):
    """Where a request is worked on.

    Every method may be called from several threads at once. A :class:`~features.problems.Refused` becomes 422 with
    all its problems, :class:`NoModel` 503, :class:`NotYours` 403, any other :class:`~features.problems.NotFound` 404,
    with the words of the error as the message; they go to the sender of the request and to nobody else.
    :class:`~features.problems.Unavailable` becomes a 503 without its words, and anything else a 500 that says nothing.
    """

    def score(self, body: dict[str, object], tenant: str, audience: str) -> dict[str, object]:
        """Score the students whose records are in ``body``, which has the outer form of :data:`SCORE_EXAMPLE`."""

    def score_stored(
        self, student_ids: list[str], tenant: str, audience: str, language: object = FIRST_LANGUAGE
    ) -> dict[str, object]:  # fmt: skip
        """Score the latest stored snapshot of students that ``tenant`` owns, and say it in a language that there is."""

    def corrected(self, tenant: str, asked: Correction | Restriction, today: date) -> int:
        """Lay an accepted correction over the records, and score its student again."""

    def model_card(self, target: str, prediction_id: str | None, tenant: str) -> dict[str, object]:
        """Return the card of the model in use for ``target``, or of the version behind one prediction."""

    def system_card(self, tenant: str) -> dict[str, object]:
        """Return the card of the whole system: its models in use, who does what, and how it is stopped."""

    def example(self) -> None:
        """Score a built-in example student, so that a service says it is ready only when it is."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What a service is told when it starts.

    ``max_waiting`` is how many requests one worker holds at a time, the one it works on included; the next one is
    told to come back (429). ``timeout_s`` bounds reading a request and, apart from that, answering it. ``tenant`` is
    whose people sign in to the pages, ``review`` what their school says of them, and ``oidc`` its own sign-in. ``dpia_id`` and
    ``dpia_date`` are the impact assessment under which stored students are scored (:mod:`serving.assessed`).
    """

    home: Path = Path(".homeroom")
    database_url: str = ""
    max_body_bytes: int = 10_000_000
    workers: int = 1
    timeout_s: float = 30.0
    max_students: int = 1000
    max_waiting: int = 64
    mlflow_uri: str = ""
    stale_after_days: int = 14
    norms_stale_after_days: int = 14
    dpia_id: str = ""
    dpia_date: str = ""
    tenant: str = "default"
    review: ReviewSettings = field(default_factory=ReviewSettings)
    oidc: OidcSettings = field(default_factory=OidcSettings)

    @classmethod
    def from_mapping(cls, given: Mapping[str, object]) -> ServeSettings:
        """Return the settings with defaults where nothing is given, every path absolute.

        Raises :class:`~features.problems.Refused` with every unknown key and every value of the wrong kind at once.
        """
        review, oidc = ReviewSettings.from_mapping(given.get("review", {})), OidcSettings.from_mapping(given.get("oidc", {}))
        given = {name: value for name, value in given.items() if name not in ("review", "oidc")}
        known = {field.name: field.default for field in fields(cls)}
        texts = {name for name, default in known.items() if isinstance(default, str | Path)}
        problems = [
            Problem("setting", f"serve.{name}", "There is no such setting", f"The settings are {', '.join(known)}.")
            for name in given
            if name not in known
        ]
        for name, value in given.items():
            kind = (str, Path) if name in texts else (int, float) if name == "timeout_s" else (int,)
            wrong = not isinstance(value, kind) or isinstance(value, bool)
            if name in known and (wrong or (isinstance(value, int | float) and value <= 0)):
                wanted = "text" if str in kind else "a number above 0"
                problems.append(Problem("setting", f"serve.{name}", f"It must be {wanted}", "Correct the setting."))
        if problems:
            raise Refused(problems, "The settings of the service were refused")
        told = cls(**given, review=review, oidc=oidc)  # type: ignore[arg-type]
        home = Path(told.home).expanduser().resolve()
        url = told.database_url or f"sqlite:///{home / 'homeroom.db'}"
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            # Workers run in another folder than the one that a relative path was written for.
            url = f"sqlite:///{Path(url.removeprefix('sqlite:///')).resolve()}"
        return replace(told, home=home, database_url=url)

    @classmethod
    def from_environment(cls) -> ServeSettings:
        """Read the settings that :func:`serving.launch.serve` left in the environment."""
        given = json.loads(os.environ.get(SETTINGS_VARIABLE, "{}"))
        return cls.from_mapping(given)

    def as_json(self) -> str:
        """Return the settings as the environment carries them to the workers."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(told | {"home": str(self.home), "review": asdict(self.review), "oidc": asdict(self.oidc)})


def open_chosen_desk(home: Path) -> Desk:
    """Open the desk that the environment names, by default Homeroom's own."""
    module, _, function = os.environ.get(DESK_VARIABLE, "serving.desk:open_desk").partition(":")
    opener: Callable[[Path], Desk] = getattr(import_module(module), function)
    return opener(home)


#: A request as the reference and the home page show it: one student, ten weeks into a course, and the class's work.
SCORE_EXAMPLE: Mapping[str, object] = {
    "as_of": "2026-11-13",
    "students": [
        {
            "student_id": "S-104",
            "name": "Ana",
            "enrolments": [
                {"enrolment_id": "E-77", "organisation_id": "lincoln", "entered_on": "2026-08-20",
                 "planned_end_on": "2027-05-28", "previous_attempts": 0, "credits_load": 60}
            ],
            "rosters": [{"section_id": "ALG-1"}],
            "activity": [
                {"on": "2026-09-08", "kind": "content", "actions": 31, "resources": 6},
                {"on": "2026-09-15", "kind": "quiz", "actions": 12, "resources": 2},
                {"on": "2026-09-29", "kind": "content", "actions": 18, "resources": 4},
                {"on": "2026-10-12", "kind": "content", "actions": 5, "resources": 1},
            ],
            "submissions": [{"assignment_id": "A-1", "submitted_on": "2026-09-25"}],
            "results": [{"assignment_id": "A-1", "status": "graded", "score": 62, "marked_on": "2026-10-02"}],
            "skill_results": [],
        }
    ],
    "school": {
        "sections": [
            {"section_id": "ALG-1", "course_id": "ALG", "term_id": "2026", "organisation_id": "lincoln",
             "starts_on": "2026-09-01", "ends_on": "2027-05-28"}
        ],
        "assignments": [
            {"assignment_id": "A-1", "section_id": "ALG-1", "kind": "tutor_marked", "due_on": "2026-09-25",
             "weight": 20, "max_score": 100},
            {"assignment_id": "A-2", "section_id": "ALG-1", "kind": "tutor_marked", "due_on": "2026-10-30",
             "weight": 40, "max_score": 100},
            {"assignment_id": "A-3", "section_id": "ALG-1", "kind": "tutor_marked", "due_on": "2027-02-26",
             "weight": 40, "max_score": 100},
        ],
    },
}  # fmt: skip

#: The same for students whose records are already here.
STORED_EXAMPLE: Mapping[str, object] = {"student_ids": ["S-104"]}
