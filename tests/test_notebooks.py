"""Notebooks are run as a reader runs them; in a file of their own, so that they run beside what the README tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run_as_they_stand_and_draw_what_they_tell(notebook: Path, some_oulad: Path) -> None:
    from nbclient import NotebookClient
    from nbformat import read

    cells = read(notebook, as_version=4)
    code = [cell for cell in cells.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code), "outputs may hold students' data: clear them"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OULAD": str(some_oulad), "TREES": "20", "STUDENTS": "300"}.items():
            patch.setenv(name, value)
        NotebookClient(cells, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    drawn = [kind for cell in code for output in cell.outputs for kind in output.get("data", {})]
    assert drawn.count("image/png") == "".join(cell.source for cell in code).count("plt.show()") > 0


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_define_nothing_but_the_feature_that_one_of_them_is_about(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    defined = re.findall(r"^(?:def|class) (\w+)", code, re.MULTILINE)
    assert defined == [] or notebook.stem == "add_a_feature"


def test_there_is_a_notebook_for_each_thing_that_they_are_to_show() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {
        "add_a_feature", "compare_two_experiments", "explore_records_and_features", "fairness_audit", "read_one_explanation",
    }  # fmt: skip
