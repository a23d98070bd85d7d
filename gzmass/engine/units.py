"""Units of work that each make one file: run on an engine, gone on with after a break, and listed where they fail."""

import csv
import errno
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path

import yaml

from gzmass.engine.lock import LOCK, hold_directory
from gzmass.engine.work import fingerprint, write_atomically
from gzmass.engine.yaml_files import write_yaml
from gzmass.errors import ConfigError, GzmassError

__all__ = ["FAILED", "RECIPE", "Unit", "UnitsSummary", "claim_directory", "refuse_another", "run_units"]

#: Table of the units that failed, in the directory of the outputs.
FAILED = "failed_units.csv"
#: What the outputs of a directory are made from.
RECIPE = "recipe.yaml"

# what every other unit would meet too
_HOPELESS = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up", errno.EROFS: "it is read-only"}


@dataclass(frozen=True)
class Unit:
    """A piece of work that makes one file.

    Parameters
    ----------
    name : str
        What it is called in the table of failed units.
    output : pathlib.Path
        The file.
    n_rows : int
        Its rows, by which progress is counted.
    work : object
        What it is made from: what the function of `run_units` takes.
    """

    name: str
    output: Path
    n_rows: int
    work: object


@dataclass(frozen=True)
class UnitsSummary:
    """What `run_units` did.

    Parameters
    ----------
    found : int
        Units whose output was there before.
    made : int
        Units whose output was made now.
    failed : list of (str, str)
        Name and reason of the units that have none.
    """

    found: int
    made: int
    failed: list


@contextmanager
def claim_directory(out, recipe, what):
    """Make a directory of outputs, or find the one that was begun with the same recipe, and hold it during the block.

    Parameters
    ----------
    out : str or pathlib.Path
        The directory.
    recipe : dict
        All that decides what the outputs hold, as plain data.
    what : str
        What the directory holds, in the words of an error.

    Yields
    ------
    str
        The fingerprint of the recipe.

    Raises
    ------
    ConfigError
        The directory holds something else, or outputs of another recipe, or another process works in it.
    """
    out, mark = Path(out), fingerprint(recipe)
    refuse_another(out, recipe, mark, what)  # into which nothing is written, not even for a moment
    with hold_directory(out):
        if not refuse_another(out, recipe, mark, what):
            write_yaml(out / RECIPE, {"fingerprint": mark, "recipe": recipe})
        yield mark


def refuse_another(out, recipe, mark, what):
    """Refuse a directory that holds something else, or what another recipe made.

    Parameters
    ----------
    out : pathlib.Path
        The directory.
    recipe : dict
        All that decides what it is to hold, as plain data.
    mark : str
        Its fingerprint.
    what : str
        What the directory holds, in words.

    Returns
    -------
    bool
        Whether it was begun with this recipe.

    Raises
    ------
    ConfigError
        It holds something else, or ``recipe.yaml`` says another recipe or can not be read.
    """
    file = out / RECIPE
    if what == "predictions" and (out / "dataset.yaml").is_file():
        raise ConfigError(f"The directory {str(out)!r} is a dataset; choose another directory for the predictions.")
    if file.is_file():
        try:
            found = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            raise ConfigError(
                f"The file {str(file)!r}, which says what {what} were made from, is damaged; delete the directory, or "
                "choose another."
            ) from None
        found = found if isinstance(found, dict) else {}
        if found.get("fingerprint") != mark:
            before = found.get("recipe") or {}
            other = [key for key in recipe if before.get(key) != recipe[key]]
            raise ConfigError(
                f"The directory {str(out)!r} holds {what} made from another {' and another '.join(other) or 'recipe'} "
                f"({RECIPE} says which); choose another directory or delete this one."
            )
        return True
    if out.exists() and (not out.is_dir() or any(not p.name.startswith((".partial-", LOCK)) for p in out.iterdir())):
        raise ConfigError(f"The path {str(out)!r} exists and holds no {what}; choose a new or an empty directory.")
    return False


def run_units(engine, function, units, out, progress=None):
    """Make the outputs of units that are missing; a unit that fails is listed, and the others go on.

    Parameters
    ----------
    engine : gzmass.engine.LocalEngine or gzmass.engine.dask.DaskEngine
        Where they are made: what has its ``run``.
    function : callable
        Called as ``function(unit.work, path)``, writes its output to the path; a function of a module, or a
        `functools.partial` of one. What it raises is the reason why the unit fails; but a `GzmassError` with an
        attribute ``ends_run`` and a full disk, which no unit would get around, end the run.
    units : sequence of Unit
        The units.
    out : str or pathlib.Path
        The directory of their outputs, which `claim_directory` holds: what killed processes have begun in it is
        removed. Failed units are listed in it (`FAILED`: unit, reason), with those that an earlier call has listed and
        this one did not come to; the list is removed when there are none.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of rows.

    Returns
    -------
    UnitsSummary
        How many were there, were made, failed.

    Raises
    ------
    GzmassError
        The run can not go on; what is finished is kept.
    """
    missing = [unit for unit in units if not unit.output.is_file()]
    _remove_partials(units, out)
    total = sum(unit.n_rows for unit in units)
    done = total - sum(unit.n_rows for unit in missing)
    made, failed = 0, []
    untried = {unit.name for unit in missing}
    if progress:
        progress(done, total)
    try:
        for unit, outcome, death in engine.run(bind(_make, function), missing):
            reason, hopeless = (death, False) if death else outcome
            untried.discard(unit.name)
            if hopeless:
                raise GzmassError(f"{reason} What is finished is kept; run the same command again to go on.")
            if reason:
                failed.append((unit.name, reason))
            made += not reason
            done += unit.n_rows
            if progress:
                progress(done, total)
    finally:
        _remove_partials(units, out)
        file = Path(out) / FAILED
        _list_failed([*(row for row in _listed(file) if row[0] in untried), *failed], file)
    return UnitsSummary(len(units) - len(missing), made, failed)


def _make(function, unit):
    """Make the output of a unit, in a worker: None, or why there is none; and whether that ends the run."""
    if unit.output.is_file():  # a worker that was thought lost has made it meanwhile
        return None, False
    try:
        with write_atomically(unit.output) as partial:
            function(unit.work, partial)
    except OSError as error:
        if error.errno in _HOPELESS:
            return f"{str(unit.output)!r} can not be written: {_HOPELESS[error.errno]}.", True
        return _one_line(error), False
    except GzmassError as error:
        return str(error), getattr(error, "ends_run", False)
    except Exception as error:  # noqa: BLE001  whatever it is, the other units go on
        return _one_line(error), False
    return None, False


def _one_line(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _remove_partials(units, out):
    """Remove what killed processes have begun."""
    for folder in {Path(out), *(unit.output.parent for unit in units)}:
        for partial in folder.glob(".partial-*"):
            partial.unlink(missing_ok=True)


def _listed(file):
    """Units that an earlier call has listed as failed, and why."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return [tuple(row) for row in csv.reader(stream) if len(row) == 2]


def _list_failed(failed, file):
    if not failed:
        file.unlink(missing_ok=True)
        return
    try:
        with write_atomically(file) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerows([("unit", "reason"), *failed])
    except OSError:
        return  # the disk is full, and that is said
