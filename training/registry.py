"""The registry: every experiment, every candidate, and which version serves. The only file that imports mlflow.

MLflow keeps runs, metrics and plots in one SQLite file (or at a shared server), models as files beside it. The
``champion`` alias names the version that serves, per tenant and target; what it replaced is remembered, so that
``rollback`` is one step and can be taken again, and ``stop`` takes the alias away, after which nothing serves.

What people add to a version after its run (signatures, what the settings state, why it serves despite a gate) is kept as
tags beside it and read as part of its card; its files stay as they were written. Who signed, promoted, rolled back or
stopped what is kept with the target, one tag a line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from features.catalog import Catalog
from features.problems import NotFound, Problem, Refused, Unavailable
from training import card as cards
from training.flat_model import FlatModel
from training.governance import Governance
from training.promotion import Approval, Event, SignOff, refusals, unfit
from training.targets import TARGETS
from training.trained import TrainedModel, read_whole

if TYPE_CHECKING:
    from training.tune import Trial

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

#: What a logged model says it needs. Naming it saves 3 s: MLflow would else infer it in a subprocess.
_NEEDS = ["lightgbm>=4.7", "numpy>=2.2"]

#: Whose errors mean that the registry is broken: MLflow lets those of its database through as they are.
_BENEATH = frozenset({"mlflow", "sqlalchemy", "alembic", "requests"})


#: How tags begin that hold a signature, by its role, and a line of a target's history, by its number.
_SIGNED, _HISTORY = "signed/", "history/"


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model. ``despite_gate`` is why it may serve although a gate failed, ``rollback_to`` what it replaced."""

    target: str
    version: str
    run_id: str
    created: str
    passed_gate: bool
    champion: bool
    metrics: Mapping[str, float]
    sign_offs: tuple[SignOff, ...] = ()
    despite_gate: str = ""
    rollback_to: str = ""


@dataclass(frozen=True)
class Registry:
    """Models of one tenant. ``folder`` holds MLflow's database and files, unless ``uri`` names a server.

    Every method raises :class:`~features.problems.Unavailable` where the registry cannot be reached or read.
    """

    folder: Path
    tenant: str = "default"
    uri: str = ""

    @property
    def _client(self) -> Any:
        with _quiet():
            from mlflow import MlflowClient

            if not self.uri:
                self.folder.mkdir(parents=True, exist_ok=True)
            uri = self.uri or f"sqlite:///{(self.folder / 'mlflow.db').resolve()}"
            # The registry's address too: left out, it is the one that was last used in this process.
            return MlflowClient(uri, registry_uri=uri)

    def _name(self, target: str) -> str:
        return f"{self.tenant}-{target}"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        where = "The MLflow server" if self.uri else f"The registry of models in the folder {self.folder.name}"
        with _quiet(), _Reported(where):
            yield

    def record(
        self, model: TrainedModel | FlatModel, metrics: Mapping[str, float], parameters: Mapping[str, Any],
        plots: Mapping[str, bytes], tags: Mapping[str, str], passed_gate: bool,
    ) -> tuple[str, str]:  # fmt: skip
        """Record a training run with everything that was measured, and register the model as a candidate.

        No value of a student's is written: metrics, plots of many students, definitions and the card.

        Returns:
            the version and the run's identifier.

        Raises:
            Refused: the card says something other than its schema allows, or its proof against leakage failed.

        """
        cards.check(model.card)
        if model.card.get("leakage", {}).get("passed") is False:
            failed = [one for one in model.card["leakage"]["checks"] if not one["passed"]]
            raise Refused([Problem("leakage", one["name"], one["says"], "Mend what leaks and train again.") for one in failed],
                          "A model whose proof against leakage failed is not registered")  # fmt: skip
        with self._asking():
            import mlflow
            import mlflow.lightgbm
            from mlflow.entities import Metric, Param, RunTag

            client = self._client
            mlflow.set_tracking_uri(client.tracking_uri)
            mlflow.set_registry_uri(client.tracking_uri)
            number = self._experiment(client)
            target = model.target.name
            with mlflow.start_run(experiment_id=number, run_name=target) as run:
                moment = int(run.info.start_time)
                client.log_batch(
                    run.info.run_id,
                    [Metric(key, float(value), moment, 0) for key, value in metrics.items()],
                    [Param(key, str(value)[:6000]) for key, value in parameters.items()],
                    [RunTag(key, value) for key, value in {"target": target, **tags}.items()],
                )
                with tempfile.TemporaryDirectory() as made:
                    folder = Path(made)
                    (folder / "bundle").mkdir()
                    (folder / "plots").mkdir()
                    model.write(folder / "bundle")
                    for name, image in plots.items():
                        (folder / "plots" / name).write_bytes(image)
                    client.log_artifacts(run.info.run_id, made)
                logged = mlflow.lightgbm.log_model(
                    model.trees.booster, name=target, pip_requirements=_NEEDS, signature=signature(model.catalog)
                )  # fmt: skip
                if not client.search_registered_models(f"name='{self._name(target)}'"):
                    client.create_registered_model(self._name(target))
                made_version = client.create_model_version(
                    self._name(target), logged.model_uri, run.info.run_id, model_id=logged.model_id
                )
                version = str(made_version.version)
                client.set_model_version_tag(self._name(target), version, "passed_gate", str(passed_gate).lower())
            return version, run.info.run_id

    def record_trials(self, run_id: str, trials: Sequence[Trial]) -> None:
        """Record the trials of a search as runs within the training run that took the best: parameters and figures only."""
        with self._asking():
            from mlflow.entities import Metric, Param

            client = self._client
            for number, one in enumerate(trials, 1):
                within = client.get_run(run_id).info
                run = client.create_run(within.experiment_id, run_name=f"trial {number}", tags={"mlflow.parentRunId": run_id})
                told = [Param(key, str(value)) for key, value in one.parameters.items()]
                client.log_batch(run.info.run_id, [Metric("auc_in_folds", one.value, run.info.start_time, 0)], told)
                client.set_terminated(run.info.run_id)

    def versions(self, target: str | None = None) -> list[Version]:
        """Return every registered version, newest first, of one target or of all."""
        with self._asking():
            client = self._client
            found = []
            for model in client.search_registered_models():
                tenant, _, name = model.name.rpartition("-")
                if tenant != self.tenant or (target and name != target):
                    continue
                champion = str(model.aliases.get("champion", ""))
                for one in client.search_model_versions(f"name='{model.name}'"):
                    run = client.get_run(one.run_id)
                    found.append(
                        Version(name, str(one.version), one.run_id, str(one.creation_timestamp),
                                one.tags.get("passed_gate") == "true", str(one.version) == champion,
                                {k: v for k, v in run.data.metrics.items() if "/" not in k}, _sign_offs(one.tags),
                                one.tags.get("despite_gate", ""), one.tags.get("rollback_to", ""))
                    )  # fmt: skip
            return sorted(found, key=lambda one: (one.target, -int(one.version)))

    def load(self, target: str, code: Catalog, version: str = "champion") -> TrainedModel:
        """Return a model, by default the one that serves.

        Raises:
            NotFound: there is no such version, or none has been promoted.
            Refused: a feature's definition has changed since it was trained, or a file is not as it was written.

        """
        folder, number = self._bundle(target, version)
        found = TrainedModel.read(folder, code, number)
        return replace(found, card={**found.card, **self._kept_with(target, number, found.card)})

    def load_flat(self, name: str, version: str = "champion") -> FlatModel:
        """Return a flat file's model, by default the one that serves; raise as :meth:`load` does."""
        found = FlatModel.read(*self._bundle(name, version))
        return replace(found, card={**found.card, **self._kept_with(name, found.version, found.card)})

    def card(self, target: str, version: str = "champion") -> dict[str, Any]:
        """Return the card of a version, with what people added to it; no model is loaded.

        So a card can be read of a version whose features are defined otherwise today.

        Raises:
            NotFound: there is no such version, or none has been promoted.
            Refused: a file is not as it was written.

        """
        folder, number = self._bundle(target, version)
        read_whole(folder)
        found: dict[str, Any] = json.loads((folder / "card.json").read_bytes())
        return {**found, **self._kept_with(target, number, found)}

    def _kept_with(self, target: str, version: str, card: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept beside a version and read as part of its card."""
        with self._asking():
            found = self._client.get_model_version(self._name(target), version)
        tags = found.tags
        kept: dict[str, Any] = {
            "version": version,
            "run_id": str(found.run_id),
            "sign_offs": [asdict(one) for one in _sign_offs(tags)],
            "despite_gate": tags.get("despite_gate", ""),
            "rollback_to": tags.get("rollback_to") or None,
        }
        if "governance" in tags:
            kept |= _with_governance(card, Governance(**json.loads(tags["governance"])))
        return kept | ({"changes": json.loads(tags["changes"])} if "changes" in tags else {})

    def flat(self) -> dict[str, str]:
        """Return the version that serves of each model of a flat file, by name."""
        with self._asking():
            found = {}
            for model in self._client.search_registered_models():
                tenant, _, name = model.name.rpartition("-")
                if tenant == self.tenant and name not in TARGETS and "champion" in model.aliases:
                    found[name] = str(model.aliases["champion"])
            return dict(sorted(found.items()))

    def _bundle(self, target: str, version: str) -> tuple[Path, str]:
        """Return the folder of a version's files, and its number."""
        with self._asking():
            from mlflow.exceptions import MlflowException

            client = self._client
            number = self.champion(target) if version == "champion" else version
            run = None if number is None else self._run_of(client, target, number)
            if number is None or run is None:
                which = "no version is promoted" if version == "champion" else f"there is no version {version}"
                raise NotFound(f"{target}: {which}. Train one with `homeroom train`, then `homeroom promote {target} VERSION`.")
            # MLflow keeps absolute addresses; a state folder that was moved or restored elsewhere has the files here.
            folder = self.folder / "artifacts" / run / "artifacts" / "bundle"
            if self.uri or not folder.is_dir():
                try:
                    folder = Path(client.download_artifacts(run, "bundle"))
                except (OSError, MlflowException) as error:
                    raise Unavailable(
                        f"{target}: version {number} is registered, but its files cannot be fetched. Restore the folder "
                        f"artifacts/{run} from a copy, or train the model again."
                    ) from error
        return folder, number

    def tenants(self) -> list[str]:
        """Return the tenants that have a registered model."""
        with self._asking():
            names = [model.name for model in self._client.search_registered_models()]
            return sorted({name.rpartition("-")[0] for name in names})

    def champion(self, target: str) -> str | None:
        """Return the version that serves, or None. Cheap enough to poll."""
        with self._asking():
            client, name = self._client, self._name(target)
            # Not by the alias itself: one that is missing has the same error code as an address that is misspelt.
            model = _or_none(lambda: client.get_registered_model(name))
            version = None if model is None else model.aliases.get("champion")
            return None if version is None else str(version)

    def _run_of(self, client: Any, target: str, version: str) -> str | None:
        """Return the run that made a version, or None where there is no such version."""
        if not version.isdecimal():  # MLflow would call it an invalid parameter, which is no answer
            return None
        found = _or_none(lambda: client.get_model_version(self._name(target), version))
        return None if found is None else str(found.run_id)

    def _experiment(self, client: Any) -> str:
        """Return the experiment that runs are recorded under, whose files lie in this folder."""
        where = None if self.uri else (self.folder / "artifacts").resolve().as_uri()
        found = client.get_experiment_by_name(self.tenant)
        if found is not None and where is not None and found.artifact_location != where:
            # The folder was moved, and MLflow can change an experiment's name but not its address.
            client.rename_experiment(found.experiment_id, f"{self.tenant} (moved, {found.experiment_id})")
            found = None
        return str(client.create_experiment(self.tenant, where) if found is None else found.experiment_id)

    def sign(self, target: str, version: str, sign_offs: Sequence[SignOff], by: str) -> None:
        """Keep signatures with a version; a later one in the same role takes the place of the earlier.

        Raises:
            NotFound: there is no such version.
            Refused: nobody signs in such a role, or the name is empty.

        """
        wrong = [problem for one in sign_offs for problem in unfit(one)]
        if wrong:
            raise Refused(wrong, "The signature was refused")
        with self._asking():
            self._known(target, version)
            for one in sign_offs:
                told = json.dumps({"name": one.name.strip(), "day": one.day})
                self._client.set_model_version_tag(self._name(target), version, f"{_SIGNED}{one.role}", told)
                self._note(target, Event(one.day, by, "signed", version, f"{one.name.strip()} for {one.role}"))

    def promote(self, target: str, version: str, approval: Approval) -> str | None:
        """Let a version serve, and return the version that a rollback brings back.

        It takes a complete card, passed gates (or a reason why it serves all the same) and two signatures.

        Raises:
            NotFound: there is no such version.
            Refused: naming all that is missing. Nothing is kept of what was brought then, not even a signature.

        """
        with self._asking():
            found = self._known(target, version)
            card = self.card(target, version)
            card |= _with_governance(card, approval.governance)
            roles = {one.role: one for one in (*_sign_offs(found.tags), *approval.signed)}
            problems = refusals(card, found.tags.get("passed_gate") == "true", list(roles.values()), approval)
            if problems:
                raise Refused(problems, "The version stays a candidate")
            client, name = self._client, self._name(target)
            before, day = self.champion(target), approval.day.isoformat()
            served = self._served_before(target)
            older = [one for one in ([*served, before] if before else served) if one != version]
            back = older[-1] if older else None
            self.sign(target, version, approval.signed, approval.by)
            told = {
                "governance": json.dumps(card["governance"]),
                "despite_gate": approval.despite_gate,
                "rollback_to": back or "",
            }
            if before != version:
                told["changes"] = json.dumps(cards.changes(card, self.card(target, back) if back else None))
            for key, value in told.items():
                client.set_model_version_tag(name, version, key, value)
            client.set_registered_model_tag(name, "champions_before", ",".join(older))
            client.set_registered_model_alias(name, "champion", version)
            self._note(target, Event(day, approval.by, "promoted", version, approval.despite_gate))
        return back

    def rollback(self, target: str, day: date, by: str, why: str = "") -> str:
        """Let the version serve that served before, and return it; raise :class:`NotFound` where there was none."""
        with self._asking():
            client, name = self._client, self._name(target)
            if self.champion(target) is None:
                raise NotFound(f"{target}: no version is promoted, so there is nothing to go back from.")
            *older, last = self._served_before(target) or [""]
            if not last:
                raise NotFound(f"{target}: no version served before this one. `homeroom stop {target}` takes it out of use.")
            client.set_registered_model_alias(name, "champion", last)
            client.set_registered_model_tag(name, "champions_before", ",".join(older))
            self._note(target, Event(day.isoformat(), by, "rolled back", last, why))
            return last

    def stop(self, target: str, day: date, by: str, why: str) -> str:
        """Take the version out of use that serves, and return it: nothing serves then, until one is promoted again.

        Raises :class:`NotFound` where none serves.
        """
        with self._asking():
            version = self.champion(target)
            if version is None:
                raise NotFound(f"{target}: no version is promoted, so there is nothing to stop.")
            self._client.delete_registered_model_alias(self._name(target), "champion")
            self._note(target, Event(day.isoformat(), by, "stopped", version, why))
            return version

    def history(self, target: str) -> list[Event]:
        """Return who signed, promoted, rolled back and stopped which version, the oldest first."""
        with self._asking():
            client, name = self._client, self._name(target)
            model = _or_none(lambda: client.get_registered_model(name))
            lines = sorted((key, told) for key, told in (model.tags if model else {}).items() if key.startswith(_HISTORY))
            return [Event(**json.loads(told)) for _, told in lines]

    def _note(self, target: str, event: Event) -> None:
        number = len(self.history(target)) + 1
        self._client.set_registered_model_tag(self._name(target), f"{_HISTORY}{number:06}", json.dumps(event.as_dict()))

    def _known(self, target: str, version: str) -> Any:
        """Return what MLflow knows of a version; raise :class:`NotFound` where there is none."""
        client, name = self._client, self._name(target)
        found = _or_none(lambda: client.get_model_version(name, version)) if version.isdecimal() else None
        if found is None:
            raise NotFound(f"{target} has no version {version}. `homeroom models` lists them.")
        return found

    def _served_before(self, target: str) -> list[str]:
        tags = self._client.get_registered_model(self._name(target)).tags
        return [one for one in tags.get("champions_before", "").split(",") if one]


def _sign_offs(tags: Mapping[str, str]) -> tuple[SignOff, ...]:
    """Return the signatures among a version's tags."""
    signed = sorted(key for key in tags if key.startswith(_SIGNED))
    return tuple(SignOff(key.removeprefix(_SIGNED), **json.loads(tags[key])) for key in signed)


def _with_governance(card: Mapping[str, Any], governance: Governance) -> dict[str, Any]:
    """Return the parts of a card that change with what is stated of who answers for it."""
    told = governance.over(card.get("governance", {}))
    sheet = {**card.get("data_sheet", {}), "legal_basis": told.legal_basis}
    return {
        "governance": told.as_dict(),
        "contest": cards.contest(told),
        **({"data_sheet": sheet} if "data_sheet" in card else {}),
    }


def signature(catalog: Catalog) -> Any:
    """Return MLflow's signature of a model: every input a double, a probability's raw score out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("double", name, required=False) for name in catalog.inputs])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")]))


def _or_none(ask: Callable[[], Any]) -> Any:
    """Return an answer of MLflow's, or None where it says that what was asked for does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


class _Reported:
    """Where errors of MLflow, its database and its files become :class:`~features.problems.Unavailable`."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _BENEATH:
            first = str(error).strip().partition("\n")[0][:200]
            said = re.sub(r"//[^/@\s]*@", "//", first)  # an address may hold a password
            raise Unavailable(f"{self._where} cannot be reached or read: {said}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's and Alembic's progress lines out of a person's terminal; warnings still come through."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
