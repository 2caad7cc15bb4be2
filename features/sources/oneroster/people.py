"""Several user rows that are one person.

A user row belongs to one person at one school in what some systems write (Ed-Fi's emitter of OneRoster is one), so a
student of two schools has two. Rows are one person where they share a ``userMasterIdentifier``, an ``identifier`` or an
entry of ``userIds``. The person's key is the ``sourcedId`` that sorts first: it is what the school's system already uses
as a key, where a master identifier is a number of the outside world, and a later package that adds a row for the person
does not change it (:attr:`People.keys`).

Rows that share such a number and contradict each other (another birth date, or clearly another name) are left apart and
told: two people in one are worse than one person in two.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

#: Kinds of ``userIds`` that a family or a household may share.
_SHARED = r"(?i)mail|phone|sms|house|famil|guardian"

_ENTRY = r"\{[^{}:]+:[^{}]+\}"
_AS_JSON = r'\{\s*"type"\s*:\s*"([^"]*)"\s*,\s*"identifier"\s*:\s*"([^"]*)"\s*\}'


@dataclass(frozen=True)
class People:
    """Who each user row is.

    ``keys``: ``sourcedId`` and ``person``, one row per user row. ``ambiguous``: the ``sourcedId`` of rows that share a number
    with another and contradict it.
    """

    keys: pl.DataFrame
    ambiguous: pl.Series


def names_of(users: pl.DataFrame) -> pl.DataFrame:
    """Return all by which user rows are named: ``sourcedId``, ``kind``, ``value``, each once.

    Kinds are ``source_id``, ``identifier``, ``username``, ``email``, ``userMasterIdentifier`` and ``userIds.<type>``.
    """
    plain = [
        users.select("sourcedId", pl.lit(kind).alias("kind"), pl.col(column).alias("value"))
        for kind, column in (("source_id", "sourcedId"), ("identifier", "identifier"), ("username", "username"),
                             ("email", "email"), ("userMasterIdentifier", "userMasterIdentifier"))
    ]  # fmt: skip
    entries = pl.col("userIds").str.replace_all(_AS_JSON, "{$1:$2}")
    listed = users.select("sourcedId", entries.str.extract_all(_ENTRY).alias("entry"), entries.alias("whole"))
    pairs = listed.explode("entry", empty_as_null=True).select(
        "sourcedId",
        pl.concat_str(pl.lit("userIds."), pl.col("entry").str.extract(r"\{([^{}:]+):").str.strip_chars()).alias("kind"),
        pl.col("entry").str.extract(r":([^{}]+)\}").str.strip_chars().alias("value"),
    )
    # Not the binding's form, but common: the bare identifier.
    bare = listed.filter(~pl.col("whole").str.contains(r"[{}]")).select(
        "sourcedId", pl.lit("userIds").alias("kind"), pl.col("whole").alias("value")
    )
    return pl.concat([*plain, pairs, bare]).filter(pl.col("value").str.len_chars() > 0).unique(maintain_order=True)


def resolve(users: pl.DataFrame, births: pl.DataFrame, before: pl.DataFrame | None = None) -> People:
    """Return who each user row is.

    Args:
        users: ``sourcedId``, what rows are named by (:func:`names_of`), ``givenName``, ``familyName``, ``preferredGivenName``.
        births: ``sourcedId`` and ``birthDate``, where it is known.
        before: the keys that an earlier package led to; a person keeps theirs.

    """
    official = pl.col("kind").is_in(["identifier", "userMasterIdentifier"]) | (
        pl.col("kind").str.starts_with("userIds") & ~pl.col("kind").str.contains(_SHARED)
    )
    edges = names_of(users).filter(official).filter(pl.len().over("kind", "value") > 1)
    groups = _groups(edges)
    torn = _contradicting(groups, users, births)
    ambiguous = groups.filter(pl.col("group").is_in(torn.implode()))["sourcedId"].sort()
    joined = users.select("sourcedId").join(groups.filter(~pl.col("group").is_in(torn.implode())), on="sourcedId", how="left")
    joined = joined.with_columns(pl.col("group").fill_null(pl.col("sourcedId")))
    return People(joined.join(_kept(joined, before), on="group", how="left").select(
        "sourcedId", pl.coalesce("person", "group").alias("person")), ambiguous)  # fmt: skip


def _kept(joined: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Return the key that a person had before, one per ``group``.

    A key stays with the rows that it was given to, and where the row that it was taken from has gone on as somebody else
    it goes with that row.
    """
    if before is None:
        return pl.DataFrame(schema={"group": pl.String, "person": pl.String})
    now = joined.select(pl.col("sourcedId").alias("person"), pl.col("group").alias("home"))
    held = joined.join(before, on="sourcedId").join(now, on="person", how="left")
    mine = held.filter(pl.col("home").is_null() | (pl.col("home") == pl.col("group")))
    keys = mine.group_by("group").agg(pl.col("person").min())
    return keys.sort("group").unique("person", keep="first", maintain_order=True)


def _groups(edges: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that hang together, each with the ``sourcedId`` of its group that sorts first.

    Every row takes the first name among its neighbours until none changes: as many rounds as the longest chain of rows.
    """
    labels = edges.select("sourcedId", pl.col("sourcedId").alias("group")).unique()
    while True:
        spread = edges.join(labels, on="sourcedId").with_columns(pl.col("group").min().over("kind", "value"))
        after = spread.group_by("sourcedId").agg(pl.col("group").min())
        if after.sort("sourcedId").equals(labels.sort("sourcedId")):
            return after
        labels = after


def _contradicting(groups: pl.DataFrame, users: pl.DataFrame, births: pl.DataFrame) -> pl.Series:
    """Return the groups whose rows cannot be one person."""
    rows = groups.join(users, on="sourcedId").join(births.select("sourcedId", "birthDate"), on="sourcedId", how="left")
    facts = rows.group_by("group").agg(
        pl.len().alias("rows"),
        pl.col("birthDate").drop_nulls().n_unique().alias("birthdays"),
        (pl.col("birthDate").null_count() == 0).alias("all_born"),
    )
    shared = facts
    for name, columns, signs in (("given", ("givenName", "preferredGivenName"), 2), ("family", ("familyName",), 3)):
        beginnings = pl.concat(rows.select("group", "sourcedId", _beginning(one, signs).alias("begins")) for one in columns)
        told = beginnings.filter(pl.col("begins").str.len_chars() > 0).unique()
        # A beginning that all rows with a name share: Ana Lopez and Ana Lopez-Ruiz, Chris and Christopher.
        most = told.group_by("group", "begins").len().group_by("group").agg(pl.col("len").max().alias("most"))
        named = told.group_by("group").agg(pl.col("sourcedId").n_unique().alias("named"))
        differs = named.join(most, on="group").select("group", (pl.col("most") < pl.col("named")).alias(name))
        shared = shared.join(differs, on="group", how="left")
    given, family = (pl.col(name).fill_null(value=False) for name in ("given", "family"))
    same_day = pl.col("all_born") & (pl.col("birthdays") == 1)
    torn = (pl.col("birthdays") > 1) | (given & family) | (given & ~same_day)
    return shared.filter(torn)["group"]


def _beginning(column: str, signs: int) -> pl.Expr:
    plain = pl.col(column).str.normalize("NFKD").str.to_lowercase().str.replace_all(r"[^\p{L}]", "")
    return plain.str.slice(0, signs)
