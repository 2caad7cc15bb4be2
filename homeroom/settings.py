"""Settings: read once, here at the roof, and passed down as values. An unknown key is refused.

They come from ``homeroom.toml`` in the state folder and from ``--set key=value``, the latter last. Each floor declares
its own as a frozen dataclass; this file only finds, checks and fills them.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from features import tenants
from features.problems import Problem, Refused

#: The tables of ``homeroom.toml``, and what is set outside of any.
SECTIONS = ("source", "train", "schedule", "audit", "score", "serve", "review", "oidc", "monitor", "governance")
PLAIN = ("tenant", "database_url", "mlflow_uri")

TEMPLATE = """# Homeroom's settings. Every key has a default; an unknown key is refused.
# Any of them can be given for one command: homeroom train --set source.marking_lag_days=0 ...

tenant = "default"
# database_url = "sqlite:///..."       # where API keys are kept; homeroom.db in this folder by default
# mlflow_uri = "http://..."            # a shared MLflow server; the folder models/ by default

[source]
# marking_lag_days = 14                # oulad: days until a tutor's mark is known
# pass_mark = 0.4                      # share of the best score from which a skill counts as secure

[train]
# capacity = 0.10                      # share of the students of a day that a school can look at

[schedule]
# every = 1                            # a model is trained anew every so many terms
# back_days = 0                        # rows older than this before the test are not learned from; 0 takes all
# group = ""                           # "school" or "course": judge also on those a model never saw

[audit]
# recall_ratio = 0.80                  # recall of a group beside that of the group found best; a limit can only be tightened
# undecided_fails = false              # whether too little to tell fails a gate

[score]
# stale_after_days = 14                # how many days before the date asked about the records may end

[monitor]
# index = 0.2                          # population stability index from which on an input counts as changed
# accept_missing = []                  # inputs or tables whose absence is known of, so that scoring does not stop

[serve]
# workers = 1                          # processes that answer requests

# What a school says of the pages for counselors and teachers.
[review]
# capacity = 20                        # how many students a list is cut to
# capacity_set_by = ""                 # who says that so many can be looked after well
# waiting_days = 5                     # school days after which a student has waited too long for a look
# safeguarding = ""                    # whom to turn to when a child may not be safe
# safeguarding_folder = ""             # where concerns go that are written here; only whoever keeps children safe reads it

# The school's own sign-in (OpenID Connect); docs/sign_in.md. Its secret never stands here.
[oidc]
# issuer = ""                          # the provider's address; without one nobody signs in by it
# client_id = ""                       # the name under which the provider knows Homeroom
# client_secret_file = ""              # a file that holds the secret; else HOMEROOM_OIDC_SECRET does
# address = ""                         # where people reach this service, such as https://homeroom.example.org
# scopes = ["openid", "email"]         # what the provider is asked for
# login_claim = "email"                # the claim that is the login of an account here
# domains = []                         # the only ones that a login may end with; none means any
# second_factor_amr = []               # words of the claim amr that say that a second factor was passed, such as "mfa"
# second_factor_acr = []               # the same of the claim acr

# Who answers for the models, and on what grounds. All of these must be stated before a version may serve.
[governance]
# owner = ""                           # who answers for the models
# licence = ""                         # under which they and their cards may be used
# legal_basis = ""                     # on what grounds the records are processed
# contest_contact = ""                 # whom a family turns to
# incident_contact = ""                # whom staff turn to
# dpia_id = ""                         # the data protection impact assessment
# dpia_date = ""                       # its day, as YYYY-MM-DD
"""


@dataclass(frozen=True)
class Settings:
    """Everything that was set, and where the state folder is."""

    home: Path
    given: Mapping[str, Any]

    @property
    def tenant(self) -> str:
        """Whose records these are."""
        return str(self.given.get("tenant", "default"))

    @property
    def mlflow_uri(self) -> str:
        """A shared MLflow server, or nothing."""
        return str(self.given.get("mlflow_uri", ""))

    @property
    def database_url(self) -> str:
        """Where API keys are kept."""
        return str(self.given.get("database_url") or f"sqlite:///{(self.home / 'homeroom.db').resolve()}")

    def section[Section](self, name: str, kind: type[Section]) -> Section:
        """Return one table of the settings as its dataclass.

        Raises:
            Refused: naming every key that it does not have, and every value of the wrong kind.

        """
        return _filled(self.given.get(name, {}), name, kind)

    def serve(self) -> dict[str, Any]:
        """Return what the server is told, the shared settings among it."""
        told: dict[str, Any] = {"home": str(self.home), "database_url": self.database_url, "mlflow_uri": self.mlflow_uri}
        told |= {name: text for name, text in self.given.get("governance", {}).items() if name in ("dpia_id", "dpia_date")}
        told |= {"tenant": self.tenant, "review": self.given.get("review", {}), "oidc": self.given.get("oidc", {})}
        return {**told, **self.given.get("score", {}), **self.given.get("serve", {})}


def read(home: str | None = None, sets: Sequence[str] = ()) -> Settings:
    """Read the settings of a state folder, making the folder where there is none.

    Args:
        home: the folder; by default that of ``HOMEROOM_HOME``, else ``.homeroom`` where the command runs.
        sets: ``key=value`` pairs that win over the file, in TOML's notation or as plain text.

    Raises:
        Refused: the file cannot be read, or a key is unknown.

    """
    folder = Path(home or os.environ.get("HOMEROOM_HOME") or ".homeroom").expanduser().resolve()
    file = folder / "homeroom.toml"
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(TEMPLATE)
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(folder.name, f"the state folder cannot be used ({error.strerror})", "Give another --home.") from None
    except UnicodeDecodeError:
        raise _unreadable(file.name, "it is not in UTF-8", "Save the file in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(file.name, str(error), "Correct the file.") from None
    for pair in sets:
        _set(given, pair)
    unknown = [key for key in given if key not in (*SECTIONS, *PLAIN)]
    if unknown:
        raise _refused(unknown, (*PLAIN, *(f"[{name}]" for name in SECTIONS)))
    problems = [
        Problem("settings", key, "this is a table of settings" if key in SECTIONS else "this is not text",
                f"Set keys of it, like {key}.name=value." if key in SECTIONS else "Write text between quotes.")
        for key, value in given.items()
        if not isinstance(value, dict if key in SECTIONS else str)
    ]  # fmt: skip
    if not problems and not tenants.NAME.fullmatch(given.get("tenant", "default")):
        problems.append(Problem("settings", "tenant", "this cannot be a tenant's key", tenants.HINT))
    if problems:
        raise Refused(problems, "The settings were refused")
    return Settings(folder, given)


def _unreadable(where: str, problem: str, hint: str) -> Refused:
    return Refused([Problem("settings", where, problem, hint)], "The settings cannot be read")


def _set(given: dict[str, Any], pair: str) -> None:
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise Refused([Problem("settings", "--set", "this is not key=value", "Write it like --set source.marking_lag_days=0.")])
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    if last in PLAIN and not tables and not isinstance(value, str):
        value = text  # a tenant called 2026 is not a number
    for table in tables:
        given = given.setdefault(table, {})
        if not isinstance(given, dict):
            raise Refused([Problem("settings", key.strip(), f"{table} holds a value and no settings", "Correct the key.")])
    given[last] = value


def _filled[Section](given: Mapping[str, Any], name: str, kind: type[Section]) -> Section:
    hints = get_type_hints(kind)
    known = [one.name for one in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = [f"{name}.{key}" for key in given if key not in known]
    if unknown:
        raise _refused(unknown, [f"{name}.{key}" for key in known])
    values, problems = {}, []
    for key, value in given.items():
        try:
            values[key] = _as(value, hints[key])
        except (TypeError, ValueError):
            wanted = getattr(hints[key], "__name__", str(hints[key]))
            problems.append(Problem("settings", f"{name}.{key}", f"this is not of the kind {wanted}", "Correct the value."))
    if problems:
        raise Refused(problems, "The settings were refused")
    return kind(**values)


def _as(value: Any, wanted: Any) -> Any:
    origin = get_origin(wanted)
    if origin is tuple:
        return tuple(_as(one, get_args(wanted)[0]) for one in value)
    if origin is not None:  # a mapping, such as LightGBM's parameters
        return dict(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TypeError
    return value


def _refused(unknown: Sequence[str], known: Sequence[str]) -> Refused:
    hint = f"The settings are: {', '.join(known)}."
    return Refused([Problem("settings", key, "there is no such setting", hint) for key in unknown], "The settings were refused")
