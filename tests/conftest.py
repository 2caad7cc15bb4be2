"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from features.records import SchoolRecords
    from features.validation import Reading
    from training.train import Result

ROOT = Path(__file__).resolve().parents[1]

#: Browsers, for the tests that ask for one; Playwright is imported when they do.
pytest_plugins = ["browser"]

# No deadline: a busy machine is not a fault. Forty examples on every run find what a thousand find in a week of runs.
settings.register_profile("homeroom", max_examples=40, deadline=None)
settings.register_profile("quick", max_examples=10, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Where the full tests are left out, look for fewer examples; and leave the tables of this process to one thread.

    There is a process for each core, and two threads take a tenth longer over tables of a few rows. Polars reads the number
    once, so that what a test starts (a service, a command) has all the threads there are, as Homeroom has; that the bits do not
    hang on their number is a test of its own. What multiplies matrices and what fits trees has one thread there too: threads
    that wait for a core spin.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    settings.load_profile("quick" if config.getoption("markexpr") == "not full" else "homeroom")
    told = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = told or "1"
    import polars as pl

    pl.thread_pool_size()  # reads it
    if told is None:
        del os.environ["POLARS_MAX_THREADS"]


def pytest_unconfigure() -> None:
    """Leave the threads of desks nothing to look at, when the folders of their models are gone."""
    if "models" in sys.modules:
        for desk in sys.modules["models"].FolderDesk.opened:
            desk._shelves.clear()


#: What takes minutes, so that no process is left with it alone at the end.
_FIRST = ("test_train", "test_documents", "test_journeys", "test_browser_pages", "test_notebooks", "test_demo", "test_judge",
          "test_flat_commands", "test_casebook", "test_registry", "test_simulate", "test_mutations", "test_cli",
          "test_flat_training", "test_abilities")  # fmt: skip

#: What one process trains once, by the words of the files that ask for it.
_TRAINED_ONCE = {"models": re.compile(r"^(import|from) models\b", re.MULTILINE), "results": re.compile(r"\bresults: Mapping")}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, then with what shares a training; what looks at its results is of the full part."""
    for item in items:
        if "results" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.full)
    place = {name: at for at, name in enumerate(_FIRST)}
    alone = {item.path: _shared_by(item.nodeid.split("::", 1)[0]) not in _TRAINED_ONCE for item in items}
    items.sort(key=lambda item: place.get(item.path.stem, len(_FIRST) + alone[item.path]))


def pytest_collection_finish() -> None:
    """Leave ten thousand tests and all that they import out of every later look for garbage: a sixth of the time else."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests in one process, and files that share what one training gives."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        """Tests by what they share."""

        def _split_scope(self, nodeid: str) -> str:
            return _shared_by(nodeid.split("::", 1)[0])

    return Together(config, log)


@cache
def _shared_by(file: str) -> str:
    text = (ROOT / file).read_text()
    return next((name for name, words in _TRAINED_ONCE.items() if words.search(text)), file)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> None:
    """Hash passwords at the least cost in this process: what a hash should cost is the library's to say, 0.1 s here."""
    if "serving.cases.people" in sys.modules:
        from argon2 import PasswordHasher
        from argon2.profiles import CHEAPEST

        sys.modules["serving.cases.people"]._HASHER = PasswordHasher.from_parameters(CHEAPEST)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def school() -> SchoolRecords:
    """The example school."""
    import example_school

    return example_school.records()


def shared(folder: str) -> Path:
    """Return a folder of the real data; without it fail where everything must be tested, and else skip with a word."""
    found = ROOT.parent / "shared" / "data" / folder
    if not found.is_dir():
        said = f"There are no real data at ../shared/data/{folder}, so nothing is tested on them."
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@pytest.fixture(scope="session")
def oulad() -> Path:
    """The folder of the real Open University data."""
    return shared("oulad")


@pytest.fixture(scope="session")
def some_oulad(oulad: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files with every fourth student of them, for commands whose work is judged elsewhere."""
    import polars as pl

    folder = tmp_path_factory.mktemp("some") / "oulad"
    folder.mkdir()
    for file in oulad.glob("*.parquet"):
        rows = pl.read_parquet(file)
        if "id_student" in rows.columns:
            rows = rows.filter(pl.col("id_student").cast(pl.Int64) % 4 == 0)
        rows.write_parquet(folder / file.name)
    return folder


@pytest.fixture(scope="session")
def pupils() -> Path:
    """The folder of Cortez and Silva's pupils."""
    return shared("uci_student_performance")


@pytest.fixture(scope="session")
def edfi_sample() -> Path:
    """The folder of Ed-Fi's own sample."""
    return shared("interop/edfi")


@pytest.fixture(scope="session")
def roster_sample() -> Path:
    """The folder of a OneRoster bundle that another project made."""
    return shared("interop/oneroster_1p2")


@pytest.fixture(scope="session")
def oulad_reading(oulad: Path) -> Reading:
    """The real data as read, marks known when work is handed in: one reading for all tests, since it takes 10 s."""
    from features import sources
    from features.sources.oulad import Oulad

    return sources.read("oulad", oulad, Oulad(marking_lag_days=0))


@pytest.fixture(scope="session")
def oulad_records(oulad_reading: Reading) -> SchoolRecords:
    """The real data as records."""
    from features.records import SchoolRecords

    return SchoolRecords.from_frames(oulad_reading.tables, digest=oulad_reading.digest)


@pytest.fixture(scope="session")
def large_records() -> SchoolRecords:
    """A school of three terms that is large enough to train on."""
    import example_school

    from features.records import SchoolRecords

    return SchoolRecords.from_frames(example_school.large_school())


@pytest.fixture(scope="session")
def results(large_records: SchoolRecords) -> Mapping[str, Result]:
    """What a quick training on the large school gives, by target."""
    from approvals import PROVENANCE
    from trainings import QUICK

    from training.train import train

    found = train(large_records, settings=QUICK, pass_mark=0.5, provenance=PROVENANCE)
    return {one.model.target.name: one for one in found}


@pytest.fixture(scope="session")
def oulad_results(oulad_records: SchoolRecords) -> Mapping[str, Result]:
    """The training that the published floors are compared with: one run for all tests, since it takes a minute or two."""
    from trainings import REAL, REAL_GATES

    from training.train import train

    names = ("course_failure", "dropout")
    return dict(zip(names, train(oulad_records, names, REAL, date(2013, 10, 1), gates=REAL_GATES), strict=True))
