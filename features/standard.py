"""The standard catalogue: the shelves of every concept, in the order in which models read them."""

from __future__ import annotations

from features import attendance, behaviour, coursework, engagement, history, skills
from features.catalog import Catalog

#: Every feature that Homeroom knows how to compute from the canonical tables.
STANDARD = Catalog.of(
    history.FEATURES,
    engagement.FEATURES,
    coursework.FEATURES,
    skills.FEATURES,
    attendance.FEATURES,
    behaviour.FEATURES,
)
