"""Companion tables: what a main format does not carry, under its canonical name, its Ed-Fi name, or any name a mapping gives.

OneRoster has no attendance, no calendar, no exits and no conduct. They come in files of their own, in which a student has
another name than in the main format, and no row says to which stay it belongs. Here such rows get the main format's keys;
a row whose student is not found, or names two, goes to quarantine and is counted.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import polars as pl

from features import layouts
from features.mapping import FOUND, JOINED, Join, Mappings, TableMapping, parse
from features.mapping import read as read_mapping
from features.problems import Problem, Refused
from features.quarantine import corrected_stem
from features.sources.stays import enrolment_of, latest
from features.tables import TABLES, Table
from features.translation import Beside, Translated, plain, translate
from features.validation import MISSING, Found, Origin, load, missing_columns, row_numbers

_UNREADABLE = "The export cannot be read"

#: Kinds of identifiers whose capitals say nothing.
_CASELESS = ("email", "username")

#: What the rows of a table are joined through where they say neither the stay nor the class: the work they are about.
_WORK = ("assignment_id", "evidence_id")

_KIND = pl.DataFrame(schema={"kind": pl.String, "value": pl.String})


@dataclass(frozen=True)
class Known:
    """What the main format knows when a companion is read.

    ``identifiers`` are all the ways in which it names a student: ``kind``, ``value``, ``student_id``. ``sections`` are the
    same for classes, with ``section_id``, and ``others`` for further keys, such as ``organisation_id``. ``tables`` are its
    canonical frames, typed and checked.
    """

    identifiers: pl.DataFrame = field(default_factory=lambda: _KIND.with_columns(student_id=pl.lit(None, pl.String)))
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    sections: pl.DataFrame = field(default_factory=lambda: _KIND.with_columns(section_id=pl.lit(None, pl.String)))
    others: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """Rows of one canonical table as one file gives them, before they are checked: text or typed, and where they are from."""

    file: str
    frame: pl.DataFrame
    origin: Origin | None = None


@dataclass(frozen=True)
class Companion:
    """A file that gives rows of a table, and how it is read; without ``mapping`` it is in the canonical columns."""

    table: str
    path: Path
    mapping: TableMapping | None = None
    beside: tuple[tuple[Path, tuple[str, ...], layouts.Layout], ...] = ()


@dataclass(frozen=True)
class Companions:
    """The companions of an export, and the files that nobody reads."""

    files: tuple[Companion, ...]
    strangers: tuple[Path, ...]

    @property
    def tables(self) -> frozenset[str]:
        """The canonical tables that they give."""
        return frozenset(one.table for one in self.files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read, each once."""
        read = [path for one in self.files for path in (one.path, *(lookup for lookup, _, _ in one.beside))]
        return tuple(dict.fromkeys(read))


@cache
def edfi_mappings() -> Mapping[str, tuple[TableMapping, ...]]:
    """Return the mappings of Ed-Fi's own columns and descriptors, by the plain name of the resource.

    They lie in ``features/sources/edfi``, one file per resource, in the form of any mapping.
    """
    found = {}
    for file in sorted(files("features.sources").joinpath("edfi").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            says = tomllib.loads(file.read_text("utf-8"))
            found[plain(file.name.removesuffix(".toml"))] = parse(says, file.name, loosely=True)
    return found


def find(
    folder: Path, mappings: Mappings | None = None, taken: Collection[str] = (), beside: Sequence[Path] = ()
) -> Companions:
    """Return the companions in ``folder``.

    Args:
        folder: the export, unpacked.
        mappings: what the mapping says, if there is one: a table it names is read as it says.
        taken: names of files that the main format reads itself.
        beside: further folders in which a file may lie that the mapping names; its own folder is one of them.

    Raises:
        Refused: the mapping names a file that is not there, or two files give one table.

    """
    own = {name.lower() for name in taken}
    candidates = [path for path in sorted(folder.iterdir()) if _is_table(path) and path.name.lower() not in own]
    files_found: list[Companion] = []
    problems: list[Problem] = []
    folders = [folder, *beside, *([mappings.path.parent] if mappings else [])]
    for one in mappings.tables if mappings else ():
        if one.file:
            found, problem = _named_files(one, folders)
            problems += problem
            files_found += found
    claimed = {path.resolve() for one in files_found for path in (one.path, *(lookup for lookup, _, _ in one.beside))}
    loose = {one.table: one for one in (mappings.tables if mappings else ()) if not one.file}
    left = []
    lookups = set()
    for path in candidates:
        if path.resolve() in claimed:
            continue
        table, edfi = _named_so(path)
        if table:
            files_found.append(Companion(table, path, loose.get(table)))
        elif edfi:
            for one in edfi:
                companion, _ = _with_lookups(loose.get(one.table, one), path, [folder])
                files_found.append(companion)
                lookups |= {lookup.resolve() for lookup, _, _ in companion.beside}
        else:
            left.append(path)
    # Where both endings lie there the Parquet file is read, as ever.
    kept = [one for one in files_found if one.mapping is not None or one.path.suffix.lower() != ".csv" or not any(
        other.table == one.table and other.mapping is None and other.path.suffix.lower() == ".parquet"
        for other in files_found)]  # fmt: skip
    problems += _twice(kept)
    for name in loose:
        if not any(one.table == name for one in kept):
            problems.append(Problem("missing_file", f"{name}.csv", "the mapping speaks of it, and there is no such file",
                                    f'Name the file in the mapping: [{name}] file = "...".', file=f"{name}.csv"))  # fmt: skip
    if problems:
        raise Refused(problems, _UNREADABLE)
    order = list(TABLES)
    return Companions(tuple(sorted(kept, key=lambda one: (order.index(one.table), one.path.name))),
                      tuple(path for path in left if path.resolve() not in lookups))  # fmt: skip


def _is_table(path: Path) -> bool:
    if path.is_dir():
        return path.name in TABLES and any(path.glob("*.parquet"))
    return path.suffix.lower() in {".csv", ".parquet"} and not corrected_stem(path) and not path.name.startswith(".")


def _named_so(path: Path) -> tuple[str, tuple[TableMapping, ...]]:
    """Return which table a file's name means, or how a resource of Ed-Fi by that name is read.

    Capitals do not count, but for ``Staff``, which is Ed-Fi's, and ``staff``, which is ours.
    """
    stem = path.stem if path.is_file() else path.name
    ours = stem.casefold() if stem.casefold() in TABLES else ""
    edfi = edfi_mappings().get(plain(stem)) or edfi_mappings().get(plain(stem).removesuffix("s"), ())
    if ours and (stem == ours or plain(stem) not in edfi_mappings() or stem != stem.capitalize()):
        return ours, ()
    return "", edfi


def _named_files(one: TableMapping, folders: Sequence[Path]) -> tuple[list[Companion], list[Problem]]:
    for folder in folders:
        paths = sorted(path for path in folder.glob(one.file) if path.is_file() and not corrected_stem(path))
        if paths:
            made = [_with_lookups(one, path, [path.parent, *folders]) for path in paths]
            return [companion for companion, _ in made], [problem for _, problems in made for problem in problems]
    return [], [Problem("missing_file", one.file, "the mapping names this file, and it is not there",
                        "Put it into the export, or beside it or the mapping.", file=one.file)]  # fmt: skip


def _with_lookups(one: TableMapping, path: Path, folders: Sequence[Path]) -> tuple[Companion, list[Problem]]:
    beside, problems = [], []
    for lookup in one.lookups:
        at = next((folder / lookup.file for folder in folders if (folder / lookup.file).is_file()), None)
        if at is not None:
            beside.append((at, lookup.by, lookup.layout))
        elif not one.loosely:
            problems.append(Problem("missing_file", lookup.file, "the mapping names this file, and it is not there",
                                    "Put it into the export, or beside it or the mapping.", file=lookup.file))  # fmt: skip
    return Companion(one.table, path, one, tuple(beside)), problems


def _twice(found: Iterable[Companion]) -> list[Problem]:
    """Return a problem for each table that files of two kinds give; several that one mapping names are all right."""
    by_table: dict[str, list[Companion]] = {}
    for one in found:
        by_table.setdefault(one.table, []).append(one)
    return [
        Problem("two_files", ", ".join(sorted(one.path.name for one in ones)), f"more than one of them gives {table}",
                "Keep one of them, or name them in the mapping.", file=ones[0].path.name)
        for table, ones in by_table.items()
        if len(ones) > 1 and any(one.mapping is None or one.mapping.loosely or not one.mapping.file for one in ones)
    ]  # fmt: skip


Maker = Callable[[Mapping[str, pl.DataFrame]], Sequence[Given]]


def mapped_files(path: Path, mapping: Path) -> tuple[Path, ...]:
    """Return the mapping and the files that it names beside an export or beside itself: what names the export with it."""
    said = read_mapping(mapping).tables
    names = [name for one in said for name in (one.file, *(lookup.file for lookup in one.lookups)) if name]
    found = {file for folder in (path.parent, mapping.parent) for name in names for file in folder.glob(name) if file.is_file()}
    return (mapping, *sorted(found))


def makers(companions: Companions, known: Known) -> dict[str, list[Maker]]:
    """Return for each table what makes its rows, once the tables before it are known."""
    found: dict[str, list[Maker]] = {}
    for one in companions.files:
        found.setdefault(one.table, []).append(partial(_made, one, known))
    return found


def _made(one: Companion, known: Known, tables: Mapping[str, pl.DataFrame]) -> Sequence[Given]:
    given = read(one, replace(known, tables=tables))
    return [given] if given is not None else []


def read(one: Companion, known: Known) -> Given | None:
    """Return a companion's rows in canonical columns, with the main format's keys; raise :class:`Refused` where it cannot.

    Of a file in Ed-Fi's names nothing is returned for a table of which it has not the columns that its rows need: who sends
    stays without a column of exits has not said that nobody left.
    """
    table = TABLES[one.table]
    name = one.path.name if one.path.is_file() else f"{one.path.name}.parquet"
    if one.mapping is None:
        frame = load(one.path, _lenient(table))
        made = joined(Translated(frame, Origin(frame, row_numbers(frame, name))), table, {}, known, name)
        untouched = not made.origin.found and made.frame is frame
        return Given(name, frame) if untouched else Given(name, made.frame, made.origin)
    beside = [Beside(path.name, layouts.read(path, layout, by), by) for path, by, layout in one.beside]
    raw = layouts.read(one.path, one.mapping.layout, one.mapping.reads)
    header = {plain(own) for own in raw.columns}
    if one.mapping.loosely and any(plain(own) not in header for need in one.mapping.needs for own in one.mapping.columns[need]):
        return None
    translated = translate(raw, one.mapping, name, beside)
    joins = dict(one.mapping.joins)
    if one.mapping.loosely:
        joins |= {column: Join("any") for column in JOINED if column in translated.frame.columns and column not in joins}
    made = joined(translated, table, joins, known, name)
    return Given(name, made.frame, made.origin)


def _lenient(table: Table) -> Table:
    """Return a table whose rows need not say to which stay, class or school they belong: that is found."""
    own = table.natural_key if len(table.natural_key) == 1 else ()
    return replace(table, columns=tuple(
        replace(column, required=False, natural=False) if column.name in FOUND and column.name not in own else column
        for column in table.columns))  # fmt: skip


# -- keys ----------------------------------------------------------------------------------------------------


def joined(made: Translated, table: Table, joins: Mapping[str, Join], known: Known, file: str) -> Translated:
    """Return rows with the main format's keys, and what is not given and can be found."""
    frame, origin = made.frame, made.origin
    names, found = dict(origin.names), list(origin.found)
    for name in [name for name in JOINED if name in frame.columns]:
        if JOINED[name] == table.name:
            continue  # it is the row's own key
        frame, faults = _join(frame, name, joins.get(name), known, names.get(name, name), file)
        found += faults if name in table.schema else []  # a school that only helps to find the stay may be anybody's
    frame, faults = _filled(frame, table, known, names)
    told = pl.repeat(value=False, n=frame.height, eager=True, dtype=pl.Boolean)
    for fault in found:
        told |= fault.rows
    found += [replace(fault, rows=fault.rows & ~told) for fault in faults]  # what cannot be found follows from what is wrong
    missing = missing_columns(frame.columns, table, file)
    if missing:
        raise Refused(missing, _UNREADABLE)
    kept = [name for name in frame.columns if name in table.schema]
    frame = frame if kept == frame.columns else frame.select(kept)
    return Translated(frame, replace(origin, names=names, found=tuple(fault for fault in found if fault.rows.any())))


def names_of(column: str, known: Known) -> pl.DataFrame:
    """Return all the ways in which a column's rows are named: ``kind``, ``value``, ``key``, each once.

    Beside what the main format knows these are the key itself and the names and addresses in its own table.
    """
    table = JOINED[column]
    key = TABLES[table].natural_key[0]
    extra = _extra(column, known)
    parts = [extra.select("kind", "value", pl.col(key).alias("key"))] if extra is not None and not extra.is_empty() else []
    own = known.tables.get(table)
    if own is not None:
        parts += [own.select(pl.lit(name).alias("kind"), pl.col(name).alias("value"), pl.col(key).alias("key"))
                  for name in (key, *_TOLD) if name in own.columns]  # fmt: skip
    if table == "students" and "identities" in known.tables:
        numbers = latest(known.tables["identities"], ["student_id"])
        parts.append(numbers.select(pl.lit("source_id").alias("kind"), pl.col("source_id").alias("value"),
                                    pl.col("student_id").alias("key")))  # fmt: skip
    if not parts:
        return _KIND.with_columns(key=pl.lit(None, pl.String)).clear()
    value = pl.col("value").str.strip_chars()
    plain_value = pl.when(pl.col("kind").is_in(_CASELESS)).then(value.str.to_lowercase()).otherwise(value)
    return pl.concat(parts).with_columns(plain_value.alias("value")).filter(pl.col("value") != "").drop_nulls().unique()


def _extra(column: str, known: Known) -> pl.DataFrame | None:
    match JOINED[column]:
        case "students":
            return known.identifiers
        case "sections":
            return known.sections
        case table:
            return known.others.get(TABLES[table].natural_key[0])


#: Columns of a canonical table by which its rows are named beside their key.
_TOLD = ("name", "title", "email")


def _join(
    frame: pl.DataFrame, column: str, join: Join | None, known: Known, own: str, file: str
) -> tuple[pl.DataFrame, list[Found]]:
    """Return rows with the main format's key in ``column``, and those of which it is not known or not sure."""
    extra = _extra(column, known)
    if join is None and (extra is None or extra.is_empty()):
        return frame, []  # the main format has no names but its keys: check() sees to it that they are known
    names = names_of(column, known)
    kinds = sorted(names["kind"].unique())
    if join is None:
        keys = names.filter(pl.col("kind") == TABLES[JOINED[column]].natural_key[0])
        others = names.filter(pl.col("kind") == "source_id", ~pl.col("value").is_in(keys["value"].implode()))
        names = pl.concat([keys, others])
    elif join.kind != "any":
        names = names.filter(pl.col("kind") == join.kind)
        if join.kind not in kinds:
            hint = f"It gives: {', '.join(kinds)}." if kinds else "It gives none."
            raise Refused([Problem("unknown_kind", f"{file}, column {own}", f"the export gives no {join.kind} for it", hint,
                                   file=file, column=own)], _UNREADABLE)  # fmt: skip
    value = pl.col(column).cast(pl.String).str.strip_chars()
    if join is not None and join.kind in _CASELESS:
        value = value.str.to_lowercase()
    if join is not None and join.ignores_zeros:
        value = _without_zeros(value)
        names = names.with_columns(_without_zeros(pl.col("value")).alias("value"))
    keys = names.group_by("value").agg(pl.col("key").first(), (pl.col("key").n_unique() > 1).alias("several"))
    found = frame.select(value.alias("value")).join(keys, on="value", how="left", maintain_order="left")
    several = found["several"].fill_null(value=False)
    unknown = found["value"].is_not_null() & found["key"].is_null()
    one = _ONE[JOINED[column]]
    faults = [
        Found(f"unknown_{one}", own, f"no {one} of the export is named so",
              "Correct it, or say in the mapping how it is joined.", unknown),
        Found(f"ambiguous_{one}", own, f"more than one {one} of the export is named so", "Join by something that names one.",
              several),
    ]  # fmt: skip
    key = found.select(pl.when(~pl.col("several")).then(pl.col("key")).alias(column)).to_series()
    return frame.with_columns(key), [fault for fault in faults if fault.rows.any()]


_ONE = {"students": "student", "sections": "section", "organisations": "organisation", "staff": "person", "courses": "course",
        "terms": "term"}  # fmt: skip


def _without_zeros(value: pl.Expr) -> pl.Expr:
    return value.str.replace(r"^0+(.)", "$1")


def _filled(frame: pl.DataFrame, table: Table, known: Known, names: dict[str, str]) -> tuple[pl.DataFrame, list[Found]]:
    """Return rows with the school, the class and the stay that they do not give and that can be found.

    ``names`` gets the file's own column of which a column was made.
    """
    tables, wanted = known.tables, {column.name for column in table.columns}
    if "section_id" in wanted and "section_id" not in frame.columns and "assignments" in tables:
        work = next((name for name in _WORK if name in frame.columns), None)
        if work:
            classes = latest(tables["assignments"], ["assignment_id"]).select(pl.col("assignment_id").alias(work), "section_id")
            frame = frame.join(classes, on=work, how="left", maintain_order="left")
    if "organisation_id" in wanted and "organisation_id" not in frame.columns and "organisations" in tables:
        schools = latest(tables["organisations"], ["organisation_id"]).filter(pl.col("kind").is_in(["school", "university"]))
        if schools.height == 1:
            frame = frame.with_columns(pl.lit(schools["organisation_id"][0]).alias("organisation_id"))
    if table.name == "enrolments" and "terms" in tables:
        return _with_planned_end(_with_school_year(frame, tables["terms"]), tables["terms"], names)
    if "enrolment_id" not in wanted or table.name == "enrolments" or "enrolments" not in tables:
        return frame, []
    given = frame["enrolment_id"] if "enrolment_id" in frame.columns else None
    if given is not None and not given.has_nulls():
        return frame, []
    stays = stay_of(frame, table, tables)
    if given is not None:
        stays = given.cast(pl.String).zip_with(given.is_not_null(), stays)
    known_student = frame["student_id"].is_not_null()
    student = names.get("student_id", "student_id")
    day = names.get(table.event, table.event) or student
    faults = [
        Found("missing_value", student, "this must not be empty", "It says whose row it is.", ~known_student),
        _not_a_day(frame, table.event, day),
    ]
    elsewhere = stays.is_null() & known_student & ~faults[1].rows
    faults.append(Found("no_enrolment_on_that_day", ", ".join(dict.fromkeys([student, day])),
                        "the student was not enrolled on that day", "Correct the day, or send the enrolment.",
                        elsewhere))  # fmt: skip
    return frame.with_columns(stays.alias("enrolment_id")), [fault for fault in faults if fault.rows.any()]


def _with_school_year(frame: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return stays that belong to the school year in which they began, where they do not say to which term."""
    terms = latest(terms, ["term_id"])
    given = frame["term_id"] if "term_id" in frame.columns else pl.Series([None] * frame.height, dtype=pl.String)
    if "kind" not in terms.columns or "entered_on" not in frame.columns or not given.has_nulls():
        return frame
    years = terms.filter(pl.col("kind") == "school_year").select("term_id", "ends_on")
    # Years of several schools that end on one day cannot be told apart by a day: such a stay is left without.
    years = years.filter(pl.len().over("ends_on") == 1).sort("ends_on")
    began = pl.DataFrame({"entered_on": _as_days(frame["entered_on"])}).with_row_index("row")
    found = began.drop_nulls().sort("entered_on").join_asof(years, left_on="entered_on", right_on="ends_on", strategy="forward")
    named = began.select("row").join(found.select("row", "term_id"), on="row", how="left", maintain_order="left")["term_id"]
    return frame.with_columns(given.cast(pl.String).zip_with(given.is_not_null(), named).alias("term_id"))


def _with_planned_end(frame: pl.DataFrame, terms: pl.DataFrame, names: dict[str, str]) -> tuple[pl.DataFrame, list[Found]]:
    """Return stays that end as planned with the school year in which they began, where they do not say when."""
    given = frame["planned_end_on"] if "planned_end_on" in frame.columns else pl.Series([None] * frame.height, dtype=pl.String)
    if "entered_on" not in frame.columns or not given.has_nulls():
        return frame, []
    years = _year_ends(latest(terms, ["term_id"]))
    began = pl.DataFrame({"entered_on": _as_days(frame["entered_on"])}).with_row_index("row")
    ends = (
        began.drop_nulls()
        .sort("entered_on")
        .join_asof(
            years.sort("planned_end_on"), left_on="entered_on", right_on="planned_end_on", strategy="forward", coalesce=False
        )
    )
    found = began.select("row").join(ends.select("row", "planned_end_on"), on="row", how="left", maintain_order="left")
    filled = found["planned_end_on"] if given.dtype == pl.Date else found["planned_end_on"].cast(pl.String)
    planned = given.cast(filled.dtype).zip_with(given.is_not_null(), filled).alias("planned_end_on")
    none = planned.is_null() & began["entered_on"].is_not_null()
    wrong = _not_a_day(frame, "entered_on", names.get("entered_on", "entered_on"))
    names.setdefault("planned_end_on", names.get("entered_on", "entered_on"))
    fault = Found("no_school_year", names["planned_end_on"], "no school year that is known ends after it",
                  "Give planned_end_on, or send the terms with one of kind school_year.", none)  # fmt: skip
    return frame.with_columns(planned), [one for one in (wrong, fault) if one.rows.any()]


#: A break between two terms that is longer than this is the one between two school years, in days.
SUMMER = 35


def _year_ends(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the last days of the school years: as the terms name them, else of terms with no long break between them."""
    if "kind" in terms.columns:
        named = terms.filter(pl.col("kind") == "school_year")
        if named.height:
            return named.select(pl.col("ends_on").alias("planned_end_on"))
    rows = terms.select("starts_on", "ends_on").drop_nulls().sort("starts_on", "ends_on")
    before = pl.col("ends_on").cum_max().shift(1)
    new = (pl.col("starts_on") - before > pl.duration(days=SUMMER)).fill_null(value=False).cum_sum()
    year = new.alias("year")
    return rows.with_columns(year).group_by("year").agg(pl.col("ends_on").max().alias("planned_end_on")).drop("year")


def _not_a_day(frame: pl.DataFrame, column: str, own: str) -> Found:
    """Return the fault of cells that are no dates, so that nothing that follows from it is told as well."""
    if column not in frame.columns:
        wrong = pl.repeat(value=False, n=frame.height, eager=True, dtype=pl.Boolean)
    else:
        given = frame[column].cast(pl.String).str.strip_chars()
        wrong = ~given.fill_null("").is_in(list(MISSING)) & _as_days(frame[column]).is_null()
    return Found("bad_value", own, "this is not a date", "Write dates as YYYY-MM-DD.", wrong)


def _as_days(cells: pl.Series) -> pl.Series:
    """Return dates, or text that holds them in the one form that :func:`~features.validation.check` knows."""
    if cells.dtype == pl.Date:
        return cells
    return cells.cast(pl.String).str.strip_chars().str.to_date("%Y-%m-%d", strict=False)


def _with_class(frame: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return rows about a piece of work with its class: a mark may come after the stay that it belongs to has ended."""
    work = next((name for name in _WORK if name in frame.columns), None)
    if work is None or "section_id" in frame.columns or "assignments" not in tables:
        return frame
    classes = latest(tables["assignments"], ["assignment_id"]).select(pl.col("assignment_id").alias(work), "section_id")
    return frame.with_columns(pl.col(work).cast(pl.String)).join(classes, on=work, how="left", maintain_order="left")


def stay_of(frame: pl.DataFrame, table: Table, tables: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Return the stay that each row belongs to: the one on the class's roster, else the one that covers its day."""
    frame = _with_class(frame, tables)
    day = frame[table.event] if table.event in frame.columns else pl.Series([None] * frame.height, dtype=pl.Date)
    rows = frame.select(pl.col("student_id").cast(pl.String), _as_days(day).alias("on"))
    by_class = pl.Series([None] * frame.height, dtype=pl.String)
    if "organisation_id" in frame.columns:
        rows = rows.with_columns(frame["organisation_id"].cast(pl.String))
    elif "section_id" in frame.columns and "sections" in tables:
        schools = latest(tables["sections"], ["section_id"]).select("section_id", "organisation_id")
        rows = rows.with_columns(frame["section_id"].cast(pl.String)).join(
            schools, on="section_id", how="left", maintain_order="left")  # fmt: skip
    if table.name != "rosters" and "section_id" in frame.columns and "rosters" in tables:
        seats = latest(tables["rosters"], ["student_id", "enrolment_id", "section_id"])
        only = seats.group_by("student_id", "section_id").agg(
            pl.col("enrolment_id").first().alias("seat"), pl.col("enrolment_id").n_unique().alias("stays")).filter(
            pl.col("stays") == 1)  # fmt: skip
        by_class = rows.select("student_id").with_columns(frame["section_id"].cast(pl.String)).join(
            only, on=["student_id", "section_id"], how="left", maintain_order="left")["seat"]  # fmt: skip
    by_day = enrolment_of(rows, tables["enrolments"], tables.get("exits"))
    return by_class.zip_with(by_class.is_not_null(), by_day)
