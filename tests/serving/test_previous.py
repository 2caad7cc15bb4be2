"""Whoever is on the list leaves it at a lower line: in a scoring of the whole school, and in both kinds of request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import models
import numpy as np
import polars as pl
import pytest

from features.pipeline import KEYS, FeatureTable
from features.problems import Refused
from serving import batch, whatif
from serving.answers import AUDIENCES, WITH_NUMBERS, Student, answer
from serving.batch import SCHEMA
from serving.changed import scored_before, since_list, since_sent
from serving.listed import Before, Changed, Listed, held
from serving.pages.words import open_words
from serving.previous import UNIT, by_student, kept_on, listed_before
from serving.scoring import Risk
from serving.store import Store
from training.trained import CHECK_IN, TrainedModel

DAY = models.TODAY


def between(probability: float = 0.5) -> Risk:
    """Return a risk whose probability lies between the line of the list and the lower one."""
    risk = next(one for one in models.scored().risks.values() if one.status == "scored" and one.skill_id is None)
    model = replace(risk.model, bands={CHECK_IN: 0.55, "check_in_kept": 0.45, "keep_an_eye": 0.2})
    return replace(risk, model=model, probability=probability, band=model.band(probability))


@pytest.mark.parametrize(
    ("probability", "before", "band"),
    [
        (0.55, "", CHECK_IN), (0.5, "", "keep_an_eye"), (0.5, "keep_an_eye", "keep_an_eye"), (0.5, CHECK_IN, CHECK_IN),
        (0.45, CHECK_IN, CHECK_IN), (0.44, CHECK_IN, "keep_an_eye"), (0.1, CHECK_IN, "no_extra_signal"),
    ],
)  # fmt: skip
def test_a_student_comes_at_the_line_and_leaves_below_the_lower_one(probability: float, before: str, band: str) -> None:
    assert between().model.band(probability, before) == band


def test_an_older_model_has_one_line_only() -> None:
    model = replace(between().model, bands={CHECK_IN: 0.55, "keep_an_eye": 0.2})
    assert model.band(0.5, CHECK_IN) == "keep_an_eye"


def test_only_the_unit_that_was_on_the_list_stays_on_it() -> None:
    risk = between()
    name = risk.model.target.name
    assert held(risk, [Listed(name)]).band == CHECK_IN
    assert held(risk, [Listed(name, risk.enrolment_id)]).band == CHECK_IN
    assert held(risk, [Listed(name, "another stay")]).band == "keep_an_eye"
    assert held(risk, [Listed("learning_gap")]).band == "keep_an_eye"
    assert held(risk, []) is risk
    unscored = replace(risk, status="stale_data", probability=None, band="not_enough_data")
    assert held(unscored, [Listed(name)]) is unscored


def a_list(rows: Sequence[tuple[str, str | None, float | None, str]], target: str = "dropout") -> pl.DataFrame:
    """Return a scored list of student, skill, probability and band."""
    blank = dict.fromkeys(SCHEMA)
    return pl.DataFrame(
        [{**blank, "target": target, "student_id": who, "enrolment_id": f"{who}-stay", "skill_id": skill,
          "probability": chance, "band": band} for who, skill, chance, band in rows], schema=SCHEMA,
    )  # fmt: skip


def test_a_scored_list_keeps_on_it_who_was_there_and_has_not_fallen_below_the_lower_line() -> None:
    model: TrainedModel = between().model
    before = a_list([("ana", None, 0.6, CHECK_IN), ("ben", None, 0.6, CHECK_IN), ("cal", None, 0.7, CHECK_IN)])
    name = model.target.name
    now = a_list(
        [("ana", None, 0.5, "keep_an_eye"), ("ben", None, 0.4, "keep_an_eye"), ("cal", None, None, "not_enough_data"),
         ("dee", None, 0.5, "keep_an_eye")], name,
    )  # fmt: skip
    units = before.select(pl.lit(name).alias("target"), *UNIT)
    found = kept_on(now, [model], units)
    assert dict(found.select("student_id", "band").iter_rows()) == {
        "ana": CHECK_IN, "ben": "keep_an_eye", "cal": "not_enough_data", "dee": "keep_an_eye",
    }  # fmt: skip
    assert found.drop("band").equals(now.drop("band"))
    assert kept_on(now, [model], units.clear()) is now
    assert by_student(units)["ana"] == [Listed(name, "ana-stay")]


# -- what changed since ----------------------------------------------------------------------------------------------------

ENGLISH, SPANISH = open_words()["en"], open_words()["es"]


class Old:
    """A model of before that gives every row the same probability."""

    def __init__(self, says: float) -> None:
        self.says, self.target = says, between().model.target
        self.catalog = SimpleNamespace(at=lambda _: SimpleNamespace(names=()))

    def score(self, table: FeatureTable) -> Any:
        return SimpleNamespace(probability=np.full(len(table), self.says))


@pytest.mark.parametrize(
    ("before", "version", "old", "says"),
    [
        (0.3, "same", None, "Records that arrived since: this speaks more for a check-in."),
        (0.6, "same", None, "Records that arrived since: this speaks less for a check-in."),
        (0.5, "same", None, "Records that arrived since: no difference worth telling."),
        (0.3, "old", 0.31, "A newer model: this speaks more for a check-in."),
        (0.3, "old", 0.48, "Records that arrived since: this speaks more for a check-in."),
        (0.45, "old", 0.8, "Records that arrived since: this speaks more for a check-in."),
        (0.3, "old", None, "A newer model: we cannot tell."),
    ],
)  # fmt: skip
def test_the_larger_part_of_a_change_is_told_and_what_cannot_be_worked_out_is_not_guessed(
    before: float, version: str, old: float | None, says: str
) -> None:
    risk = between()
    rows = pl.DataFrame({name: [getattr(risk, name, None)] for name in KEYS})
    kept = {"model_version": risk.model.version if version == "same" else version, "as_of": DAY - timedelta(days=7)}
    one = {"target": risk.model.target.name, "student_id": risk.student_id, "enrolment_id": risk.enrolment_id,
           "section_id": risk.section_id, "skill_id": None, "probability": before, "band": "no_extra_signal"}  # fmt: skip
    was = scored_before(pl.DataFrame([one | kept], {**dict.fromkeys(one, pl.String), "probability": pl.Float64,
                                                    "model_version": pl.String, "as_of": pl.Date}))  # fmt: skip

    def earlier(*_: str) -> Any:
        return None if old is None else Old(old)

    (found,) = since_list([risk], rows, was, earlier, ENGLISH).values()
    assert (found.as_of, found.band, found.probability) == (DAY - timedelta(days=7), "no_extra_signal", before)
    assert found.text == f"Before: No extra signal from the data. Now: Worth keeping an eye on. {says}"
    assert since_list([risk], rows, {}, earlier, ENGLISH) == {}
    silent = replace(risk, status="stale_data", probability=None, band="not_enough_data")
    assert since_list([silent], rows, was, earlier, ENGLISH) == {}


def test_a_request_tells_what_it_brought_and_no_cause() -> None:
    risk = between()
    unit = Listed(risk.model.target.name, risk.enrolment_id)
    found = since_sent(risk, [Before(Listed(unit.target, "another"), CHECK_IN), Before(unit, CHECK_IN, DAY, 0.7)], SPANISH)
    assert found is not None
    assert (found.as_of, found.band, found.probability) == (DAY, CHECK_IN, 0.7)
    assert found.text == "Antes: Se sugiere una conversación. Ahora: Conviene estar pendiente."
    assert since_sent(risk, [Before(unit, "not_enough_data")], SPANISH) is None
    assert since_sent(risk, [], SPANISH) is None


@pytest.mark.parametrize("audience", AUDIENCES)
def test_who_sees_no_probability_is_told_the_band_before(audience: str) -> None:
    risk = between()
    told = {whatif.key(risk): Changed(DAY, CHECK_IN, 0.7, "Words.")}
    found = answer(Student("S"), DAY, [risk], {}, audience, b"secret", changes=told)["risks"][0]["changed_since"]
    number = {"probability": 0.7} if audience in WITH_NUMBERS else {"band": CHECK_IN}
    assert found == {"as_of": DAY.isoformat(), **number, "text": "Words."}
    assert answer(Student("S"), DAY, [risk], {}, audience, b"secret")["risks"][0]["changed_since"] is None


# -- a school from one week to the next ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder where a school was scored on one day."""
    home = tmp_path_factory.mktemp("weeks")
    models.school().write(Store.of(home, "default").records_folder)
    score(home, DAY - timedelta(days=7), moody())
    return home


def moody(line: float | None = None) -> tuple[TrainedModel, ...]:
    """Return a model whose lower line nobody falls below, and whose list begins at another line if one is given."""
    one = models.trained()[0]
    return (replace(one, bands={**one.bands, CHECK_IN: one.bands[CHECK_IN] if line is None else line, "check_in_kept": 1e-9}),)


#: A line that nobody reaches: who is on the list was on it before.
OUT_OF_REACH = 1.0


def score(home: Path, day: date, given: Sequence[TrainedModel], name: str = "out.parquet") -> pl.DataFrame:
    out = home / name
    batch.run(models.school(), given, day, Store.of(home, "default"), out)
    return pl.read_parquet(out)


def one_list(home: Path, day: date) -> pl.DataFrame:
    """Return the list that was kept of a day."""
    (path,) = (Store.of(home, "default").folder / "lists").glob(f"{day}-*.parquet")
    return pl.read_parquet(path)


@pytest.mark.full
def test_a_scoring_looks_back_to_the_newest_earlier_day_and_repeats_to_the_byte(weeks: Path) -> None:
    store = Store.of(weeks, "default")
    earlier = listed_before(store, DAY)
    assert earlier.height > 3
    assert listed_before(store, DAY - timedelta(days=7)).is_empty(), "a day does not look back to itself"
    given = moody(OUT_OF_REACH)
    now = score(weeks, DAY, given)
    written = (weeks / "out.parquet").read_bytes()
    stayed = now.filter(pl.col("band") == CHECK_IN)
    assert stayed.height > 0
    assert set(stayed["enrolment_id"]) <= set(earlier["enrolment_id"])
    assert score(weeks, DAY, given, "again.parquet").equals(now)
    assert (weeks / "again.parquet").read_bytes() == written
    score(weeks, DAY - timedelta(days=7), moody(), "earlier.parquet")
    score(weeks, DAY, given, "again.parquet")
    assert (weeks / "again.parquet").read_bytes() == written


@pytest.mark.full
def test_a_request_gives_the_band_of_the_list_when_it_is_told_the_band_before(weeks: Path) -> None:
    given = moody(OUT_OF_REACH)
    now = score(weeks, DAY, given)
    listed = now.filter(pl.col("band") == CHECK_IN)
    stays = dict(now.group_by("student_id").len().iter_rows())
    who, stay, chance = next(
        row for row in listed.select("student_id", "enrolment_id", "probability").iter_rows() if stays[row[0]] == 1
    )
    desk = models.desk_of(weeks, given)
    stored: Any = desk.score_stored([who], "default", "counselor")["scores"]
    assert [(one["band"], one["probability"]) for one in stored[0]["risks"]] == [(CHECK_IN, chance)]
    day = DAY - timedelta(days=7)
    (kept,) = one_list(weeks, day).filter(pl.col("enrolment_id") == stay)["probability"]
    since = stored[0]["risks"][0]["changed_since"]
    assert (since["as_of"], since["probability"]) == (day.isoformat(), kept)
    both = "Before: A check-in is suggested. Now: A check-in is suggested."
    assert since["text"].startswith(f"{both} Records that arrived since:")
    newer: Any = models.desk_of(weeks, (given[0].with_version("2"),)).score_stored([who], "default", "teacher", "es")["scores"]
    assert newer[0]["risks"][0]["changed_since"]["text"].endswith("Un modelo más nuevo: no lo podemos saber.")
    body = models.body_of(models.school(), [who], DAY)
    told = {"target": given[0].target.name, "band": CHECK_IN, "enrolment_id": stay, "as_of": str(day), "probability": kept}
    for previous, band in (([told], CHECK_IN), ([{**told, "band": "keep_an_eye"}], None), (None, None)):
        student = {**body["students"][0], **({"previous_bands": previous} if previous else {})}
        answer: Any = desk.score({**body, "students": [student]}, "default", "counselor")["scores"]
        (risk,) = answer[0]["risks"]
        assert risk["probability"] == chance, "the same inputs give the same probability, whatever was before"
        assert risk["band"] == (band or given[0].band(chance))
        assert band or risk["band"] != CHECK_IN
        assert (risk["changed_since"] or {}).get("probability") == (kept if previous else None)


def test_bands_of_an_earlier_answer_that_are_none_are_refused_at_their_place() -> None:
    desk = models.desk_of(models.scored().home, models.trained())
    body = models.body_of(models.school(), models.students_on(models.school(), DAY, 1), DAY)
    wrong = [{"target": "dropout", "band": "red"}, {"target": "nothing", "band": CHECK_IN}, {"band": CHECK_IN}, 3,
             {"target": "dropout", "band": CHECK_IN, "enrolment_id": 7}]  # fmt: skip
    faults = [{"target": "dropout", "band": CHECK_IN} | one for one in ({"probability": 31}, {"as_of": "May"})]
    body["students"][0]["previous_bands"] = [*wrong, *faults]
    with pytest.raises(Refused) as refused:
        desk.score(body, "default", "teacher")
    assert [one.where for one in refused.value.problems] == [
        *(f"students[0].previous_bands[{at}]" for at in range(len(wrong))),
        "students[0].previous_bands[5].probability", "students[0].previous_bands[6].as_of",
    ]  # fmt: skip
