"""A first mapping for a file that nobody has described: what can be seen is written down, what cannot is left to be filled in.

No code is given a meaning in silence. Words that say themselves what they mean (``Absent``, ``Tardy``) are proposed and
marked as proposals; every other code is listed with the number of its rows and an empty word, and
:func:`features.mapping.read` refuses the mapping until somebody has written it. A date that could be of two forms is left
as a choice of two. Nothing that could name a student is written into a draft.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features import delimited, habits, layouts
from features.dates import DayForm
from features.mapping import FOUND
from features.problems import Problem, Refused
from features.tables import TABLES, Column, Table
from features.validation import MISSING, day

#: A column with more different words holds no codes, and a word that is longer is a sentence or a name.
MOST_CODES, LONGEST_CODE = 40, 40

#: A form is proposed where at least this share of the cells is written in it; the rest would be set aside.
MOST_OF = 0.9

#: A kind of identifier is proposed where at least this share of a column's values is among it.
_MATCHING = 0.5


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A column of the file that the draft does not use, and why."""

    column: str
    why: str


@dataclass(frozen=True, slots=True)
class Match:
    """How many of the ``of`` different values of a column an export knows as a ``kind`` of identifier.

    ``without_zeros`` counts those that are known when zeros in front are left out on both sides.
    """

    column: str
    kind: str
    found: int
    without_zeros: int
    of: int


@dataclass(frozen=True)
class Draft:
    """A mapping to be looked at: its TOML, and what a person is told about it.

    ``columns`` are the canonical columns with the file's own; ``to_fill`` is what :func:`features.mapping.read` will ask
    for; ``duplicates`` counts rows that have the key of an earlier row, as far as the file itself gives the key.
    """

    text: str
    tables: tuple[str, ...]
    columns: Mapping[str, str]
    unmatched: tuple[Unmatched, ...]
    to_fill: tuple[str, ...]
    matches: tuple[Match, ...]
    rows: int
    duplicates: int

    @property
    def told(self) -> tuple[str, ...]:
        """Lines that tell a person what the draft knows and what it does not."""
        lines = [f"{self.rows:,} rows, read as {' and '.join(self.tables)}."]
        lines += [f"  {name} is {own}" for name, own in self.columns.items()]
        lines += [f"Not used: {one.column} ({one.why})" for one in self.unmatched]
        for one in self.matches:
            zeros = f", {one.without_zeros:,} without zeros in front" if one.without_zeros > one.found else ""
            lines.append(f"{one.column} as {one.kind}: {one.found:,} of {one.of:,} are in the export{zeros}")
        if self.duplicates:
            lines.append(f"{self.duplicates:,} rows have the key of another row and would be set aside.")
        return (*lines, *(f"To be filled in: {what}" for what in self.to_fill))


def draft(path: Path, tables: Mapping[str, Table] = TABLES, known: pl.DataFrame | None = None, table: str = "") -> Draft:
    """Return a draft of the mapping of one file.

    Args:
        path: the file.
        tables: the canonical tables that it may be.
        known: the identifiers of an export's students (``kind``, ``value``, ``student_id``), to tell how a row is joined.
        table: which table it is, where that is known.

    Raises:
        Refused: the file cannot be read, or its columns are those of no table; then ``table`` must be given.

    """
    if table and table not in tables:
        raise Refused([Problem("unknown_table", table, "there is no such table", f"The tables are: {', '.join(tables)}.")])
    layout = layouts.seen(path) if path.suffix.lower() != ".parquet" and path.is_file() else layouts.Layout()
    raw = layouts.read(path, layout)
    cells = _cells(raw)
    matches = _matches(cells, known)
    name, columns = _table_of(path, cells, tables, table, _best(matches))
    parts = [(name, columns)]
    if name == "enrolments" and not table:
        leaving = _matched(cells, tables["exits"])
        if {"exited_on", "kind"} <= set(leaving):
            parts.append(("exits", {one: own for one, own in leaving.items() if one in {"student_id", "exited_on", "kind"}}))
    written = [_Part(tables[one], path, cells, own, layout, matches, known is not None) for one, own in parts]
    used = {own for part in written for own in part.used}
    text = "\n".join([*_preface(path, cells, used), *(line for part in written for line in part.lines)]) + "\n"
    return Draft(
        text,
        tuple(one for one, _ in parts),
        {one: own for part in written for one, own in part.columns.items()},
        tuple(Unmatched(own, _why(cells[own])) for own in cells.columns if own not in used),
        tuple(what for part in written for what in part.to_fill),
        matches,
        cells.height,
        written[0].duplicates,
    )


def plain(name: str) -> str:
    """Return a name in small letters, digits and nothing else, without accents.

    >>> plain("Att_Date"), plain("Numéro élève")
    ('attdate', 'numeroeleve')
    """
    import unicodedata

    letters = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    return re.sub(r"[^a-z0-9]", "", letters)


def _cells(raw: pl.DataFrame) -> pl.DataFrame:
    names = delimited.own_columns(raw)
    text = raw.select(pl.col(name).cast(pl.String).str.strip_chars() for name in names)
    return text.select(pl.when(~pl.col(name).is_in(list(MISSING))).then(pl.col(name)).alias(name) for name in names)


# -- which table, which columns ------------------------------------------------------------------------------


def _table_of(
    path: Path, cells: pl.DataFrame, tables: Mapping[str, Table], table: str, student: str
) -> tuple[str, dict[str, str]]:
    """Return the table whose columns a file has most of, with them, and the column that names the student."""
    found: dict[str, tuple[float, dict[str, str]]] = {}
    for name, one in tables.items():
        if table and name != table:
            continue
        matched = _matched(cells, one)
        if student and one.by_student:
            matched = {"student_id": student} | {column: own for column, own in matched.items()
                                                 if own != student and column != "student_id"}  # fmt: skip
        needed = [column.name for column in one.columns if (column.required or column.natural) and column.name not in _GIVEN]
        has, lacks = sum(column in matched for column in needed), sum(column not in matched for column in needed)
        named = sum(part in path.stem.lower().replace("_", " ") for part in habits.FILES.get(name, ())) + 3 * (
            plain(path.stem) == plain(name)
        )
        stays = 4 if name == "enrolments" and "entered_on" in matched else 0
        own = sum(column in habits.OWN.get(name, {}) or column in matched for column in matched if column not in habits.COMMON)
        score = 2.0 * has + own - 1.5 * lacks + 2.0 * named + stays if matched else -100.0
        found[name] = score, matched
    best = max(found, key=lambda name: found[name][0])
    if not table and (found[best][0] <= 0 or len(found[best][1]) < 2):
        hint = f"Say which table it is: {', '.join(tables)}."
        raise Refused([Problem("unknown_table", path.name, "its columns are those of no table that is known here", hint,
                               file=path.name)], "No mapping can be drafted")  # fmt: skip
    return best, found[best][1]


#: What is found or made where a file does not give it, so that its absence says nothing of which table a file is.
_GIVEN = frozenset(FOUND) - {"section_id"}


def _matched(cells: pl.DataFrame, table: Table) -> dict[str, str]:
    """Return the file's column for each canonical one, by name; each column once, the better known name first."""
    own = {plain(name): name for name in reversed(cells.columns)}
    found: dict[str, str] = {}
    taken: set[str] = set()
    stays = table.natural_key == ("enrolment_id",)
    candidates = [column.name for column in table.columns if column.name != "enrolment_id" or stays]
    for column in [*candidates, "known_on"]:
        names = [column, *habits.OWN.get(table.name, {}).get(column, ()), *habits.COMMON.get(column, ())]
        match = next((own[plain(name)] for name in names if plain(name) in own and own[plain(name)] not in taken), None)
        if match is not None and (column != "known_on" or cells[match].null_count() == 0):
            found[column] = match
            taken.add(match)
    return found


def _matches(cells: pl.DataFrame, known: pl.DataFrame | None) -> tuple[Match, ...]:
    """Return for each column how many of its values the export knows, by kind of identifier, the best first."""
    if known is None or known.is_empty():
        return ()
    found = []
    kinds = known.partition_by("kind", as_dict=True)
    by_kind = {str(kind[0]): rows["value"].cast(pl.String).unique() for kind, rows in kinds.items()}
    for own in cells.columns:
        values = cells[own].drop_nulls().unique()
        for kind, names in by_kind.items():
            hits = int(values.is_in(names.implode()).sum())
            bare = values.str.strip_chars_start("0")
            without = int(bare.is_in(names.str.strip_chars_start("0").implode()).sum())
            if max(hits, without) >= max(1, _MATCHING * len(values)):
                found.append(Match(own, kind, hits, without, len(values)))
    return tuple(sorted(found, key=lambda one: (-max(one.found, one.without_zeros) / one.of, -one.of, one.column, one.kind)))


def _best(matches: Sequence[Match]) -> str:
    return matches[0].column if matches else ""


def _why(cells: pl.Series) -> str:
    values = cells.drop_nulls()
    if values.is_empty():
        return "it is empty in every row"
    if plain(cells.name) in {plain(name) for name in habits.NAMES}:
        return "it says who somebody is, and nothing here needs that"
    if values.n_unique() == 1:
        return "it is the same in every row"
    return "no column of the table is known by this name"


# -- one table's part ----------------------------------------------------------------------------------------


class _Part:
    """Writes one table's part of a draft, line by line."""

    def __init__(
        self, table: Table, path: Path, cells: pl.DataFrame, columns: Mapping[str, str], layout: layouts.Layout,
        matches: Sequence[Match], asked: bool,
    ) -> None:  # fmt: skip
        self.table, self.cells, self.path, self.layout = table, cells, path, layout
        self.to_fill: list[str] = []
        self._codes: dict[str, list[str]] = {}
        self._dates: list[str] = []
        self._units: list[str] = []
        self._decimal: list[str] = []
        self._given: dict[str, tuple[str, ...]] = {name: (own,) for name, own in columns.items()}
        self._key()
        for name in list(self._given):
            self._look(name)
        self._lacking()
        self.lines = [*self._head(), *self._columns(), *self._joins(matches, asked), *self._rest()]

    @property
    def columns(self) -> dict[str, str]:
        """Canonical columns with the file's own, as people read them."""
        coded = {name: own for name, own in self._coded.items() if name not in self._given}
        return {name: " and ".join(own) for name, own in self._given.items()} | coded

    @property
    def used(self) -> frozenset[str]:
        """The file's columns that are read."""
        return frozenset([own for names in self._given.values() for own in names] + list(self._codes))

    @property
    def _coded(self) -> dict[str, str]:
        return {name: own for own, names in self._by_code.items() for name in names}

    @property
    def duplicates(self) -> int:
        """How many rows have the key of an earlier row, as far as the file gives the key."""
        own = [name for key in self.table.natural_key for name in self._given.get(key, ())]
        told = set(self.table.natural_key) - {"enrolment_id"} <= set(self._given)
        return int((~self.cells.select(pl.struct(own).is_first_distinct()).to_series()).sum()) if own and told else 0

    def _key(self) -> None:
        """Make the key of a stay, which few systems have, of what is known of it."""
        self._by_code: dict[str, list[str]] = {}
        if self.table.name in {"enrolments", "exits"} and "enrolment_id" not in self._given:
            begins = self._given.get("entered_on") or _first(_matched(self.cells, TABLES["enrolments"]), "entered_on")
            student, school = self._given.get("student_id", ()), self._given.get("organisation_id", ())
            school = school or _first(_matched(self.cells, TABLES["enrolments"]), "organisation_id")
            if student and begins:
                self._given = {"enrolment_id": (*student, *school, *begins), **self._given}

    def _look(self, name: str) -> None:
        """Look at one column's cells: dates by all of them, codes one by one, numbers by their marks."""
        column = self._column(name)
        own = self._given[name]
        if column is None or len(own) > 1:
            return
        values = self.cells[own[0]].drop_nulls()
        if column.type == pl.Date():
            self._date(name, own[0], values)
        elif column.type == pl.Boolean() or column.values or (column.type.is_numeric() and self._has_words(column, values)):
            self._code(column, own[0], values)
        elif column.type.is_numeric():
            self._number(column, own[0], values)

    def _column(self, name: str) -> Column | None:
        return next((column for column in self.table.columns if column.name == name), None) or (
            Column(name, pl.Date(), "", "internal", "join") if name == "known_on" else None
        )

    def _has_words(self, column: Column, values: pl.Series) -> bool:
        numbers = values.str.replace_all(",", ".", literal=True).str.strip_chars_end("% ").cast(pl.Float64, strict=False)
        return column.name == "grade_level" and numbers.has_nulls()

    def _date(self, name: str, own: str, values: pl.Series) -> None:
        forms, fitting = forms_of(values)
        if not forms:
            self.to_fill.append(f"[{self.table.name}.dates] {name}: how {own} writes dates")
            self._dates += [f"# {own}: no form of dates fits. Write it like MM/DD/YYYY.", f'{name} = ""']
        elif len(forms) > 1:
            self.to_fill.append(f"[{self.table.name}.dates] {name}: {own} could be {' or '.join(forms)}")
            self._dates += [f"# {own}: every date could be {' or '.join(forms)}. Which is it?", f'{name} = ""']
        elif forms[0] != "YYYY-MM-DD":
            rest = "" if fitting == len(values) else f"  # {len(values) - fitting:,} of {len(values):,} are written otherwise"
            self._dates.append(f'{name} = "{forms[0]}"{rest}')

    def _code(self, column: Column, own: str, values: pl.Series) -> None:
        counts = values.value_counts(sort=True, name="rows")
        words = counts[own].to_list()
        understood = column.values or ("true", "false", "yes", "no", "y", "n", "t", "f", "1", "0")
        if all((word if column.values else word.lower()) in understood for word in words):
            return
        del self._given[column.name]
        lines = [f"# {column.says} {_choice(column)}"]
        many = len(words) > MOST_CODES or (len(values) > 20 and len(words) > len(values) / 2)
        if many or max(map(len, words), default=0) > LONGEST_CODE:
            lines.append(f"# {own} holds {len(words):,} different words, too many to be codes: they are not listed here.")
            self.to_fill.append(f"[{self.table.name}.codes] {own}: what its words mean")
            self._codes[own] = [*lines, '"" = { skip = true }', f'"..." = {{ {column.name} = "" }}']
            self._by_code[own] = [column.name]
            return
        gives = [column.name]
        if column.name == "status" and "absent_share" in self.table.schema and "absent_share" not in self._given:
            gives.append("absent_share")
            lines.append("# absent_share is the share of the school day that was missed, from 0 to 1.")
        if column.name == "status" and "excused" in self.table.schema:
            lines.append("# excused = true or false may stand beside it.")
        lines.append("# A code whose rows are not to be read is written { skip = true }.")
        empty = []
        for word, rows in counts.iter_rows():
            told = f"  # {rows:,} rows"
            proposed = _proposed(column, word)
            if proposed is not None:
                proposed = {name: value for name, value in proposed.items() if self._takes(name)}
                asked = [name for name in gives if name not in proposed]
                empty += [word] if asked else []
                says = _inline({**proposed, **dict.fromkeys(asked, "")})
                lines.append(f"{_key(word)} = {says}{told}, proposed from the word: please check")
            else:
                empty.append(word)
                lines.append(f"{_key(word)} = {_inline(dict.fromkeys(gives, ''))}{told}")
        if empty:
            self.to_fill.append(f"[{self.table.name}.codes.{_key(own)}]: what {', '.join(empty)} mean")
        if self.cells[own].has_nulls():
            count = self.cells[own].null_count()
            lines.append(f'"" = {_inline(dict.fromkeys(gives, ""))}  # {count:,} rows without a code')
            self.to_fill.append(f"[{self.table.name}.codes.{_key(own)}]: what an empty cell means")
        self._codes[own] = lines
        self._by_code[own] = gives

    def _takes(self, name: str) -> bool:
        """Whether a proposed word has a place in this table that no column of the file fills."""
        return name in self.table.schema and name not in self._given

    def _number(self, column: Column, own: str, values: pl.Series) -> None:
        if values.str.contains(r"[0-9],[0-9]").any():
            if values.str.contains(r",(?:[0-9]{1,2}|[0-9]{4,})$").any():
                self._decimal = ['decimal = ","']
            else:
                self._decimal = [f"# {own}: is the comma a decimal mark, or one of thousands? Keep one of the two.",
                                 'decimal = ""  # or thousands = ","']  # fmt: skip
                self.to_fill.append(f"[{self.table.name}]: whether the comma in {own} is a decimal mark")
        if column.most != 1:
            return
        marks = values.str.replace_all(",", ".", literal=True).str.strip_chars_end("% ")
        most = float(marks.cast(pl.Float64, strict=False).max() or 0)  # type: ignore[arg-type] # a number or nothing
        percent = values.str.ends_with("%").any() or "percent" in plain(own)
        if percent:
            self._units.append(f'{column.name} = "percent"')
        elif most > 1:
            self._units += [f"# {own} goes up to {most:g}, {column.name} from 0 to 1. How much is the whole? Of a day of 390",
                            '# minutes or 7 periods write { per = 390 } or { per = 7 }; or write "percent".',
                            f'{column.name} = {{ per = "" }}']  # fmt: skip
            self.to_fill.append(f"[{self.table.name}.units] {column.name}: of how much {own} is a part")

    def _lacking(self) -> None:
        self._absent = [
            column for column in self.table.columns
            if (column.required or column.natural) and column.name not in self._given and column.name not in self._coded
            and (column.name not in FOUND or column.name == self.table.natural_key[0])
        ]  # fmt: skip
        self.to_fill += [f"[{self.table.name}.columns] {column.name}: {column.says}" for column in self._absent]

    # -- lines -----------------------------------------------------------------------------------------------

    def _head(self) -> list[str]:
        file = json.dumps(glob.escape(self.path.name), ensure_ascii=False)
        lines = ["", f"[{self.table.name}]  # {self.table.says}", f"file = {file}"]
        if self.layout.separator not in {"", ","}:
            lines.append(f"separator = {json.dumps(self.layout.separator)}")
        if self.layout.header_row > 1:
            lines.append(f"header_row = {self.layout.header_row}")
        lines += self._decimal
        if self.table.name == "exits" and "exited_on" in self._given and self.cells[self._given["exited_on"][0]].has_nulls():
            lines.append('needs = ["exited_on"]  # who has no such day has not left')
        if self.duplicates:
            key = ", ".join(name for name in self.table.natural_key if name in self._given)
            lines.append(f"# {self.duplicates:,} rows have the {key} of another row and would be set aside.")
        return lines

    def _columns(self) -> list[str]:
        lines = ["", f"[{self.table.name}.columns]  # canonical column = the file's column"]
        for name, own in self._given.items():
            told = json.dumps(own[0] if len(own) == 1 else list(own), ensure_ascii=False)
            lines.append(f"{name} = {told}" + ("  # a stay has no key of its own here: these name it" if len(own) > 1 else ""))
        for column in self._absent:
            lines += [f"# {column.says} No column of the file is known by such a name.", f'{column.name} = ""']
        return lines

    def _joins(self, matches: Sequence[Match], asked: bool) -> list[str]:
        own = self._given.get("student_id", ("",))[0]
        if not own or self.table.name == "students":
            return []
        mine = [one for one in matches if one.column == own]
        lines = ["", f"[{self.table.name}.joins]  # by which of its names a row names a student"]
        for one in mine:
            zeros = f" ({one.without_zeros:,} without zeros in front)" if one.without_zeros > one.found else ""
            lines.append(f"# {one.kind}: {one.found:,} of {one.of:,} different values are in the export{zeros}")
        if mine:
            best = mine[0]
            without = best.without_zeros > best.found
            kind = json.dumps(best.kind)
            lines.append(f'student_id = {{ kind = {kind}, leading_zeros = "ignored" }}' if without else f"student_id = {kind}")
        elif asked:
            lines.append(f"# The export's students have no identifier that is found in {own}. Is it another column?")
            self.to_fill.append(f"[{self.table.name}.joins] student_id: no identifier of the export is found in {own}")
        else:
            lines.append('# Where it is not the export\'s own key: student_id = "identifier", "username", "email" or "any"')
        if "organisation_id" in self._given and self.table.name != "organisations":
            lines.append('# Where schools are not named by the export\'s own key: organisation_id = "name" or "any"')
        if "section_id" in self._given and self.table.name != "sections":
            lines.append('# Where classes are not named by the export\'s own key: section_id = "classCode", "title" or "any"')
        return lines

    def _rest(self) -> Iterator[str]:
        if self._dates:
            yield from ["", f"[{self.table.name}.dates]  # how the file writes dates", *self._dates]
        if self._units:
            yield from ["", f"[{self.table.name}.units]", *self._units]
        for own, lines in self._codes.items():
            yield from ["", f"[{self.table.name}.codes.{_key(own)}]", *lines]


def _first(columns: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (columns[name],) if name in columns else ()


def _choice(column: Column) -> str:
    if column.type == pl.Boolean():
        return "Write true or false."
    return f"One of: {', '.join(column.values)}." if column.values else "Write a number."


def _proposed(column: Column, word: str) -> Mapping[str, object] | None:
    """Return what a word says by itself, if it does."""
    low = " ".join(re.sub(r"[^a-z0-9]+", " ", _bare(word)).split())
    said = habits.WORDS.get(column.name, {}).get(low)
    if said is not None and column.name in said:
        return said
    same = low.replace(" ", "_")
    if same in column.values:
        return {column.name: same}
    if column.type.is_numeric() and re.fullmatch(r"0*[0-9]{1,2}", word):
        return {column.name: int(word)}
    return None


def _bare(word: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFKD", word.rpartition("#")[2].casefold()).encode("ascii", "ignore").decode()


def _inline(says: Mapping[str, object]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in says.items()) + " }"


def _key(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else json.dumps(word, ensure_ascii=False)


def _preface(path: Path, cells: pl.DataFrame, used: frozenset[str] | set[str]) -> list[str]:
    lines = [f"# A draft of how {path.name} is read, {cells.height:,} rows. Fill in what is \"\", and please check the rest.",
             "# docs/mapping.md tells every key."]  # fmt: skip
    left = [own for own in cells.columns if own not in used]
    return [*lines, *([f"# Not used: {', '.join(left)}"] if left else [])]


# -- dates ---------------------------------------------------------------------------------------------------


def forms_of(values: pl.Series) -> tuple[list[str], int]:
    """Return the forms in which most of a column's dates are written, and how many of its cells are.

    Every cell is tried. More than one form means that the cells fit both, so that nobody can tell from them alone: all days
    of a month up to the twelfth. An empty list means that no form fits :data:`MOST_OF` of the cells.
    """
    counts = values.value_counts(sort=True, name="rows")
    if counts.is_empty():
        return [], 0
    cells, rows = counts[values.name], counts["rows"]
    total = int(rows.sum())
    fits: dict[str, int] = {}
    for says in _candidates(cells):
        form = DayForm.of(says)
        read = pl.DataFrame({"cell": cells}).select(form.read(pl.col("cell"))).to_series()
        fits[says] = int(rows.filter(read.is_not_null() & read.dt.year().is_between(1900, 2200)).sum())
    best = max(fits.values(), default=0)
    if best < MOST_OF * total:
        return [], best
    equal = [says for says, count in fits.items() if count == best]
    # The stricter of two forms that say the same: where every month has two digits, M would be looser than need be.
    strict = [says for says in equal if not any(other != says and _loosened(other) == _loosened(says) and len(other) > len(says)
                                                for other in equal)]  # fmt: skip
    return strict, best


def _loosened(says: str) -> str:
    return says.replace("MM", "M").replace("DD", "D").replace("hh", "h")


_TIME = re.compile(r"(?P<between>[T ])[0-9]{1,2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:[.,][0-9]+)?)?"
                   r"(?P<half>\s*[AaPp]\.?[Mm]\.?)?(?P<zone>Z)?$")  # fmt: skip
_ORDERS = ("MM{0}DD{0}{1}", "M{0}D{0}{1}", "DD{0}MM{0}{1}", "D{0}M{0}{1}", "{1}{0}MM{0}DD", "{1}{0}M{0}D")
_NAMED = ("DD{0}Mon{0}{1}", "D{0}Mon{0}{1}", "Mon{0}DD{0}{1}", "Mon{0}D{0}{1}", "Mon DD, {1}", "Mon D, {1}", "D. Month {1}")


def _candidates(cells: pl.Series) -> list[str]:
    """Return the forms that the cells could be in, seen in their signs."""
    sample = cells.head(50).to_list()
    found = []
    for cell in sample:
        time, tail, head = _TIME.search(cell), "", cell
        if time:
            head = cell[: time.start()]
            half = "" if not time["half"] else " AM" if time["half"][0].isspace() else "AM"
            tail = time["between"] + "h:mm" + (":ss" if time["seconds"] else "") + half + (time["zone"] or "")
        if re.fullmatch(r"[0-9]{8}", head):
            found += [f"{form}{tail}" for form in ("YYYYMMDD", "MMDDYYYY", "DDMMYYYY")]
        elif re.fullmatch(r"[0-9]{5}(?:\.[0-9]+)?", head):
            found.append("Excel")
        elif any(letter.isalpha() for letter in head):
            mark = next((sign for sign in "-/. " if sign in head.strip()), " ")
            found += [form.format(mark, year) + tail for form in _NAMED for year in ("YYYY", "YY")]
        else:
            mark = next((sign for sign in "/.-" if sign in head), "/")
            found += [form.format(mark, year) + tail for form in _ORDERS for year in ("YYYY", "YY")
                      if not (form.startswith("{1}") and year == "YY")]  # fmt: skip
    return list(dict.fromkeys(says for says in found if day(says) is None))


def quoted(text: str) -> str:
    """Return text as a string of TOML, in its own letters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n")
    return f'"{escaped}"'
