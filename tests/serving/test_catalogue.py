"""The catalogue of help: what is shipped, what a district makes of it, and what is refused, all at once."""

from __future__ import annotations

import math
import tomllib
from datetime import date
from pathlib import Path

import pytest

from features.problems import Refused
from serving import catalogue
from serving.catalogue import (
    ASSUMED,
    CONVERSATION,
    FACTORS,
    SPREAD,
    UNCLAIMED,
    Measured,
    of_folder,
    read,
    shipped,
    with_district,
)
from serving.pages import words as pages_words

SHIPPED = Path(catalogue.__file__).with_name(catalogue.FILE)

CLUB = """
[intervention.homework_club]
name = "Homework club"
factors = ["coursework"]
grades = [6, 12]
tier = 2
evidence = 4
shrink = 1.0
dose = "two afternoons a week"
who = "teacher"
minutes_per_week = 90
says = "Students do their homework together, with a teacher there."
"""


def district(folder: Path, text: str) -> Path:
    path = folder / catalogue.FILE
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        with_district(shipped(), district(folder, text))
    return [f"{one.where}: {one.problem}" for one in refused.value.problems]


# -- what is shipped --------------------------------------------------------------------------------------------------


def test_all_help_that_pages_have_names_for_is_in_the_catalogue_under_the_same_name() -> None:
    folder = Path(pages_words.__file__).with_suffix("")
    for language in ("en", "es"):
        named = tomllib.loads((folder / language / "interventions.toml").read_text(encoding="utf-8"))["intervention"]
        assert set(named) == set(shipped())
        if language == "en":
            assert named == {key: one.name for key, one in shipped().items()}
    assert len(shipped()) == 22


def test_every_factor_that_records_can_show_has_help_but_little_activity_online() -> None:
    answered = {factor for one in shipped().values() for factor in one.factors}
    assert set(FACTORS) - answered == {"engagement"}


def test_a_claim_that_nobody_has_checked_counts_as_none() -> None:
    unchecked = {key for key, one in shipped().items() if one.effect and not one.effect.checked}
    assert unchecked == {"cico", "fba_bip", "restorative", "transport", "health_link", "transition", "he_advise"}
    assert {shipped()[key].effect.size for key in unchecked} == {UNCLAIMED}  # type: ignore[union-attr]
    # Nearly twice as many graduates would be half a standard deviation, had anybody held it against its source.
    assert shipped()["he_advise"].published == UNCLAIMED


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("tutor_hd", 0.288 * 0.4),  # standard deviations as published
        ("barr", 0.8 * math.log((0.802 / 0.198) / (0.744 / 0.256)) / 1.65),  # two shares: the Cox index
        ("sel_universal", 0.5 * 0.2793),  # 11 percentile points above the middle
        ("att_mail", 0.8 * -math.log(1 - 0.059) / 1.65),  # one of seventeen days missed: a share averted
        ("att_home", 0.5 * ASSUMED),  # points of attendance: another unit
        ("work_plan", UNCLAIMED),
        ("access_device", 0.0),  # a trial that found nothing
    ],
)
def test_effects_of_all_units_come_down_to_one_by_one_rule_and_are_shrunk(key: str, size: float) -> None:
    assert shipped()[key].published == pytest.approx(size, abs=1e-4)


def test_only_help_with_access_is_owed_and_none_of_it_promises_an_outcome() -> None:
    owed = {key for key, one in shipped().items() if one.entitlement}
    assert owed == {"access_device", "access_hotspot"}
    assert shipped()["access_device"].evidence == 1
    assert "changed neither" in shipped()["access_device"].effect.says  # type: ignore[union-attr]


# -- what was measured here -------------------------------------------------------------------------------------------


def measured(size: float, wide: float) -> Measured:
    return Measured(size, size - wide, size + wide, 200, date(2026, 6, 30), "lottery")


def test_an_own_estimate_moves_the_published_effect_as_far_as_it_is_sure() -> None:
    tutoring = shipped()["tutor_hd"]
    vague, sure = (shipped().with_measured({"tutor_hd": measured(0.5, wide)})["tutor_hd"] for wide in (2.0, 0.02))
    assert tutoring.expected == tutoring.published < vague.expected < 0.13
    assert sure.expected == pytest.approx(0.5, abs=0.01)
    # As sure as the prior: the middle of both.
    even = shipped().with_measured({"tutor_hd": measured(0.5, 1.96 * SPREAD)})["tutor_hd"]
    assert even.expected == pytest.approx((tutoring.published + 0.5) / 2)


def test_help_that_was_measured_to_harm_is_expected_to() -> None:
    assert shipped().with_measured({"att_text": measured(-0.3, 0.05)})["att_text"].expected < -0.2


def test_a_draw_of_ones_own_counts_as_a_trial_and_a_comparison_does_not() -> None:
    drawn = measured(0.1, 0.1)
    compared = Measured(0.1, 0.0, 0.2, 200, date(2026, 6, 30), "doubly_robust")
    weights = [shipped().with_measured({"work_plan": own})["work_plan"].weight for own in (drawn, compared)]
    assert weights == [1.0, 0.4]


# -- a district's own file --------------------------------------------------------------------------------------------


def test_a_district_adds_changes_withdraws_and_measures(tmp_path: Path) -> None:
    assert of_folder(tmp_path) is shipped()
    district(
        tmp_path,
        CLUB
        + """
[change.tutor_hd]
minutes_per_week = 135
shrink = 0.33

[withdraw.att_mail]
reason = "The board stopped the letters."
on = 2026-09-01

[measured.att_text]
size = 0.02
low = -0.05
high = 0.09
students = 412
on = 2026-06-30
how = "lottery"
""",
    )
    found = of_folder(tmp_path)
    assert found["homework_club"].factors == ("coursework",)
    assert (found["tutor_hd"].minutes_per_week, found["tutor_hd"].shrink) == (135, 0.33)
    assert found["tutor_hd"].effect == shipped()["tutor_hd"].effect
    assert "att_mail" not in found
    assert found.withdrawn["att_mail"].on == date(2026, 9, 1)
    assert found["att_text"].measured is not None
    assert 0.02 < found["att_text"].expected < shipped()["att_text"].published
    assert len(found) == len(shipped())
    assert "homework_club" not in shipped()


def test_a_changed_effect_is_replaced_whole(tmp_path: Path) -> None:
    path = district(
        tmp_path,
        """
[change.work_plan.effect]
value = 0.1
metric = "standard deviations of marks"
population = "our own grade 9"
source = "district report 4"
reviewed_on = 2026-08-01
says = "Marks were a tenth of a standard deviation better."
reported = 0.1
""",
    )
    assert with_district(shipped(), path)["work_plan"].published == 0.1


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = problems(
        tmp_path,
        CLUB.replace("grades = [6, 12]", "grades = [12, 6]").replace("teacher", "wizard")
        + """
[intervention.att_mail]
name = "Letters"

[change.nothing]
shrink = 0.5

[change.barr]
shrink = 1.5
colour = "red"

[withdraw.cico]
on = "yesterday"

[measured.cico]
size = 0.5
low = 0.6
high = 0.7
students = 0
on = 2026-06-30
how = "hope"

[other]
""",
    )
    for expected in (
        "other: there is no such key",
        "intervention.homework_club.grades: these are not a first and a last year of school",
        "intervention.homework_club.who: nobody of this kind is known",
        "intervention.att_mail: there is one of this key already",
        "intervention.att_mail.factors: it is missing or no list of texts",
        "change.nothing: there is no help of this key",
        "change.barr.shrink: it is no number from 0 to 1",
        "change.barr.colour: there is no such key",
        "withdraw.cico.reason: it is missing or no text",
        "withdraw.cico.on: it is missing or no day",
        "measured.cico: there is no help of this key",  # it is withdrawn
    ):
        assert expected in wrong, expected


def test_an_estimate_outside_its_interval_or_found_in_no_known_way_is_refused(tmp_path: Path) -> None:
    wrong = problems(
        tmp_path,
        """
[measured.cico]
size = 0.5
low = 0.6
high = 0.7
students = 0
on = 2026-06-30
how = "hope"
""",
    )
    assert wrong == [
        "measured.cico: the effect is not within an interval that has a width",
        "measured.cico.how: this is no way of measuring",
        "measured.cico.students: it is no whole number from 1 to 10,000,000",
    ]


@pytest.mark.parametrize(("key", "why"), [(CONVERSATION, "it comes before any other help"), ("access_hotspot", "it is owed")])
def test_the_talk_and_what_is_owed_cannot_be_withdrawn(tmp_path: Path, key: str, why: str) -> None:
    (wrong,) = problems(tmp_path, f'[withdraw.{key}]\nreason = "No money."\non = 2026-09-01\n')
    assert why in wrong


def test_what_is_owed_stays_owed(tmp_path: Path) -> None:
    (wrong,) = problems(tmp_path, "[change.access_device]\nentitlement = false\n")
    assert wrong == "change.access_device.entitlement: what is owed stays owed"


def test_a_file_that_is_no_toml_says_where_and_never_what(tmp_path: Path) -> None:
    path = district(tmp_path, 'name = "Ana Ruiz\n')
    with pytest.raises(Refused) as refused:
        with_district(shipped(), path)
    assert "line 1" in str(refused.value)
    assert "Ana" not in str(refused.value)


def test_a_whole_catalogue_needs_the_talk(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no conversation"):
        read(district(tmp_path, CLUB))


@pytest.mark.parametrize("key", list(shipped()))
def test_every_shipped_entry_can_be_changed_and_stays_what_it_is_otherwise(tmp_path: Path, key: str) -> None:
    found = with_district(shipped(), district(tmp_path, f"[change.{key}]\nstart_within_days = 21\n"))
    assert found[key].start_within_days == 21
    again = with_district(
        found, district(tmp_path, f"[change.{key}]\nstart_within_days = {shipped()[key].start_within_days}\n")
    )
    assert again[key] == shipped()[key]
