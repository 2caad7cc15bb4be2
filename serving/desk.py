"""Where a request is worked on: records in, models in use, words out.

One desk serves every tenant. For each it holds one immutable set of models, and a thread looks every few seconds
whether another version has been promoted; a new set is loaded and warmed up beside the old one and then takes its
place in one step. A request reads the reference once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.cohort import enrolled
from features.norms import Norms
from features.phrases import ENGLISH, Language, Sentence
from features.pipeline import FeatureTable
from features.problems import NotFound, Problem, Refused
from features.standard import STANDARD
from features.tables import Grain
from serving import changed, flat, offers, requests, whatif
from serving.answers import WITH_NUMBERS, Student, answer, version_in
from serving.assessed import Assessment
from serving.batch import definitions_of
from serving.cases.database import Database, open_database
from serving.cases.families import Correction, Restriction
from serving.contract import FIRST_LANGUAGE, SCORE_EXAMPLE, NoModel, ServeSettings
from serving.erasure import erased_members, with_erased
from serving.failures import Outlived
from serving.listed import Changed, held
from serving.pages.words import Words, open_words
from serving.previous import by_student, on_list, rows_before
from serving.rescoring import rescore, take_into_records
from serving.scoring import WITHHELD, Risk, Scoring, feature_tables, score
from serving.store import Latest, Store
from serving.system_card import system_card
from serving.withheld import NOBODY, Withheld
from training.flat_model import FlatModel
from training.registry import Registry
from training.targets import TARGETS
from training.trained import TrainedModel

log = logging.getLogger("homeroom.desk")

#: How often the registry is asked whether another version serves, in seconds.
LOOK_EVERY = 5.0


@dataclass(frozen=True)
class Shelf:
    """What a tenant's requests are worked on with: models, the school's tables, norms, and the newest scoring.

    ``flat`` holds the models of flat files by the name of their outcome, ``help`` the help that there is. ``withheld`` is who
    is not scored, looked at anew every few seconds.
    """

    models: tuple[TrainedModel, ...]
    flat: Mapping[str, FlatModel]
    reference: requests.School
    norms: Mapping[Grain, Norms]
    latest: Latest | None
    secret: bytes
    state: object
    help: offers.Help
    withheld: Withheld = NOBODY

    @property
    def asks_skills(self) -> bool:
        """Whether a model of skills is in use."""
        return any(model.target.unit == "skill" for model in self.models)


#: What names a unit and its day, in the order in which a risk takes them.
_KEYS = ("student_id", "enrolment_id", "section_id", "skill_id", "as_of")


class Desk:
    """The desk of a state folder; see :class:`serving.contract.Desk` for what each method is asked."""

    def __init__(
        self, home: Path, models: Path, mlflow_uri: str = "", scoring: Scoring | None = None, database_url: str = "",
        assessment: Assessment | None = None,
    ) -> None:  # fmt: skip
        """Open a desk.

        Args:
            home: the state folder.
            models: the folder of the registry.
            mlflow_uri: a shared MLflow server.
            scoring: see :class:`~serving.scoring.Scoring`.
            database_url: where objections and stops are kept; without it only those count that the records hold.
            assessment: what stored students are scored under; without it, whoever made the list has seen to it.

        """
        self._home, self._models, self._uri = home, models, mlflow_uri
        self._scoring = scoring or Scoring()
        self._database_url, self._assessment = database_url, assessment
        self._opened: Database | None = None
        self._shelves: dict[str, Shelf] = {}
        self._words: Mapping[str, Words] | None = None
        self._earlier: dict[tuple[str, str, str], TrainedModel | None] = {}
        self._lock = threading.Lock()
        self._watching = False

    # -- what is asked ---------------------------------------------------------------------------------------

    def score(self, body: dict[str, object], tenant: str, audience: str) -> dict[str, object]:
        """Score the students whose records are in the request. Nothing of it is kept."""
        answers, _ = self.score_timed(body, tenant, audience)
        return answers

    def score_timed(self, body: Mapping[str, Any], tenant: str, audience: str) -> tuple[dict[str, object], dict[str, float]]:
        """Do the same, and return beside the answer how many seconds each stage took."""
        shelf = self._shelf(tenant)
        times: dict[str, float] = {}
        clock = time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal clock
            now = time.perf_counter()
            times[stage] = times.get(stage, 0.0) + now - clock
            clock = now

        language = self._language(body.get("language", FIRST_LANGUAGE))
        if requests.is_flat(body) and shelf.flat:
            rows = requests.read_flat(body, shelf.flat)
            lap("parse")
            said = flat.score(rows.table, rows.model, rows.as_of, shelf.withheld)
            lap("score and explain")
            told = [flat.answer(who, one, audience, shelf.secret) for who, one in zip(rows.students, said, strict=True)]
            lap("words")
            return {"as_of": rows.as_of.isoformat(), "scores": told}, times
        if not shelf.models:
            raise NoModel("Only models of flat files are in use: send each student's `row`.")
        asked = requests.read(body, tenant, shelf.reference)
        lap("parse")
        found: dict[str, tuple[Student, list[Risk]]] = {}
        around: dict[str, offers.Around] = {}
        what_ifs: dict[whatif.Key, whatif.WhatIf] = {}
        changes: dict[whatif.Key, Changed] = {}
        brought = any(student.before for students, _ in asked.groups for student in students)
        words = self._spoken(body.get("language", FIRST_LANGUAGE)) if brought else None
        for students, records in asked.groups:
            found |= {student.student_id: (student, []) for student in students}
            mine = offers.Around.of(shelf.help, records, [one.student_id for one in students], asked.as_of, shelf.asks_skills,
                                    self._db)  # fmt: skip
            around |= dict.fromkeys((student.student_id for student in students), mine)
            units, gone = enrolled(records, pl.DataFrame({"as_of": [asked.as_of]})), None
            if shelf.withheld:
                units, gone = shelf.withheld.apart(units, records)
            tables = {} if gone and units.stays.is_empty() else feature_tables(
                records, units, shelf.models, shelf.norms, self._scoring
            )  # fmt: skip
            lap("features")
            for risk in shelf.withheld.risks(gone, shelf.models) if gone else ():
                found[risk.student_id][1].append(risk)
            for model in shelf.models if tables else ():
                table = tables[model.target.name]
                scored = [held(risk, found[risk.student_id][0].listed)
                          for risk in score(table, model, asked.data_through, self._scoring)]  # fmt: skip
                for risk in scored:
                    found[risk.student_id][1].append(risk)
                if audience in WITH_NUMBERS:
                    what_ifs |= whatif.where_it_matters(scored, table, self._scoring, language)
                for risk in scored if words else ():
                    since = changed.since_sent(risk, found[risk.student_id][0].before, words) if words else None
                    if since is not None:
                        changes[whatif.key(risk)] = since
            lap("score and explain")
        answers = [
            answer(student, asked.as_of, risks, asked.skills, audience, shelf.secret, shelf.asks_skills, around[who], what_ifs,
                   language, changes)
            for who, (student, risks) in found.items()
        ]  # fmt: skip
        lap("words")
        return {"as_of": asked.as_of.isoformat(), "scores": answers}, times

    def score_stored(
        self, student_ids: list[str], tenant: str, audience: str, language: object = FIRST_LANGUAGE
    ) -> dict[str, object]:  # fmt: skip
        """Score students from the snapshot of the newest scoring of their school, by the same code.

        Of those who are withheld by now, it says that and no more, whatever the snapshot holds.
        """
        shelf, said_in = self._shelf(tenant), self._language(language)
        if shelf.latest is None:
            raise NotFound("No export of this school has been scored yet. Run `homeroom score` first.")
        if self._assessment is not None:
            self._assessment.refuse(shelf.latest.exempt, shelf.latest.as_of)
        store = Store.of(self._home, tenant)
        found: dict[str, list[Risk]] = {student: [] for student in student_ids}
        on_before = rows_before(store, shelf.latest.as_of, student_ids).collect()
        before, was = by_student(on_list(on_before)), changed.scored_before(on_before)
        what_ifs: dict[whatif.Key, whatif.WhatIf] = {}
        changes: dict[whatif.Key, Changed] = {}
        for model in shelf.models:
            name = model.target.name
            if name not in shelf.latest.snapshots:
                continue
            if shelf.latest.definitions.get(name) != definitions_of(model):
                raise NotFound(f"The newest scoring does not hold what {name} version {model.version} reads. "
                               "Run `homeroom score` again.")  # fmt: skip
            rows = store.snapshot(shelf.latest, name).filter(pl.col("student_id").is_in(list(found))).collect()
            if shelf.withheld:
                rows, gone = shelf.withheld.rows_apart(rows, store.records())
                for keys in gone.select(_KEYS).iter_rows():
                    found[keys[0]].append(shelf.withheld.risk(model, *keys))
            catalog = model.catalog.at(model.target.unit)
            norms = shelf.norms.get(model.target.unit, Norms.none())
            table = FeatureTable.of(rows, catalog, model.target.unit, norms)
            scored = [held(risk, before.get(risk.student_id, ()))
                      for risk in score(table, model, shelf.latest.data_through, self._scoring)]  # fmt: skip
            for risk in scored:
                found[risk.student_id].append(risk)
            if audience in WITH_NUMBERS:
                what_ifs |= whatif.where_it_matters(scored, table, self._scoring, said_in)
            if was:
                changes |= changed.since_list(
                    scored, rows, was, lambda target, version: self.model(target, version, tenant), self._spoken(language)
                )  # fmt: skip
        self._silent(store, shelf, found)
        unknown = [student for student, risks in found.items() if not risks]
        if unknown:
            # Said by its place in the list: the answer must not repeat keys that may belong to somebody else's school.
            raise Refused(
                [
                    Problem("unknown_student", f"student_ids[{student_ids.index(student)}]",
                            "no such student is in the newest scoring",
                            "Ask for students of your own school who were enrolled on its date.")
                    for student in unknown
                ]
            )  # fmt: skip
        skills = shelf.reference.statements
        around = self._around(store, shelf, student_ids, shelf.latest.as_of)
        answers = [
            answer(Student(who), max(risk.as_of for risk in risks), risks, skills, audience, shelf.secret, shelf.asks_skills,
                   around, what_ifs, said_in, changes)
            for who, risks in found.items()
        ]  # fmt: skip
        return {"as_of": shelf.latest.as_of.isoformat(), "scores": answers}

    def _language(self, asked: object) -> Language:
        """Return the language that is asked for; raise :class:`Refused` where nothing is said in it."""
        if asked == FIRST_LANGUAGE:
            return ENGLISH
        return self._spoken(asked).facts

    def _spoken(self, asked: object) -> Words:
        """Return the words of the pages in a language, in which an answer says what changed; raise as above."""
        if self._words is None:
            self._words = open_words(self._home / "words")
        found = self._words.get(asked) if isinstance(asked, str) else None
        if found is None:
            hint = f"The languages are: {', '.join(self._words)}."
            raise Refused([Problem("unknown_language", "language", "nothing is said in it here", hint)])
        return found

    def _around(self, store: Store, shelf: Shelf, student_ids: Sequence[str], as_of: date) -> offers.Around:
        """Return what is around stored students; where the records are gone, nothing is known of their circumstances."""
        try:
            records = store.records()
        except NotFound:
            return offers.Around(shelf.help)
        return offers.Around.of(shelf.help, records, student_ids, as_of, shelf.asks_skills, self._db)

    def _silent(self, store: Store, shelf: Shelf, found: Mapping[str, list[Risk]]) -> None:
        """Add what the newest list says of students who were withheld when it was made: they have no snapshot."""
        without = [student for student, risks in found.items() if not risks]
        if not without or shelf.latest is None or not shelf.latest.scored:
            return
        models = {model.target.name: model for model in shelf.models}
        rows = pl.scan_parquet(store.folder / shelf.latest.scored).filter(
            pl.col("student_id").is_in(without), pl.col("status").is_in(list(WITHHELD)), pl.col("target").is_in(list(models))
        )
        for one in rows.collect().iter_rows(named=True):
            risk = shelf.withheld.risk(models[one["target"]], *(one[key] for key in _KEYS))
            why = Sentence(f"status.{one['status']}", one["status_reason"])
            kept = replace(risk, status=one["status"], status_reason=one["status_reason"], status_told=why)
            found[risk.student_id].append(kept)

    def corrected(self, tenant: str, asked: Correction | Restriction, today: date) -> int:
        """Lay an accepted correction over the records and score its student again; return how many rows were made anew.

        A restriction of contact is laid over the records too, and changes no score. Raises :class:`NotFound` where no
        records are kept: then the next export that is read has it.
        """
        if self._db is None:
            raise NotFound("This desk knows no database, and so no corrections.")
        store = Store.of(self._home, tenant)
        records = take_into_records(store, self._db, asked)
        try:
            models = self._shelf(tenant).models if isinstance(asked, Correction) else ()
        except NoModel:
            models = ()
        return rescore(store, models, records, [asked.student_id], asked.id, today, Withheld.of(self._db, tenant),
                       self._scoring, self._db)  # fmt: skip

    def model_card(self, target: str, prediction_id: str | None, tenant: str) -> dict[str, object]:
        """Return the card of the model in use, or of the version that a prediction's identifier names."""
        registry = self._registry(tenant)
        flat_names = () if target in TARGETS else tuple(registry.flat())
        if target not in (*TARGETS, *flat_names):
            raise NotFound(f"There is no target of this name. The targets are: {', '.join((*TARGETS, *flat_names))}.")
        if prediction_id is not None:
            version = version_in(prediction_id, target)
            if version is None:
                raise NotFound(f"This prediction was not made by a {target} model.")
            return self._with_erased(registry.card(target, version), target, version, tenant)
        shelf = self._shelf(tenant)
        model = shelf.flat.get(target) or next((one for one in shelf.models if one.target.name == target), None)
        if model is None:
            raise NotFound(f"No {target} model is in use.")
        return self._with_erased({**model.card, "version": model.version}, target, model.version, tenant)

    def _with_erased(self, card: dict[str, object], target: str, version: str, tenant: str) -> dict[str, object]:
        """Return a card with what it has to say of students who were erased since."""
        return with_erased(card, erased_members(Store.of(self._home, tenant), self._db, target, version))

    def model(self, target: str, version: str, tenant: str) -> TrainedModel | None:
        """Return a version of a model, to work an earlier score out again; None where it is gone or its features changed."""
        used = next((one for one in self._shelf(tenant).models if one.target.name == target), None)
        if used is not None and used.version == version:
            return used
        key = tenant, target, version
        if key not in self._earlier:
            try:
                self._earlier[key] = self._registry(tenant).load(target, STANDARD, version)
            except (NotFound, Refused):
                self._earlier[key] = None
        return self._earlier[key]

    def system_card(self, tenant: str) -> dict[str, object]:
        """Return the card of the system, made of the cards of the models in use."""
        shelf = self._shelf(tenant)
        in_use: tuple[TrainedModel | FlatModel, ...] = (*shelf.models, *shelf.flat.values())
        return system_card([{**one.card, "version": one.version} for one in in_use])

    def example(self) -> None:
        """Score the example of the reference, for whichever tenant has models."""
        ready = (tenant for tenant, shelf in list(self._shelves.items()) if shelf.models or shelf.flat)
        # The registry is asked only where nothing is loaded: a server with models stays ready while it is away.
        tenant = next(ready, None) or next(iter(self._registry("").tenants()), "default")
        shelf = self._shelf(tenant)
        for learned in shelf.flat.values():
            self.score(flat.example(learned), tenant, "teacher")
        if shelf.models:
            self.score(dict(SCORE_EXAMPLE), tenant, "teacher")

    # -- what it is worked on with ---------------------------------------------------------------------------

    def _registry(self, tenant: str) -> Registry:
        return Registry(self._models, tenant, self._uri)

    def _shelf(self, tenant: str) -> Shelf:
        shelf = self._shelves.get(tenant)
        if shelf is None:
            with self._lock:
                shelf = self._shelves.get(tenant) or self._load(tenant)
                self._shelves[tenant] = shelf
            self._watch()
        if not shelf.models and not shelf.flat:
            raise NoModel("No model is in use yet. Train one with `homeroom train`, then `homeroom promote TARGET VERSION`.")
        return shelf

    def _state(self, tenant: str) -> object:
        """Return what a shelf depends on, cheap to look at: versions in use, and the newest scoring."""
        registry, latest = self._registry(tenant), Store.of(self._home, tenant).latest()
        versions = tuple((target, registry.champion(target)) for target in TARGETS)
        own = offers.stamp(Store.of(self._home, tenant).folder, self._db)
        return versions, registry.flat(), latest.token if latest else None, own

    def _load(self, tenant: str) -> Shelf:
        state, registry, store = self._state(tenant), self._registry(tenant), Store.of(self._home, tenant)
        models = [registry.load(target, STANDARD) for target in TARGETS if registry.champion(target) is not None]
        learned = {name: registry.load_flat(name) for name in registry.flat()}
        latest = store.latest()
        norms = store.norms(latest) if latest else {}
        help_ = offers.Help.of(store.folder, latest.as_of if latest else None, db=self._db)
        return Shelf(tuple(models), learned, requests.School(store.reference()), norms, latest, store.secret(), state, help_,
                     self._withheld(tenant, store))  # fmt: skip

    @property
    def _db(self) -> Database | None:
        if self._opened is None and self._database_url:
            self._opened = open_database(self._database_url)
        return self._opened

    def _withheld(self, tenant: str, store: Store) -> Withheld:
        """Return who is not scored by now, by the database and by the newest records."""
        try:
            records = store.records()
        except NotFound:
            return Withheld.of(self._db, tenant)
        return Withheld.of(self._db, tenant, records)

    def _watch(self) -> None:
        with self._lock:
            if self._watching:
                return
            self._watching = True
        threading.Thread(target=self._look, name="homeroom-models", daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            for tenant, shelf in list(self._shelves.items()):
                # A file of a model that is half copied fails in as many ways as there are libraries that read it, and this
                # thread must outlive them all. The set in use stays in use, and the next look comes.
                with Outlived(log, "Another version could not be taken into use: %s"):
                    newest = self._load(tenant) if self._state(tenant) != shelf.state else shelf
                    withheld = self._withheld(tenant, Store.of(self._home, tenant))
                    self._shelves[tenant] = newest if withheld == newest.withheld else replace(newest, withheld=withheld)


def open_desk(home: Path) -> Desk:
    """Return the desk of a state folder, set as the server was told."""
    told = ServeSettings.from_environment()
    scoring = Scoring(told.stale_after_days, told.norms_stale_after_days)
    assessment = Assessment(told.dpia_id, told.dpia_date)
    return Desk(home, home / "models", told.mlflow_uri, scoring, told.database_url, assessment)
