"""The door: what comes in, what is set aside, and that every row is accounted for."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import example_school
import polars as pl
import pytest

from features.problems import Problem, Refused
from features.sources import tables as source
from features.tables import TABLES, Column, Table
from features.validation import LONGEST, Account, Reading, Rule, check, day, load, read_files

PARTY = Table(
    "party",
    "Guests.",
    (
        Column("guest", pl.String(), "Who.", "confidential", "join", natural=True, required=True),
        Column("host", pl.String(), "Of whom.", "confidential", "join", references="hosts"),
        Column("on", pl.Date(), "When.", "internal", "feature", required=True),
        Column("chairs", pl.Int32(), "How many.", "internal", "feature", least=0, most=9),
        Column("price", pl.Float64(), "How dear.", "internal", "feature", least=0),
        Column("vegan", pl.Boolean(), "Yes or no.", "internal", "feature"),
        Column("mood", pl.String(), "How it was.", "internal", "feature", values=("good", "bad")),
    ),
)
GOOD = {"guest": "g1", "host": "h1", "on": "2026-05-01", "chairs": "3", "price": "2.5", "vegan": "yes", "mood": "good"}


def checked(*rows: dict[str, str | None], rules: tuple[Rule, ...] = ()) -> tuple[pl.DataFrame, pl.DataFrame, list[Problem]]:
    frame = pl.DataFrame([GOOD | row for row in rows], schema=dict.fromkeys(GOOD, pl.String))
    found = check(frame, PARTY, "party.csv", {"hosts": pl.Series(["h1", "h2"])}, rules)
    assert found.account == Account("party.csv", len(rows), found.kept.height, found.quarantined.height)
    return found.kept, found.quarantined, list(found.problems)


def test_a_good_row_comes_in_typed() -> None:
    kept, aside, problems = checked({}, {"guest": " g2 ", "chairs": "?", "vegan": "N", "host": "", "price": "1e2"})
    assert problems == []
    assert aside.is_empty()
    assert kept["guest"].to_list() == ["g1", "g2"]
    assert kept["chairs"].to_list() == [3, None]
    assert kept["vegan"].to_list() == [True, False]
    assert kept["host"].to_list() == ["h1", None]
    assert kept["price"].to_list() == [2.5, 100.0]
    assert kept.schema == pl.Schema({column.name: column.type for column in PARTY.columns})


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("on", "01/05/2026", "bad_value"),
        ("on", "2026-5-1", "bad_value"),
        ("on", "2026-02-30", "bad_value"),
        ("on", "2026-05-01T10:00", "bad_value"),
        ("on", "0026-05-01", "bad_value"),
        ("on", "", "missing_value"),
        ("chairs", "3.5", "bad_value"),
        ("chairs", "three", "bad_value"),
        ("chairs", "12345678901", "bad_value"),
        ("chairs", "nan", "bad_value"),
        ("chairs", "-1", "out_of_range"),
        ("chairs", "10", "out_of_range"),
        ("price", "2,5", "bad_value"),
        ("price", "NaN", "bad_value"),
        ("price", "inf", "bad_value"),
        ("price", "-0.1", "out_of_range"),
        ("vegan", "maybe", "bad_value"),
        ("mood", "Good", "unknown_word"),
        ("host", "h3", "unknown_hosts"),
        ("guest", "?", "missing_value"),
        ("guest", "g" * (LONGEST + 1), "too_long"),
    ],
)
def test_a_bad_cell_is_named_by_file_row_column_shape_and_hint(column: str, value: str, code: str) -> None:
    kept, aside, problems = checked({}, {"guest": "g2", column: value})
    (problem,) = problems
    assert (problem.code, problem.file, problem.row, problem.column) == (code, "party.csv", 3, column)
    assert problem.where == f"party.csv, row 3, column {column}"
    assert problem.hint
    assert len(value) < 2 or value not in str(problem)
    assert kept["guest"].to_list() == ["g1"]
    assert aside["row"].to_list() == [3]
    assert aside[column].to_list() == [value]


def test_every_problem_of_every_row_is_told_at_once() -> None:
    kept, aside, problems = checked(
        {"on": "soon"}, {"guest": "g2", "on": "later", "mood": "odd"}, {"guest": "g3", "host": "nobody"}, {"guest": "g4"}
    )
    assert [(p.code, p.row, p.rows) for p in problems] == [("bad_value", 2, 2), ("unknown_hosts", 4, 1),
                                                           ("unknown_word", 3, 1)]  # fmt: skip
    assert kept["guest"].to_list() == ["g4"]
    assert aside["row"].to_list() == [2, 3, 4]
    assert [len(reasons) for reasons in aside["reasons"].to_list()] == [1, 2, 1]
    assert aside["mood"].to_list() == ["good", "odd", "good"]


def test_the_second_row_of_a_key_is_set_aside_unless_it_is_another_version() -> None:
    _, aside, problems = checked({}, {"chairs": "4"}, {"guest": "g2"})
    assert [problem.code for problem in problems] == ["duplicate_key"]
    assert aside["row"].to_list() == [3]
    frame = pl.DataFrame([GOOD | {"known_on": "2026-05-02"}, GOOD | {"known_on": "2026-05-03", "deleted": "true"}])
    found = check(frame, PARTY, "party.csv")
    assert found.problems == ()
    assert found.kept["deleted"].to_list() == [None, True]


def test_a_rule_across_columns_sets_a_row_aside() -> None:
    rule = Rule(
        "lonely", "chairs, host", "a host with no chair", "Bring one.", (pl.col("chairs") == 0) & (pl.col("host") == "h1")
    )
    _, aside, (problem,) = checked({}, {"guest": "g2", "chairs": "0"}, rules=(rule,))
    assert (problem.code, problem.row, problem.value_shape) == ("lonely", 3, "9, x9")
    assert aside["reasons"].to_list() == [["chairs, host: lonely: a host with no chair"]]


HANDED_IN = pl.DataFrame(
    {
        "student_id": ["ana", "ben", "ana", "cal", None, "zoe"],
        "enrolment_id": ["ana-1", "ana-1", "ana-2", "nobodys", "ana-1", "ana-1"],
        "assignment_id": ["a1", "a1", "a2", "a1", "a1", "a1"],
        "submitted_on": ["2026-05-01"] * 6,
    }
)
OWNERS = pl.DataFrame({"enrolment_id": ["ana-1", "ana-2", "ben-1"], "student_id": ["ana", "ana", "ben"]})


def test_a_row_that_names_a_student_and_the_enrolment_of_another_is_set_aside() -> None:
    known = {"students": pl.Series(["ana", "ben", "cal"]), "enrolments": OWNERS["enrolment_id"]}
    found = check(HANDED_IN, TABLES["submissions"], "submissions.csv", known, owners=OWNERS)
    (problem,) = [one for one in found.problems if one.code == "mismatched_reference"]
    assert (problem.row, problem.rows, problem.column) == (3, 1, "enrolment_id, student_id")
    assert problem.value_shape == "xxx-9, xxx"
    assert "ben" not in str(problem)
    # A key that nobody knows, or none at all, is told as that and not a second time.
    assert {one.code for one in found.problems} == {
        "mismatched_reference", "missing_value", "unknown_students", "unknown_enrolments",
    }  # fmt: skip
    assert found.kept["student_id"].to_list() == ["ana", "ana"]
    assert found.quarantined.filter(pl.col("row") == 3)["reasons"].to_list() == [
        ["enrolment_id, student_id: mismatched_reference: this enrolment is another student's"]
    ]


@pytest.mark.parametrize("table", [t.name for t in TABLES.values() if {"student_id", "enrolment_id"} <= t.schema.keys()])
def test_every_table_that_names_both_is_looked_at_for_whose_the_enrolment_is(table: str) -> None:
    row = {column.name: "?" for column in TABLES[table].columns} | {"student_id": "ben", "enrolment_id": "ana-1"}
    found = check(pl.DataFrame([row]), TABLES[table], table, owners=OWNERS)
    assert "mismatched_reference" in {problem.code for problem in found.problems}
    own = check(pl.DataFrame([row | {"student_id": "ana"}]), TABLES[table], table, owners=OWNERS)
    assert "mismatched_reference" not in {problem.code for problem in own.problems}


@pytest.mark.parametrize(
    "text",
    ["20261113", "2026-W46-5", "2026-11-13T00:00", "2026-11-13 ", "2026-1-13", "0026-11-13", "9999-01-01", "2026-02-30", ""],
)
def test_only_year_month_and_day_between_dashes_is_a_date(text: str) -> None:
    assert day(text) is None
    assert day("2026-11-13") == date(2026, 11, 13)


def test_an_account_that_does_not_add_up_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="3 rows read"):
        Account("a.csv", 3, 1, 1)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("on", [20260501]),
        pl.Series("on", [[1, 2]]),
        pl.Series("price", [float("nan")]),
        pl.Series("price", [float("inf")]),
        pl.Series("chairs", [2.5]),
        pl.Series("chairs", [b"\xff"]),
        pl.Series("vegan", [7]),
        pl.Series("mood", [{"a": 1}]),
    ],
    ids=lambda column: f"{column.name} {column.dtype}",
)
def test_typed_cells_that_do_not_fit_are_set_aside_with_their_content(column: pl.Series) -> None:
    frame = pl.DataFrame([GOOD]).with_columns(column)
    found = check(frame, PARTY, "party.parquet")
    assert found.kept.is_empty()
    assert found.problems[0].code == "bad_value"
    assert found.problems[0].row == 1
    assert found.quarantined[column.name][0]


def test_a_key_that_went_through_pandas_as_a_number_is_the_same_key() -> None:
    frame = pl.DataFrame([GOOD, GOOD]).with_columns(pl.Series("guest", [17.0, None]), pl.Series("chairs", [3.0, 4.0]))
    found = check(frame, PARTY, "party")
    assert found.kept["guest"].to_list() == ["17"]
    assert found.kept["chairs"].to_list() == [3]


# -- files ------------------------------------------------------------------------------------------------------------

TWO = {
    "party": PARTY,
    "hosts": Table("hosts", "Hosts.", (Column("host", pl.String(), "Who.", "internal", "join", natural=True),)),
}


def test_a_missing_file_and_a_wrong_header_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "party.csv").write_text("guest,When\ng1,2026-05-01\n")
    with pytest.raises(Refused) as refused:
        read_files(tmp_path, TWO, TWO)
    assert [(p.code, p.file, p.column) for p in refused.value.problems] == [
        ("missing_column", "party.csv", "on"), ("missing_file", "hosts.csv", ""),
    ]  # fmt: skip


def test_a_missing_folder_is_refused_and_its_whole_path_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_files(tmp_path / "nowhere", TWO, TWO)
    assert [p.code for p in refused.value.problems] == ["missing_folder"]
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_csv_is_read_in_utf8_with_or_without_its_mark_and_in_latin1(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "party.csv").write_bytes("guest, on ,colour\nZoë,2026-05-01,red\n".encode(encoding))
    frame = load(tmp_path / "party.csv", PARTY)
    assert frame.to_dict(as_series=False) == {"guest": ["Zoë"], "on": ["2026-05-01"]}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("party.csv", b"guest,on\ng1,2026-05-01,secret\n", "unreadable_file"),
        ("party.csv", b'guest,on\n"secret,2026-05-01\n', "unreadable_file"),
        ("party.csv", b"guest,on,on\ng1,2026-05-01,2026-05-02\n", "duplicate_column"),
        ("party.csv", b"guest,on, on\ng1,2026-05-01,2026-05-02\n", "duplicate_column"),
        ("party.csv", "guest,on\ng1,2026-05-01\n".encode("utf-16"), "missing_column"),
        ("party.csv", b"", "missing_column"),
        ("party.csv", b"\n\n", "missing_column"),
        ("party.parquet", b"secret", "unreadable_file"),
        ("party.parquet", b"", "unreadable_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_without_what_it_holds(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as refused:
        load(tmp_path / name, PARTY)
    assert {problem.code for problem in refused.value.problems} == {code}
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None, "the cause quotes cells"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_file_cannot_say_which_school_it_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "party.csv").write_text("tenant,guest,on,known_on\nother,g1,2026-05-01,2026-05-02\n")
    assert load(tmp_path / "party.csv", PARTY).columns == ["guest", "on", "known_on"]


# -- damage -----------------------------------------------------------------------------------------------------------

DATES = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.type == pl.Date()]
NUMBERS = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.type in (pl.Int32(), pl.Float64())]
WORDS = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.values]
NEEDED = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.required]
LINKS = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.references]
ANY = [(t.name, c.name) for t in TABLES.values() for c in t.columns]

#: Cells that were put in: a token that must come back in no problem.
TOKEN = "Zq7Wvk"

KINDS: dict[str, tuple[list[tuple[str, str]], Callable[[str], str]]] = {
    "bad date": (DATES, lambda _: f"31.02.{TOKEN}"),
    "bad number": (NUMBERS, lambda _: f"12{TOKEN}"),
    "not a number": (NUMBERS, lambda _: "NaN"),
    "infinity": (NUMBERS, lambda _: "-inf"),
    "too large": (NUMBERS, lambda _: "12345678" * 5),
    "unknown word": (WORDS, lambda _: TOKEN),
    "missing value": (NEEDED, lambda _: "?"),
    "unknown key": (LINKS, lambda _: TOKEN),
    "whitespace": (ANY, lambda cell: f"  {cell}\t"),
    "quotes": (ANY, lambda cell: f'"{TOKEN}, {cell}"'),
    "too long": (ANY, lambda _: TOKEN * 400),
    "signs": (ANY, lambda _: f"\x00\u202e{TOKEN}'; --"),
}


DAMAGES = [*KINDS, "duplicate key", "wrong encoding", "ragged", "swapped columns"]


def damaged(rng: random.Random, kind: str, folder: Path, frames: dict[str, pl.DataFrame]) -> tuple[int, list[str]]:
    """Write the school with some cells damaged; return the rows written, and what was put in."""
    frames = {name: frame.cast(pl.String) for name, frame in frames.items()}
    put: list[str] = []
    table = rng.choice([name for name, frame in frames.items() if frame.height])
    if kind in KINDS:
        places, spoil = KINDS[kind]
        places = [place for place in places if place[0] in frames]
        for name, column in rng.sample(places, k=min(3, len(places))):
            frame = frames[name]
            rows = set(rng.sample(range(frame.height), k=min(frame.height, rng.randint(1, 3))))
            cells = [spoil(cell or "") if at in rows else cell for at, cell in enumerate(frame[column])]
            put += [cells[at] or "" for at in rows]
            frames[name] = frame.with_columns(pl.Series(column, cells, dtype=pl.String))
    elif kind == "duplicate key":
        frame = frames[table]
        frames[table] = pl.concat([frame, frame.sample(1, seed=rng.randint(0, 99))])
    elif kind == "swapped columns":
        frame = frames[table]
        mixed = rng.sample(frame.columns, k=frame.width)
        frames[table] = frame.rename(dict(zip(frame.columns, mixed, strict=True)))
    example_school.export(folder, frames)
    path = folder / f"{table}.csv"
    if kind == "wrong encoding":
        path.write_bytes(
            path.read_text().replace("a", "ä", rng.randint(1, 9)).encode(rng.choice(["latin-1", "utf-16", "cp437"]))
        )
    if kind == "ragged":
        lines = path.read_text().splitlines()
        lines[rng.randrange(len(lines))] += f",{TOKEN}"
        path.write_text("\n".join(lines))
    return sum(frame.height for frame in frames.values()), put


#: A seed, and how many exports: every kind of damage once on every run, two hundred in the full part.
BATCHES = [(0, len(DAMAGES)), *(pytest.param(seed, 40, marks=pytest.mark.full) for seed in range(1, 6))]


@pytest.mark.parametrize(("seed", "count"), BATCHES)
def test_damaged_exports_are_accounted_for_and_no_value_is_told(tmp_path: Path, seed: int, count: int) -> None:
    rng = random.Random(20261113 + seed)
    kinds = rng.sample(DAMAGES, k=len(DAMAGES))
    whole = example_school.tables()
    refused = aside = 0
    for number in range(count):
        # A few rows of some of the tables keep forty readings quick; across the batches every table is there.
        others = rng.sample([name for name in whole if name not in source.REQUIRED], k=6)
        frames = {name: frame.head(5) for name, frame in whole.items() if name in source.REQUIRED or name in others}
        folder, kind = tmp_path / str(number), kinds[number % len(kinds)]
        rows, put = damaged(rng, kind, folder, frames)
        try:
            reading = source.read(folder, source.Tables())
        except Refused as error:
            refused += 1
            said = [str(problem) for problem in error.problems]
            assert said
        else:
            said = [str(problem) for problem in reading.problems]
            assert sum(account.read for account in reading.accounts) == rows, kind
            assert sum(frame.height for frame in reading.tables.values()) + reading.quarantined == rows, kind
            assert reading.quarantined == sum(frame.height for frame in reading.quarantine.values())
            assert bool(said) == bool(reading.quarantined)
            aside += reading.quarantined
            for name, frame in reading.tables.items():
                assert dict(frame.schema) == TABLES[name].schema
                assert all(frame[key].null_count() == 0 for key in TABLES[name].natural_key)
        for text in said:
            assert TOKEN not in text, kind
            assert not any(len(cell) > 3 and cell in text for cell in put), kind
    assert refused >= 1
    assert aside >= count * 3 // 4


def test_what_is_set_aside_is_written_with_its_reasons_and_can_be_sent_again(tmp_path: Path) -> None:
    frames = example_school.tables()
    frames["results"] = frames["results"].with_columns(score=-pl.col("score") * (pl.col("student_id") == "ben") + 1)
    reading = source.read(example_school.export(tmp_path / "in", frames), source.Tables())
    (path,) = reading.write_quarantine(tmp_path / "out")
    assert path.name == "results.quarantined.parquet"
    written = pl.read_parquet(path)
    assert written.columns == ["row", "reasons", *frames["results"].columns]
    assert set(written["student_id"]) == {"ben"}
    assert written.height == reading.quarantined > 0
    assert [p.rows for p in reading.problems] == [written.height]
    mended = written.drop("row", "reasons").with_columns(score=pl.lit("5"))
    again = check(mended, TABLES["results"], "results.csv")
    assert again.problems == ()


def setting_aside(**files: int) -> Reading:
    """Return a reading that set aside some rows of some files."""
    aside = {f"{name}.csv": pl.DataFrame({"row": range(rows), "reasons": [["odd"]] * rows}) for name, rows in files.items()}
    return Reading({}, (), (), aside)


def test_the_quarantine_holds_what_this_reading_set_aside_and_nothing_older(tmp_path: Path) -> None:
    setting_aside(results=3, exits=1).write_quarantine(tmp_path)
    written = setting_aside(results=2, rosters=0, activity=5).write_quarantine(tmp_path)
    assert {path.name for path in written} == {"results.quarantined.parquet", "activity.quarantined.parquet"}
    assert set(tmp_path.iterdir()) == set(written)
    assert pl.read_parquet(tmp_path / "results.quarantined.parquet").height == 2
    assert setting_aside().write_quarantine(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_files_of_somebody_elses_in_the_quarantine_stay_as_they_are(tmp_path: Path) -> None:
    setting_aside(exits=1).write_quarantine(tmp_path)
    theirs = ["results.quarantined.parquet", "mended.quarantined.parquet", "exits.csv", "notes.txt", "x.quarantined.parquet"]
    for name in theirs[:2]:
        pl.DataFrame({"mended": [1]}).write_parquet(tmp_path / name)
    for name in theirs[2:]:
        (tmp_path / name).write_text("mine")
    before = {name: (tmp_path / name).read_bytes() for name in theirs}
    for _ in range(2):
        (path,) = setting_aside(results=2).write_quarantine(tmp_path)
        assert path.name == "results.quarantined-2.parquet"
        assert pl.read_parquet(path).height == 2
        assert {one.name for one in tmp_path.iterdir()} == {*theirs, path.name}
    assert {name: (tmp_path / name).read_bytes() for name in theirs} == before


def test_a_quarantine_that_cannot_be_written_leaves_the_one_before_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting_aside(results=3, exits=1).write_quarantine(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real, written = pl.DataFrame.write_parquet, []

    def torn(frame: pl.DataFrame, path: Path, **given: object) -> None:
        written.append(path)
        if len(written) == 2:
            path.write_bytes(b"PAR1 and no more")
            raise OSError("no space left")
        real(frame, path, **given)  # type: ignore[call-overload]

    monkeypatch.setattr(pl.DataFrame, "write_parquet", torn)
    with pytest.raises(OSError, match="no space"):
        setting_aside(results=1, activity=2).write_quarantine(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
