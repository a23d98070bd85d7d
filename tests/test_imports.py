"""Lower floors of the package know nothing of upper ones, and only the neural ones know Keras."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gzmass"
NEURAL = {"keras", "tensorflow", "jax", "torch"}

# what each floor may import from the package; a floor may always import itself and the ground
GROUND = {"errors", "_version"}
FLOORS = {
    "errors": set(),
    "_version": set(),
    "engine": set(),
    "pages": set(),
    "config": {"engine"},
    "tree": {"engine"},
    "images": {"engine", "tree"},
    "catalogs": {"engine", "tree"},
    "download": {"engine", "images", "catalogs"},
    "datasets": {"engine", "tree", "images", "catalogs"},
    "preparation": {"engine", "tree", "images", "catalogs", "datasets", "pages", "config"},
    "simulate": {"engine", "tree", "images", "catalogs", "datasets"},
    "calibration": set(),
    "evaluation": {"engine", "tree", "calibration", "catalogs", "datasets", "pages", "config"},
    "layers": {"engine", "tree"},
    "losses": {"engine", "tree", "layers"},
    "models": {"engine", "tree", "images", "calibration", "datasets", "layers", "losses"},
    "training": {"engine", "tree", "calibration", "datasets", "evaluation", "layers", "losses", "models", "config"},
    "inference": {"engine", "tree", "calibration", "catalogs", "datasets", "layers", "models", "config"},
    "experiment": {"engine", "config", "calibration", "datasets", "evaluation", "training", "inference"},
}
FLOORS["cli"] = {*FLOORS, "console", "demo", "show"}
WITH_KERAS = {"layers", "losses", "models", "training", "inference", "experiment"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Dotted names of all that a file imports, also inside functions."""
    package = [PACKAGE.name, *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from [f"{name}.{alias.name}" for alias in node.names] if name == "gzmass" else [name]


def floor_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_lower_floors_only(path):
    floor = floor_of(path)
    names = list(imported(path))
    if floor in FLOORS:
        used = {name.split(".")[1] for name in names if name.startswith("gzmass.")}
        unknown = used - FLOORS[floor] - GROUND - {floor}
        assert not unknown, f"{floor} may not import {sorted(unknown)}"
        neural = NEURAL & {name.split(".")[0] for name in names}
        if floor not in WITH_KERAS and path.relative_to(PACKAGE).as_posix() != "datasets/batches.py":
            assert not neural, f"{floor} may not import {sorted(neural)}"


def test_every_folder_stands_on_a_floor():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= set(FLOORS)


def test_the_floors_stand_one_on_another():
    # no two floors may import each other, directly or through a third
    reached = {floor: set(below) & set(FLOORS) for floor, below in FLOORS.items()}
    for _ in FLOORS:
        reached = {floor: below.union(*(reached[b] for b in below)) for floor, below in reached.items()}
    assert not [floor for floor, below in reached.items() if floor in below]


def test_what_needs_no_network_loads_no_keras():
    names = ["gzmass", "gzmass.tree", "gzmass.datasets", "gzmass.calibration", "gzmass.evaluation"]
    names += ["gzmass.simulate", "gzmass.experiment"]
    code = f"import sys, {', '.join(names)}; print(sorted({NEURAL!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
