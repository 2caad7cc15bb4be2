"""Students, their names, groups and guardians; staff and what they do."""

from __future__ import annotations

import polars as pl

from features.sources.oneroster.binding import RACES
from features.sources.oneroster.rows import STAMP, State, listed

#: Roles of the binding in the canonical words. Aides and proctors, and who runs the system, work here without a role of
#: those that open records.
STAFF_ROLES = {
    "teacher": "teacher", "counselor": "counselor", "principal": "principal", "administrator": "administrator",
    "siteAdministrator": "administrator", "districtAdministrator": "administrator", "aide": "", "proctor": "",
    "systemAdministrator": "",
}  # fmt: skip

#: Who an adult is to a student, the closest first.
RELATIONS = ("parent", "guardian", "relative")

#: Years of age at the beginning of the school year, from and below.
AGE_BANDS = (
    (0, 6, "under 6"),
    (6, 11, "6-10"),
    (11, 14, "11-13"),
    (14, 16, "14-15"),
    (16, 18, "16-17"),
    (18, 200, "18 and over"),
)

#: Grade codes of the Common Education Data Standards; others (PK, UG, OS ...) name no year of school that has a number.
_GRADES = {"KG": 0, "K": 0, "0": 0, "00": 0} | {f"{at:02d}": at for at in range(1, 14)} | {str(at): at for at in range(1, 10)}


def roles(state: State) -> pl.DataFrame:
    """Return who is what, and where: ``sourcedId``, ``role``, ``organisation_id``, ``begins_on``, ``ends_on``.

    From the file of roles, from the role in 1.1's user rows, and from classes: who sits in one is a student, and who
    teaches one is staff, even where no role says so.
    """
    named = state["roles"].select(
        pl.col("userSourcedId").alias("sourcedId"), "role", pl.col("orgSourcedId").alias("organisation_id"),
        pl.col("beginDate").alias("begins_on"), pl.col("endDate").alias("ends_on"),
    )  # fmt: skip
    none = [pl.lit(None, pl.Date).alias("begins_on"), pl.lit(None, pl.Date).alias("ends_on")]
    older = state["users"].filter(pl.col("role").is_not_null()).select("sourcedId", "role", "orgSourcedIds")
    schools = listed(older, "orgSourcedIds").rename({"orgSourcedIds": "organisation_id"})
    nowhere = older.join(schools, on="sourcedId", how="anti").select(
        "sourcedId", "role", pl.lit(None, pl.String).alias("organisation_id")
    )
    homes = state["classes"].select(
        pl.col("sourcedId").alias("classSourcedId"), pl.col("schoolSourcedId").alias("organisation_id")
    )
    seated = state["enrollments"].filter(pl.col("role").is_in(["student", "teacher"])).join(homes, on="classSourcedId").select(
        pl.col("userSourcedId").alias("sourcedId"), "role", "organisation_id")  # fmt: skip
    # What a class says of a role is only news where nothing else says it.
    said = pl.concat([named.select("sourcedId", "role"), older.select("sourcedId", "role")])
    new = seated.unique(maintain_order=True).join(said, on=["sourcedId", "role"], how="anti")
    unnamed = [one.select("sourcedId", "role", "organisation_id", *none) for one in (schools, nowhere, new)]
    found = pl.concat([named, *unnamed])
    return found.join(state["users"].select("sourcedId"), on="sourcedId", how="semi").unique(maintain_order=True)


def identities(users: pl.DataFrame) -> pl.DataFrame:
    """Return the names of students; ``users`` has ``person``, and of several rows the person's own comes first."""
    return _one_each(users, {
        "source_id": pl.coalesce("identifier", "sourcedId"), "given_name": pl.col("givenName"),
        "family_name": pl.col("familyName"), "preferred_name": pl.col("preferredGivenName"), "pronouns": pl.col("pronouns"),
    }).rename({"person": "student_id"})  # fmt: skip


def _one_each(users: pl.DataFrame, columns: dict[str, pl.Expr]) -> pl.DataFrame:
    own = (pl.col("sourcedId") != pl.col("person")).alias("other")
    rows = users.sort(own, "sourcedId").select("person", STAMP, *(expr.alias(name) for name, expr in columns.items()))
    return rows.group_by("person", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in columns), pl.col(STAMP).max())  # fmt: skip


def demographics(rows: pl.DataFrame, years: pl.DataFrame) -> pl.DataFrame:
    """Return groups, for the audit alone.

    ``rows`` are those of demographics with ``person``; ``years`` gives each person the first day of their latest school year
    (``on``): an age is that of this day, so that it does not depend on when the export is read.
    """
    flags = [*RACES, "hispanicOrLatinoEthnicity"]
    each = rows.sort("sourcedId").group_by("person", maintain_order=True).agg(
        pl.col("birthDate").drop_nulls().first(), pl.col("sex").drop_nulls().first(),
        *(pl.col(flag).any(ignore_nulls=True).alias(flag) for flag in flags), pl.col(STAMP).max(),
    ).join(years, on="person", how="left")  # fmt: skip
    named = [flag for flag in RACES if flag != "demographicRaceTwoOrMoreRaces"]
    count = pl.sum_horizontal(pl.col(flag).fill_null(value=False).cast(pl.Int32) for flag in named)
    two = pl.col("demographicRaceTwoOrMoreRaces").fill_null(value=False) | (count > 1)
    # The way in which schools of the United States report to the federal government (72 FR 59266): Hispanic of any race first.
    ethnicity = pl.when(pl.col("hispanicOrLatinoEthnicity").fill_null(value=False)).then(pl.lit("hispanic or latino")).when(
        two).then(pl.lit(RACES["demographicRaceTwoOrMoreRaces"]))  # fmt: skip
    for flag in named:
        ethnicity = ethnicity.when(pl.col(flag).fill_null(value=False)).then(pl.lit(RACES[flag]))
    birth, on = pl.col("birthDate"), pl.col("on")
    early = (on.dt.month() * 100 + on.dt.day()) < (birth.dt.month() * 100 + birth.dt.day())
    age = on.dt.year() - birth.dt.year() - early.cast(pl.Int32)
    band = pl.lit(None, pl.String)
    for first, below, word in AGE_BANDS:
        band = pl.when((age >= first) & (age < below)).then(pl.lit(word)).otherwise(band)
    sex = pl.when(pl.col("sex") != "unspecified").then(pl.col("sex"))
    return each.select(pl.col("person").alias("student_id"), sex.alias("sex"), band.alias("age_band"),
                       ethnicity.otherwise(pl.lit(None, pl.String)).alias("ethnicity"), STAMP)  # fmt: skip


def grades(users: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return each person's year of school (``person``, ``grade_level``), and how many have a grade without a number."""
    words = listed(users.select("person", "grades"), "grades").with_columns(
        pl.col("grades").str.to_uppercase().replace_strict(_GRADES, default=None, return_dtype=pl.Int32).alias("level")
    )
    each = words.group_by("person").agg(
        pl.col("level").drop_nulls().n_unique().alias("levels"), pl.col("level").drop_nulls().first()
    )
    found = each.filter(pl.col("levels") == 1).select("person", pl.col("level").alias("grade_level"))
    return found, each.height - found.height


def guardians(state: State, persons: pl.DataFrame, roles: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return students' adults, and how many agents named are not among the users.

    The binding has the adult among the student's agents; some systems write the student among the adult's.
    """
    users = state["users"]
    links = listed(users.select("sourcedId", "agentSourcedIds"), "agentSourcedIds")
    lost = links.join(users.select("sourcedId"), left_on="agentSourcedIds", right_on="sourcedId", how="anti").height
    pairs = pl.concat([
        links.select(pl.col("sourcedId").alias("child"), pl.col("agentSourcedIds").alias("adult")),
        links.select(pl.col("agentSourcedIds").alias("child"), pl.col("sourcedId").alias("adult")),
    ])  # fmt: skip
    order = {word: at for at, word in enumerate(RELATIONS)}
    adults = roles.filter(pl.col("role").is_in(RELATIONS)).with_columns(
        pl.col("role").replace_strict(order, return_dtype=pl.Int8).alias("place")).sort("place").unique(
        "sourcedId", keep="first", maintain_order=True)  # fmt: skip
    named = users.select(
        "sourcedId", STAMP, pl.concat_str("givenName", "familyName", separator=" ", ignore_nulls=True).alias("name")
    )
    found = (
        pairs.join(persons, left_on="child", right_on="sourcedId")
        .join(adults.select("sourcedId", "role"), left_on="adult", right_on="sourcedId")
        .join(named, left_on="adult", right_on="sourcedId")
        .unique(["person", "adult"], maintain_order=True)
    )
    name = pl.when(pl.col("name").str.len_chars() > 0).then(pl.col("name"))
    return found.select(pl.col("person").alias("student_id"), pl.col("adult").alias("guardian_id"),
                        pl.col("role").alias("relation"), name.alias("name"), STAMP), lost  # fmt: skip


def staff(users: pl.DataFrame) -> pl.DataFrame:
    """Return who works here."""
    return _one_each(users, {"given_name": pl.col("givenName"), "family_name": pl.col("familyName"),
                             "email": pl.col("email")}).rename({"person": "staff_id"})  # fmt: skip


def staff_roles(roles: pl.DataFrame, persons: pl.DataFrame, schools: pl.DataFrame) -> pl.DataFrame:
    """Return what somebody's work is, and where: one row per person, school and role."""
    words = {key: value for key, value in STAFF_ROLES.items() if value}
    rows = roles.filter(pl.col("role").is_in(list(words))).join(persons, on="sourcedId").join(
        schools.select("organisation_id"), on="organisation_id", how="semi")  # fmt: skip
    return rows.with_columns(pl.col("role").replace_strict(words, return_dtype=pl.String)).group_by(
        pl.col("person").alias("staff_id"), "organisation_id", "role", maintain_order=True).agg(
        pl.when(pl.col("begins_on").null_count() == 0).then(pl.col("begins_on").min()).alias("begins_on"),
        pl.when(pl.col("ends_on").null_count() == 0).then(pl.col("ends_on").max()).alias("ends_on"),
    )  # fmt: skip
