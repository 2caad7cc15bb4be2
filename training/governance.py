"""What no training run can know: who answers for the models, on what grounds, and where the records came from.

The first is set in ``homeroom.toml``; what is not set is said as such on the card, and holds a promotion back where
somebody must answer for it (see ``training/card_schema.json``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from features.validation import Account

#: What a card says of a fact that nobody has given.
NOT_STATED = "not stated yet"


@dataclass(frozen=True, slots=True)
class Governance:
    """Settings of section ``governance``, all of them text for people to read.

    ``owner``: who answers for the models. ``licence``: under which they and their cards may be used. ``legal_basis``:
    on what grounds records are processed. ``contest_contact`` and ``incident_contact``: whom a family and whom staff
    turn to. ``dpia_id`` and ``dpia_date`` (YYYY-MM-DD): the data protection impact assessment, which profiling of
    children takes (GDPR 35). A card is complete with these seven. The rest is said on the system card:
    ``fria_id`` and ``fria_date``: the fundamental rights impact assessment (AI Act 27). ``capacity_set_by``: who decides
    how long a list is. ``training_required``: what people learn before they get a key. ``retention``: how long
    the school keeps lists and decisions.
    """

    owner: str = NOT_STATED
    licence: str = NOT_STATED
    legal_basis: str = NOT_STATED
    contest_contact: str = NOT_STATED
    incident_contact: str = NOT_STATED
    dpia_id: str = NOT_STATED
    dpia_date: str = NOT_STATED
    fria_id: str = NOT_STATED
    fria_date: str = NOT_STATED
    capacity_set_by: str = NOT_STATED
    training_required: str = NOT_STATED
    retention: str = NOT_STATED

    def as_dict(self) -> dict[str, str]:
        """Return plain values for a card."""
        return asdict(self)

    def over(self, earlier: Mapping[str, Any]) -> Governance:
        """Return what is stated here, and what was stated earlier of the rest."""
        told = {one.name: str(earlier.get(one.name, NOT_STATED)) for one in fields(self)}
        return Governance(**{**told, **{name: text for name, text in asdict(self).items() if text not in ("", NOT_STATED)}})


@dataclass(frozen=True)
class Provenance:
    """Where a run's records came from, as far as the records themselves do not tell it.

    ``day``: the day of the run (YYYY-MM-DD). ``source``: the name of the format. ``standard``: the format in words, with
    its version. ``accounts``: what became of every row of every file, where the export was read for this run.
    """

    day: str = NOT_STATED
    source: str = NOT_STATED
    standard: str = NOT_STATED
    accounts: Sequence[Account] = ()
    governance: Governance = field(default_factory=Governance)

    def read_accounts(self) -> list[dict[str, Any]]:
        """Return the accounts of rows as plain values: counts by file, never a row."""
        return [
            {"file": one.file, "read": one.read, "kept": one.kept, "set_aside": one.quarantined, "left_out": one.left_out}
            for one in self.accounts
        ]
