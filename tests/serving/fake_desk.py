"""A desk of cardboard: scores nothing, and fails in the ways that a test asks for by a student's key."""

from __future__ import annotations

import time
from pathlib import Path

from features.problems import NotFound, Problem, Refused
from serving.contract import FIRST_LANGUAGE, Desk, NoModel, NotYours


class FakeDesk:
    def __init__(self, home: Path) -> None:
        self.home = home

    def _model(self) -> None:
        if (self.home / "no-model").exists():
            raise NoModel("No model has been promoted for any target yet")
        if (self.home / "broken-model").exists():
            raise RuntimeError("secret Ana Smith")

    def score(self, body: dict[str, object], tenant: str, audience: str) -> dict[str, object]:
        self._model()
        students = body["students"]
        assert isinstance(students, list)
        wanted = str(students[0].get("student_id"))
        if wanted == "refuse":
            raise Refused(
                [
                    Problem(
                        "date",
                        "students[0].attendance[3].date",
                        "This is not a date",
                        "Use YYYY-MM-DD.",
                        value_shape="99",
                    ),
                    Problem("unknown", "students[0].colour", "There is no such table", "Leave it out."),
                ]
            )
        if wanted == "explode":
            try:
                int(str(students[0]["name"]))
            except ValueError as error:
                raise RuntimeError(f"secret {students[0]['name']}") from error
        if wanted == "validate":
            from pydantic import TypeAdapter

            TypeAdapter(int).validate_python(students[0]["name"])
        if wanted == "theirs":
            raise NotYours("This student belongs to another school")
        if wanted == "slow":
            time.sleep(float(students[0]["seconds"]))
        return {
            "tenant": tenant,
            "audience": audience,
            "as_of": body["as_of"],
            "n": len(students),
            "keys": sorted(body),
        }

    def score_stored(
        self, student_ids: list[str], tenant: str, audience: str, language: object = FIRST_LANGUAGE
    ) -> dict[str, object]:  # fmt: skip
        self._model()
        return {"tenant": tenant, "audience": audience, "student_ids": student_ids, "language": language}

    def model_card(self, target: str, prediction_id: str | None, tenant: str) -> dict[str, object]:
        if target == "whole":
            from approvals import example

            return example()
        if target not in ("dropout", "learning_gap"):
            raise NotFound("There is no model for this target")
        return {"target": target, "prediction_id": prediction_id, "tenant": tenant}

    def system_card(self, tenant: str) -> dict[str, object]:
        lists = ("pipeline", "models", "human_roles", "decision_points", "thresholds", "logging", "monitoring", "evidence")
        parts: dict[str, object] = {name: [] for name in lists}
        return {**parts, "title": "How it is", "owner": tenant, "training_required": "", "retention": {}, "assessments": {},
                "access_matrix": [{"audience": "x"}],
                "kill_switch": {"one_model": "", "effect": "", "back": ""}, "incident_contacts": {}}  # fmt: skip

    def example(self) -> None:
        self._model()

    def stages(self) -> dict[str, float]:
        return {}


def open_desk(home: Path) -> Desk:
    return FakeDesk(home)
