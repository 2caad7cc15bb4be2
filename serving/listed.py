"""Who was on the list before: a student leaves it only at a lower line than the one at which they came.

The same inputs give the same probability everywhere. The band may also hang on the band before, and that is an input
like any other: a scoring of the whole school takes it from the newest list of an earlier day, which the store keeps; so
does a request about stored students; and a request with records in it says it or leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from serving.scoring import Risk
from training.trained import CHECK_IN

#: What a band may be.
BANDS = (CHECK_IN, "keep_an_eye", "no_extra_signal", "not_enough_data")


@dataclass(frozen=True, slots=True)
class Listed:
    """A unit of one student that was on the list of a target; a key that is not told fits any."""

    target: str
    enrolment_id: str | None = None
    section_id: str | None = None
    skill_id: str | None = None

    def fits(self, risk: Risk) -> bool:
        """Whether it is the unit of a risk of the same student."""
        if risk.model.target.name != self.target:
            return False
        told = ((self.enrolment_id, risk.enrolment_id), (self.section_id, risk.section_id), (self.skill_id, risk.skill_id))
        return all(mine is None or mine == theirs for mine, theirs in told)


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier answer said of a unit: its band, and where they are told the day and the probability."""

    unit: Listed
    band: str
    as_of: date | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a unit came to before, and how that differs from now in words.

    ``as_of`` and ``probability`` are None where a request brought none.
    """

    as_of: date | None
    band: str
    probability: float | None
    text: str


def held(risk: Risk, listed: Sequence[Listed]) -> Risk:
    """Return a risk with the band that it has if the student was on these lists before."""
    if risk.probability is None or not any(one.fits(risk) for one in listed):
        return risk
    return replace(risk, band=risk.model.band(risk.probability, CHECK_IN))
