"""What the commands do that let a version serve, or take it out of use: sign, promote, roll back, stop, and their cards.

The day and the account's name are looked up here, at the roof, and handed down.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.problems import Problem, Refused

if TYPE_CHECKING:
    from homeroom.cli import Say
    from training.governance import Governance
    from training.promotion import SignOff
    from training.registry import Registry

#: The figure by which a model is listed: of a list, of a number, of classes.
_HEADLINES = {"auc": "AUC", "rmse": "RMSE", "log_loss": "log-loss"}

_ENDINGS = (".html", ".md", ".json")


def today() -> date:
    """Return the day where the command runs."""
    return datetime.now().astimezone().date()


def _account(by: str) -> str:
    """Return who does it: the name that was given, or that of the account."""
    return by.strip() or getpass.getuser()


def models(say: Say, registry: Registry, target: str | None) -> None:
    """List versions; of one target its history too, and what each version lacks that does not serve."""
    from training import card as cards
    from training.promotion import unsigned

    found = registry.versions(target)
    history = registry.history(target) if target else []
    for one in found:
        figures = [f"{says} {one.metrics[name]:.3f}" for name, says in _HEADLINES.items() if name in one.metrics][:1]
        marks = [*(["in use"] if one.champion else []), "gate passed" if one.passed_gate else "gate not passed"]
        signed = [f"signed by {', '.join(each.name for each in one.sign_offs)}"] if one.sign_offs else []
        despite = [f"serves despite its gate: {one.despite_gate}"] if one.despite_gate else []
        say.lines(f"{one.target} version {one.version}: {', '.join([*figures, *marks, *signed, *despite])}")
        mine = [event.as_dict() for event in history if event.version == one.version]
        lacks: list[str] = []
        if target and not one.champion:
            lacks = [each.where for each in cards.missing(registry.card(target, one.version))]
            lacks += [f"signature: {each.where}" for each in unsigned(one.sign_offs)]
            say.lines(*([f"  it still lacks: {', '.join(lacks)}"] if lacks else []))
        say.result({"target": one.target, "version": one.version, "run_id": one.run_id, "passed_gate": one.passed_gate,
                    "champion": one.champion, "metrics": dict(one.metrics), "despite_gate": one.despite_gate,
                    "rollback_to": one.rollback_to or None, "sign_offs": [_plain(each) for each in one.sign_offs],
                    **({"history": mine, "lacks": lacks} if target else {})})  # fmt: skip
    for event in history:
        why = f": {event.why}" if event.why else ""
        say.lines(f"  {event.day} {event.by}: {event.did} version {event.version}{why}")
    if not found:
        say.lines("No model is registered yet. `homeroom train` makes one.")


def _plain(one: SignOff) -> dict[str, str]:
    return {"role": one.role, "name": one.name, "day": one.day}


def sign(say: Say, registry: Registry, target: str, version: str, role: str, name: str, by: str) -> None:
    """Keep one person's signature with a version."""
    from training.promotion import ROLES, SignOff

    registry.sign(target, version, [SignOff(role, name, today().isoformat())], _account(by))
    say.lines(f"{target}: version {version} is signed by {name} for {ROLES[role]}.")
    say.result({"target": target, "version": version, "role": role, "name": name})


def promote(
    say: Say, registry: Registry, target: str, version: str, signed: tuple[str, ...], despite_gate: str,
    governance: Governance, by: str,
) -> None:  # fmt: skip
    """Let a version serve, with the signatures brought now and those kept before."""
    from training.promotion import Approval

    approval = Approval(today(), _account(by), _signatures(signed), governance, despite_gate)
    back = registry.promote(target, version, approval)
    undo = f"rollback {target}` brings back version {back}" if back else f"stop {target}` takes it out of use"
    say.lines(f"{target}: version {version} serves now. `homeroom {undo}.")
    say.result({"target": target, "version": version, "rollback_to": back})


def _signatures(signed: tuple[str, ...]) -> tuple[SignOff, ...]:
    """Return signatures of ROLE=NAME; refuse all that are not, at once."""
    from training.promotion import ROLES, SignOff

    wrong = [Problem("signed", "--signed", "this is not ROLE=NAME", f"The roles are {', '.join(ROLES)}.")
             for one in signed if "=" not in one]  # fmt: skip
    if wrong:
        raise Refused(wrong, "The signatures were refused")
    pairs = [one.split("=", 1) for one in signed]
    return tuple(SignOff(role.strip(), name.strip(), today().isoformat()) for role, name in pairs)


def rollback(say: Say, registry: Registry, target: str, by: str, why: str) -> None:
    """Let the version serve that served before."""
    version = registry.rollback(target, today(), _account(by), why)
    say.lines(f"{target}: version {version} serves again.")
    say.result({"target": target, "version": version})


def stop(say: Say, registry: Registry, target: str, why: str, by: str) -> None:
    """Take a model out of use."""
    version = registry.stop(target, today(), _account(by), why)
    say.lines(
        f"{target}: version {version} is out of use, and nothing is scored by it. A service that runs takes it out within",
        f"seconds. `homeroom promote {target} {version}` brings it back.",
    )
    say.result({"target": target, "stopped": version})


def card(
    say: Say, registry: Registry, target: str | None, version: str, audience: str, out: Path | None,
    told: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:  # fmt: skip
    """Print or write a model's card with what is ``told`` beside it, or the system card of all models in use."""
    from serving import pages, system_card
    from training.card_page import page
    from training.targets import TARGETS

    if out is not None and out.suffix not in _ENDINGS:
        raise Refused([Problem("ending", "--out", "a card is written as .html, .md or .json", "Name such a file.")])
    if target is None:
        names = [name for name in (*TARGETS, *registry.flat()) if registry.champion(name) is not None]
        found = system_card.system_card([registry.card(name) for name in names])
        text = system_card.page(found, audience)
    else:
        found = told(registry.card(target, version))
        text = page(found, audience)
    if out is None:
        say.lines(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = {".html": lambda: pages.html(text), ".md": lambda: text, ".json": lambda: json.dumps(found, indent=1)}
        out.write_text(made[out.suffix](), encoding="utf-8")
        say.lines(f"The card: {out}")
    say.result(found)
