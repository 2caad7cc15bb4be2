"""The one gate of time, versions, and what lies behind which door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import example_school
import polars as pl
import pytest
from example_school import TODAY, enrolment, plus

from features import cohort, pipeline
from features.catalog import Catalog, Feature, Frame, feature
from features.problems import NotFound, Refused
from features.records import EVER, FACTS, SchoolRecords, Snapshot
from features.standard import STANDARD
from features.tables import GRAIN_KEYS, TABLES, Grain, Table, Use

ROOT = Path(__file__).resolve().parents[2]
UNITS: tuple[Grain, ...] = ("enrolment", "section", "skill")
TOMORROW = TODAY + timedelta(days=1)


def features_of(records: SchoolRecords, unit: Grain, day: date = TODAY) -> pl.DataFrame:
    return pipeline.build(records, cohort.on_dates(records, [day], unit), STANDARD).frame


@cache
def of_the_school(unit: Grain) -> pl.DataFrame:
    """What the example school gives, as it is."""
    return features_of(example_school.records(), unit)


def seen(records: SchoolRecords, table: str, day: date = TODAY) -> pl.DataFrame:
    """What a feature sees of a table for Ana's autumn."""
    units = pl.DataFrame({"row": [0], "student_id": ["ana"], "enrolment_id": ["ana-autumn"], "as_of": [day]})
    return records.known_at(units, "enrolment").table(table).collect()


# -- the gate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "marks"), [(date(2026, 9, 21), 0), (date(2026, 9, 22), 1), (date(2026, 10, 3), 2)])
def test_a_row_is_seen_from_the_end_of_the_day_it_is_known(school: SchoolRecords, day: date, marks: int) -> None:
    assert seen(school, "results", day).height == marks


def test_a_first_import_takes_a_row_as_known_on_the_day_of_its_event(school: SchoolRecords) -> None:
    for name, table in TABLES.items():
        if name not in school.parts:
            continue
        frame = school.labels(name).collect()
        if table.event:
            late = frame.filter(pl.col("known_on") != pl.col(table.event).dt.offset_by(f"{table.lag_days}d"))
            assert late.is_empty()
        else:
            assert set(frame["known_on"]) == {EVER}


def later_rows(name: str, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield what a later import could bring to a table: other values, new rows and deletions, known tomorrow."""
    tomorrow = frame.with_columns(pl.lit(TOMORROW).alias("known_on"))
    yield tomorrow.with_columns(_changed(column.type).alias(column.name) for column in _free(name))
    yield tomorrow.with_columns(pl.lit(value=True).alias("deleted"))
    key = TABLES[name].natural_key[-1]
    if TABLES[name].column(key).type == pl.String():
        yield tomorrow.with_columns((pl.col(key) + "-new").alias(key))
        if key != "student_id" and TABLES[name].by_student:
            yield tomorrow.with_columns(pl.col(key).reverse())


def _free(name: str) -> list[object]:
    keys = {"student_id", "enrolment_id", "section_id", "skill_id"}
    return [c for c in TABLES[name].columns if not c.natural and c.name not in keys and not c.values]


def _changed(dtype: pl.DataType) -> pl.Expr:
    return pl.lit({pl.String(): "other", pl.Date(): date(2026, 10, 10), pl.Boolean(): True}.get(dtype, 7), dtype)


def one_class() -> SchoolRecords:
    """The school without reading: an enrolment is then a class, and features are computed in another way."""
    frames = example_school.tables()
    return example_school.records(
        {
            name: frame.filter(~pl.col("section_id").str.starts_with("reading"))
            if "section_id" in frame.columns and name not in ("sections", "assignments")
            else frame
            for name, frame in frames.items()
        }
    )


SCHOOLS = {"two classes": example_school.records, "one class": one_class}


#: What is known of a class is carried down to its skills: the skills' rows tell of both.
FINE = ["enrolment", pytest.param("section", marks=pytest.mark.full), "skill"]


@pytest.mark.parametrize("unit", FINE)
@pytest.mark.parametrize("kind", SCHOOLS)
def test_rows_known_after_as_of_change_no_bit_of_any_feature(kind: str, unit: Grain) -> None:
    school = SCHOOLS[kind]()
    frames = {name: school.labels(name).collect() for name in school.parts}
    before = features_of(school, unit)
    more = {name: pl.concat([frame, *(later.select(frame.columns) for later in later_rows(name, frame))])
            for name, frame in frames.items()}  # fmt: skip
    after = features_of(SchoolRecords.from_frames(more), unit)
    assert before.equals(after), _differing(before, after)


def test_what_is_counted_of_a_stay_does_not_depend_on_the_classes_that_become_known_later() -> None:
    school = one_class()
    frames = {name: school.labels(name).collect() for name in school.parts}
    late = pl.col("student_id").is_in(["ana", "ben"])
    frames["rosters"] = frames["rosters"].with_columns(known_on=pl.when(late).then(TOMORROW).otherwise("known_on"))
    before = features_of(SchoolRecords.from_frames(frames), "enrolment")
    assert before.filter(student_id="ana")["active_days_28d"].to_list() == [3]
    second = {"student_id": "cal", "enrolment_id": "cal-autumn", "section_id": "reading-autumn", "known_on": TOMORROW}
    changed = SchoolRecords.from_frames(plus(frames, "rosters", second))
    assert not changed.single_section
    assert before.equals(features_of(changed, "enrolment"))


@pytest.mark.parametrize("table", ["rosters", "activity", "skill_results"])
def test_a_row_in_a_second_class_makes_a_stay_more_than_one_class(table: str) -> None:
    frames = {name: part[0].collect() for name, part in one_class().parts.items()}
    assert SchoolRecords.from_frames(frames).single_section
    second = frames[table].filter(enrolment_id="ana-autumn").head(1).with_columns(section_id=pl.lit("reading-autumn"))
    assert not SchoolRecords.from_frames({**frames, table: pl.concat([frames[table], second])}).single_section


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", SCHOOLS)
def test_rows_of_no_single_table_known_after_as_of_change_a_bit(kind: str, unit: Grain) -> None:
    school = SCHOOLS[kind]()
    frames = {name: school.labels(name).collect() for name in school.parts}
    before = features_of(school, unit)
    for name, frame in frames.items():
        more = pl.concat([frame, *(later.select(frame.columns) for later in later_rows(name, frame))])
        after = features_of(SchoolRecords.from_frames({**frames, name: more}), unit)
        assert before.equals(after), f"{name} known tomorrow changed {_differing(before, after)}"


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS)
def test_every_table_of_features_does_change_some_feature_once_it_is_known(school: SchoolRecords, unit: Grain) -> None:
    """The tests above could not fail if the later rows said nothing new: a day on, they do."""
    frames = {name: school.labels(name).collect() for name in school.parts}
    now = features_of(school, unit, TOMORROW)
    telling = {"enrolments", "rosters", "sections", "assignments", "submissions", "results", "activity"}
    for name in telling | ({"skill_results"} if unit == "skill" else set()):
        assert any(
            not now.equals(
                features_of(
                    SchoolRecords.from_frames({**frames, name: pl.concat([frames[name], later.select(frames[name].columns)])}),
                    unit,
                    TOMORROW,
                )
            )
            for later in later_rows(name, frames[name])
        ), name


def _differing(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    return [name for name in one.columns if not one[name].equals(other[name])] if one.height == other.height else ["the cohort"]


# -- versions ---------------------------------------------------------------------------------------------------------


def corrected() -> SchoolRecords:
    """Ana's mark for a2 was 50; it is corrected to 90 on 20 October, and taken back on 20 November."""
    row = {"student_id": "ana", "enrolment_id": "ana-autumn", "assignment_id": "a2", "status": "graded",
           "marked_on": date(2026, 10, 3)}  # fmt: skip
    return example_school.records(
        plus(
            example_school.tables(),
            "results",
            row | {"score": 90.0, "known_on": date(2026, 10, 20)},
            row | {"score": 90.0, "known_on": date(2026, 11, 20), "deleted": True},
        )
    )


@pytest.mark.parametrize(
    ("day", "score"),
    [(date(2026, 10, 2), None), (date(2026, 10, 19), 50.0), (date(2026, 10, 20), 90.0), (date(2026, 11, 19), 90.0),
     (date(2026, 11, 20), None), (date(2027, 1, 1), None)],
)  # fmt: skip
def test_the_latest_version_known_is_the_one_seen_and_a_deletion_is_a_version(day: date, score: float | None) -> None:
    records = corrected()
    assert records.versioned == {"results"}
    found = seen(records, "results", day).filter(assignment_id="a2")["score"].to_list()
    assert found == ([] if score is None else [score])


def test_one_look_at_several_days_gives_each_day_its_own_version() -> None:
    records = corrected()
    days = [date(2026, 10, 19), date(2026, 10, 20), date(2026, 11, 20)]
    units = pl.DataFrame({"row": [0, 1, 2], "student_id": "ana", "enrolment_id": "ana-autumn", "as_of": days})
    found = records.known_at(units, "enrolment").table("results").filter(assignment_id="a2").sort("row").collect()
    assert found.select("row", "score").rows() == [(0, 50.0), (1, 90.0)]


def test_a_table_that_belongs_to_no_student_has_versions_too() -> None:
    moved = {"assignment_id": "a4", "section_id": "algebra-autumn", "title": "A4", "kind": "computer_marked", "weight": 20.0,
             "max_score": 100.0, "due_on": date(2026, 11, 30), "known_on": date(2026, 11, 1)}  # fmt: skip
    records = example_school.records(plus(example_school.tables(), "assignments", moved))
    due = {day: records.reference("assignments", day).filter(assignment_id="a4")["due_on"].to_list()
           for day in (date(2026, 10, 31), date(2026, 11, 1))}  # fmt: skip
    assert due == {date(2026, 10, 31): [date(2026, 11, 10)], date(2026, 11, 1): [date(2026, 11, 30)]}


def test_records_kept_by_a_release_with_other_tables_are_not_opened(school: SchoolRecords, tmp_path: Path) -> None:
    school.write(tmp_path / "records")
    manifest = tmp_path / "records" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"tables": "', '"tables": "0'))
    with pytest.raises(NotFound, match="Read the export again"):
        SchoolRecords.open(tmp_path / "records")


# -- doors ------------------------------------------------------------------------------------------------------------


#: What features join through, without a feature of their own.
JOINED_THROUGH = {"rosters", "exits", "assignment_skills", "organisations", "terms", "skill_prerequisites", "digital_access"}


@pytest.mark.parametrize(
    "table", sorted(name for name, table in TABLES.items() if not table.used_for("feature") and name not in JOINED_THROUGH)
)
def test_a_snapshot_gives_no_table_without_a_feature(school: SchoolRecords, table: str) -> None:
    snapshot = school.known_at(example_school.one("ana").frame.with_row_index("row"), "section")
    for door in (snapshot.table, snapshot.reference):
        with pytest.raises(Refused, match="what no feature may see"):
            door(table)


def test_a_snapshot_gives_no_column_whose_use_is_not_feature_or_join(school: SchoolRecords) -> None:
    snapshot = school.known_at(example_school.one("ana").frame.with_row_index("row"), "section")
    for name, table in TABLES.items():
        if not table.used_for("feature") and name not in JOINED_THROUGH:
            continue
        door = snapshot.table if table.by_student else snapshot.reference
        columns = set(door(name).collect_schema().names())
        assert columns <= {"row", "as_of", *table.used_for("feature", "join")}
        assert not columns & {"tenant", "known_on", "deleted", "kind"} or "kind" in table.used_for("feature", "join")


def test_how_a_stay_ended_cannot_be_read_from_a_snapshot_though_that_it_ended_can(school: SchoolRecords) -> None:
    assert "kind" not in seen(school, "exits").columns
    assert "exited_on" in seen(school, "exits").columns


def test_a_table_is_read_through_the_door_of_its_kind(school: SchoolRecords) -> None:
    snapshot = school.known_at(example_school.one("ana").frame.with_row_index("row"), "section")
    with pytest.raises(ValueError, match="read it through reference"):
        snapshot.table("assignments")
    with pytest.raises(ValueError, match="read it through table"):
        snapshot.reference("results")
    with pytest.raises(ValueError, match="read it through known_at"):
        school.reference("activity", TODAY)


def test_group_facts_are_read_as_known_at_a_date(school: SchoolRecords) -> None:
    assert school.audit("demographics", TODAY).height == len(example_school.STUDENTS)
    assert school.audit("demographics", date(1899, 1, 1)).is_empty()


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_page_is_shown_keys_and_what_is_there_to_be_shown_and_nothing_else(school: SchoolRecords, table: Table) -> None:
    if not table.used_for("display_only") and table.name not in FACTS:
        with pytest.raises(Refused, match="what no page may show"):
            school.shown(table.name, TODAY)
        return
    columns = school.shown(table.name, TODAY).collect_schema().names()
    uses: tuple[Use, ...] = ("display_only", "join", "feature") if table.name in FACTS else ("display_only", "join")
    assert {table.column(name).use for name in columns} <= set(uses)
    assert set(columns) == set(table.used_for(*uses))


def test_what_is_only_for_an_audit_or_a_label_is_never_shown_beside_facts() -> None:
    hidden = {"demographics", "outcomes", "exits", "objections"}
    assert not FACTS & hidden
    assert not any(column.use in ("audit_only", "label") for name in FACTS for column in TABLES[name].columns)


@pytest.mark.parametrize("buckets", [1, 3])
def test_the_records_of_one_student_are_all_their_rows_and_nobody_elses(tmp_path: Path, buckets: int) -> None:
    school = example_school.records().write(tmp_path / "records", buckets)
    mine = school.of_student("ana")
    assert mine.buckets == 1
    for name, table in TABLES.items():
        if school.holds(name):
            whole, own = (one._rows(name).collect() for one in (school, mine))
            if table.by_student:
                assert own.sort(own.columns).equals(whole.filter(pl.col("student_id") == "ana").sort(own.columns)), name
            else:
                assert own.equals(whole), name
    assert not school.of_student("ana", ("attendance",)).holds("results")
    assert school.of_student("nobody").shown("attendance", TODAY).collect().is_empty()


def test_what_is_shown_is_what_was_known() -> None:
    row = {"student_id": "ana", "given_name": "Ana", "preferred_name": "Ani", "known_on": TOMORROW}
    renamed = example_school.records(plus(example_school.tables(), "identities", row))
    names = [renamed.shown("identities", day).filter(pl.col("student_id") == "ana").collect() for day in (TODAY, TOMORROW)]
    assert [frame["preferred_name"].to_list() for frame in names] == [[None], ["Ani"]]


def test_a_feature_that_reads_what_none_may_read_is_refused_when_built(school: SchoolRecords) -> None:
    shelf: list[Feature] = []

    def who(snapshot: Snapshot) -> pl.LazyFrame:
        return snapshot.table("demographics")

    frame = Frame("who", ("demographics",), who)

    @feature(frame=frame, concept="history", unit="", range=(0, 1), higher="context", name="x", into=shelf)
    def curious() -> pl.Expr:
        return pl.col("sex").first()

    with pytest.raises(Refused):
        pipeline.build(school, example_school.one("ana"), Catalog.of(shelf))


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("buckets", [1, 5])
def test_records_written_and_opened_give_the_same_bits(school: SchoolRecords, tmp_path: Path, buckets: int) -> None:
    opened = school.write(tmp_path / "records", buckets)
    assert opened.buckets == buckets
    assert (opened.tenant, opened.versioned, opened.single_section) == (
        school.tenant, school.versioned, school.single_section,
    )  # fmt: skip
    for unit in UNITS:
        assert features_of(opened, unit).equals(of_the_school(unit))
    for name in school.parts:
        keys = list(TABLES[name].natural_key)
        assert opened.labels(name).collect().sort(keys).equals(school.labels(name).collect().sort(keys))


def test_the_features_of_a_bucket_are_those_of_the_whole(school: SchoolRecords, tmp_path: Path) -> None:
    opened = school.write(tmp_path / "records", 3)
    whole = pipeline.build(school, cohort.on_dates(school, [TODAY], "section"), STANDARD)
    rows = []
    for number in range(opened.buckets):
        bucket = opened.bucket(number)
        rows.append(pipeline.build(bucket, cohort.on_dates(bucket, [TODAY], "section"), STANDARD, whole.norms).frame)
    keys = ["student_id", "section_id"]
    assert sum(frame.height > 0 for frame in rows) > 1
    assert pl.concat(rows).sort(keys).equals(whole.frame.sort(keys))


def test_a_file_says_of_each_column_what_it_may_be_used_for(school: SchoolRecords, tmp_path: Path) -> None:
    school.write(tmp_path / "records")
    found = pl.read_parquet_metadata(tmp_path / "records" / "demographics" / "bucket-0000.parquet")
    assert found["sex"] == "restricted;audit_only"


class Power(BaseException):
    """The power goes."""


@pytest.mark.parametrize("at", [1, 4, 9])
@pytest.mark.parametrize("before", [True, False], ids=["over older records", "for the first time"])
def test_a_write_that_is_killed_leaves_what_was_there(
    school: SchoolRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, before: bool
) -> None:
    folder = tmp_path / "records"
    if before:
        school.write(folder)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    written = 0
    real = pl.DataFrame.write_parquet

    def failing(self: pl.DataFrame, *args: object, **named: object) -> None:
        nonlocal written
        written += 1
        if written == at:
            raise Power
        real(self, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(pl.DataFrame, "write_parquet", failing)
    with pytest.raises(Power):
        school.write(folder, 2)
    assert list(tmp_path.iterdir()) == ([folder] if before else [])
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == files


def test_there_are_no_records_where_none_were_written(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no records in nowhere"):
        SchoolRecords.open(tmp_path / "nowhere")


def test_records_that_a_program_gives_are_checked_like_a_file() -> None:
    frames = {name: frame.to_pandas() for name, frame in example_school.tables().items()}
    records = SchoolRecords.from_pandas(frames)
    assert features_of(records, "section").equals(of_the_school("section"))
    frames["results"].loc[0, "status"] = "Zq7Wvk"
    frames["submissions"] = frames["submissions"].drop(columns="submitted_on")
    frames["grades"] = frames["results"]
    with pytest.raises(Refused) as refused:
        SchoolRecords.from_pandas(frames)
    assert {problem.code for problem in refused.value.problems} >= {"unknown_table", "missing_column"}
    assert "Zq7Wvk" not in str(refused.value)


# -- rules of the house, read from the code ---------------------------------------------------------------------------

#: Below the roof nothing asks for the time, so that a score of yesterday can be made again. These files may: they
#: stamp cases and keys, limit the rate of requests, and measure how long a request took; none of it enters a feature.
CLOCKS_ALLOWED = ("serving/cases/", "serving/guard.py", "serving/measures.py", "serving/service.py")


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the last name of everything that is called in a file, and the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node.lineno


def read_by_name(path: Path) -> Iterator[str]:
    """Yield every table that a file asks records for by its name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            asked = node.args[0]
            if node.func.attr in {"audit", "labels", "shown", "visible", "_rows"} and isinstance(asked, ast.Constant):
                yield str(asked.value)


def below_the_roof(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


@pytest.mark.full
def test_nothing_below_the_roof_asks_for_the_time() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in below_the_roof("features", "training", "serving")
        if not str(path.relative_to(ROOT)).startswith(CLOCKS_ALLOWED)
        for name, line in calls(path)
        if name in {"now", "today", "utcnow", "time", "time_ns", "localtime", "gmtime", "fromtimestamp"}
    ]
    assert asked == []


@pytest.mark.full
def test_only_what_learns_or_judges_and_who_is_enrolled_read_labels_and_only_an_audit_reads_groups() -> None:
    """``labels`` opens every version of a table; a cohort needs it for the calendar of terms, not for an outcome."""
    audited_tables = {name for name, table in TABLES.items() if table.used_for("audit_only")}
    assert audited_tables
    for path in below_the_roof("features", "training", "serving", "homeroom"):
        where, names = path.relative_to(ROOT).parts[0], {name for name, _ in calls(path)}
        if "labels" in names and path.name != "measures.py":  # Prometheus has a word of the same name
            # Beside what learns and judges, only what compares lists of past days with what came of them, and what erases:
            # a student has to be found in every version that there ever was, also by the command that asks for it.
            known = ("cohort.py", "records.py", "judge.py", "lists.py", "erasure.py", "rights.py")
            assert where == "training" or path.name in known, path
        if "audit" in names:
            assert path.name in ("fairness.py", "leakage.py", "audit.py"), path
        if "shown" in names:
            # What is shown passes the one door that cuts rows to those whom a reader may see.
            assert path.relative_to(ROOT).as_posix() == "serving/cases/access.py", path
        if path.name != "fairness.py":
            assert not audited_tables & set(read_by_name(path)), path
    terms = [node for node in ast.walk(ast.parse((ROOT / "features" / "cohort.py").read_text()))
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "labels"]  # fmt: skip
    assert [ast.literal_eval(node.args[0]) for node in terms] in ([], ["terms"])


def test_a_snapshot_opens_neither_labels_nor_groups_nor_what_pages_show() -> None:
    assert not {"labels", "audit", "shown"} & set(dir(Snapshot))


def test_keys_of_a_grain_are_columns_that_only_join() -> None:
    for keys in GRAIN_KEYS.values():
        for table in TABLES.values():
            for column in table.columns:
                assert column.name not in keys or column.use == "join"


def test_the_keys_of_the_example_school_are_unique(school: SchoolRecords) -> None:
    assert enrolment("ana") == "ana-autumn"
    assert school.versioned == frozenset()
