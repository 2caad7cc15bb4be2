"""The registry: every experiment, every candidate, and which version serves. The only file that imports mlflow.

MLflow keeps runs, metrics and plots in one SQLite file (or at a shared server), models as files beside it. The
``champion`` alias names the version that serves, per tenant and target; what it replaced is remembered, so that
``rollback`` is one step and can be taken again.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from features.catalog import Catalog
from features.problems import NotFound, Problem, Refused, Unavailable
from training.flat_model import FlatModel
from training.targets import TARGETS
from training.trained import TrainedModel

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

#: What a logged model says it needs. Naming it saves 3 s: MLflow would else infer it in a subprocess.
_NEEDS = ["lightgbm>=4.7", "numpy>=2.2"]

#: Whose errors mean that the registry is broken: MLflow lets those of its database through as they are.
_BENEATH = frozenset({"mlflow", "sqlalchemy", "alembic", "requests"})


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model."""

    target: str
    version: str
    run_id: str
    created: str
    passed_gate: bool
    champion: bool
    metrics: Mapping[str, float]


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

        """
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
                                {k: v for k, v in run.data.metrics.items() if "/" not in k})
                    )  # fmt: skip
            return sorted(found, key=lambda one: (one.target, -int(one.version)))

    def load(self, target: str, code: Catalog, version: str = "champion") -> TrainedModel:
        """Return a model, by default the one that serves.

        Raises:
            NotFound: there is no such version, or none has been promoted.
            Refused: a feature's definition has changed since it was trained, or a file is not as it was written.

        """
        folder, number = self._bundle(target, version)
        return TrainedModel.read(folder, code, number)

    def load_flat(self, name: str, version: str = "champion") -> FlatModel:
        """Return a flat file's model, by default the one that serves; raise as :meth:`load` does."""
        return FlatModel.read(*self._bundle(name, version))

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

    def promote(self, target: str, version: str, despite_gate: str = "") -> None:
        """Let a version serve. One that failed its gate needs a reason, which is kept with it.

        Raises:
            NotFound: there is no such version.
            Refused: it failed its gate and no reason was given.

        """
        known = {one.version: one for one in self.versions(target)}
        if version not in known:
            raise NotFound(f"{target} has no version {version}. `homeroom models` lists them.")
        if not known[version].passed_gate and not despite_gate:
            raise Refused(
                [
                    Problem("gate_failed", f"{target} version {version}",
                            "it did not find more students than every simple baseline",
                            "See its card. To let it serve all the same, say why with --despite-gate.")
                ],
                "The version stays a candidate",
            )  # fmt: skip
        with self._asking():
            client, name = self._client, self._name(target)
            before = self.champion(target)
            if before and before != version:
                history = client.get_registered_model(name).tags.get("champions_before", "")
                client.set_registered_model_tag(name, "champions_before", f"{history},{before}".strip(","))
            client.set_registered_model_alias(name, "champion", version)
            if despite_gate:
                client.set_model_version_tag(name, version, "despite_gate", despite_gate)

    def rollback(self, target: str) -> str:
        """Let the version serve that served before, and return it; raise :class:`NotFound` where there was none."""
        with self._asking():
            client, name = self._client, self._name(target)
            if self.champion(target) is None:
                raise NotFound(f"{target}: no version is promoted, so there is nothing to go back from.")
            *older, last = client.get_registered_model(name).tags.get("champions_before", "").split(",")
            if not last:
                raise NotFound(f"{target}: no version served before this one.")
            client.set_registered_model_alias(name, "champion", last)
            client.set_registered_model_tag(name, "champions_before", ",".join(older))
            return str(last)


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
