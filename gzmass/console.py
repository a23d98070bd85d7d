"""What the command line shows: progress bars, summaries, the path of what was made."""

import logging
from contextlib import contextmanager
from pathlib import PurePath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gzmass.errors import ConfigError

__all__ = [
    "bar",
    "evaluation",
    "experiment",
    "experiment_runs",
    "failed_galaxies",
    "finished_before",
    "left_out",
    "load_keras",
    "made",
    "parts_summary",
    "run_summary",
    "say",
    "split",
    "summary",
    "training",
]

_console = Console(highlight=False, soft_wrap=True)


def say(text):
    """Print a line.

    Parameters
    ----------
    text : str
        The line; square brackets in it mean themselves.
    """
    _console.print(text, markup=False)


def made(path):
    """Print the path of what a command made: its last line.

    Parameters
    ----------
    path : str or pathlib.Path
        The file or folder.
    """
    say(f"-> {path}")


def load_keras():
    """Load Keras and its backend without the lines that TensorFlow's C++ writes about its build at every start.

    Its advice on retracing, after predictions with several runs, is not for users either.
    """
    from gzmass.engine import held_back_errors  # noqa: PLC0415 -- as below

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with held_back_errors():
        import keras  # noqa: F401, PLC0415 -- seconds that only some commands need


def split(name):
    """Read the name of a split.

    Parameters
    ----------
    name : str
        What was typed.

    Returns
    -------
    str or None
        The split; None for "all".

    Raises
    ------
    ConfigError
        It is none.
    """
    allowed = ("train", "val", "test", "all")
    if name not in allowed:
        raise ConfigError(f"--split must be one of {', '.join(allowed)}. Received: {name!r}.")
    return None if name == "all" else name


def failed_galaxies(n):
    """Print how many galaxies could not be predicted, if there are any.

    Parameters
    ----------
    n : int
        Their number.
    """
    if n:
        say(f"{n} galaxies could not be predicted: their status is 'failed', status_reason says why")


def left_out(predictions):
    """Print how many galaxies are left out of an evaluation since they could not be predicted, and why the first.

    Parameters
    ----------
    predictions : pandas.DataFrame
        What `gzmass.inference.predict` returned.
    """
    reasons = predictions["status_reason"][predictions["status"] == "failed"]
    if len(reasons):
        say(f"{len(reasons)} galaxies could not be predicted and are left out; the first: {reasons.iloc[0]}")


def parts_summary(made):
    """Print what a prediction in parts came to, and the path of what it made.

    Parameters
    ----------
    made : gzmass.inference.PartsSummary
        What `gzmass.inference.predict_parts` returned.
    """
    say(f"{made.n_rows} galaxies, {made.n_outside} of them outside what the run was trained on")
    failed_galaxies(made.n_failed)
    if made.n_found:
        say(f"{made.n_found} of {made.n_units} units of work were finished before")
    if made.failed_units:
        say(f"{len(made.failed_units)} of {made.n_units} units failed; the same command tries them again")
        say(f"which and why: {made.path / 'failed_units.csv'}")
    if made.note:
        say(made.note)
    if made.hats and made.hats != made.path:
        say(f"the parts lie in {made.path / 'parts'}; LSDB opens what follows")
    say(f"-> {made.hats or made.path}")


def _progress():
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=_console,
        disable=not _console.is_terminal,
    )


@contextmanager
def finished_before(file):
    """Say after the block if all that it was to do had been done by an earlier command.

    Parameters
    ----------
    file : pathlib.Path
        What is written last, when all is done.

    Yields
    ------
    None
        Nothing.
    """
    stamp = file.stat().st_mtime_ns if file.is_file() else None
    yield
    if stamp is not None and file.stat().st_mtime_ns == stamp:
        say("it was finished before, and nothing was made anew")


@contextmanager
def bar(name, unit):
    """Show how much of one piece of work is done.

    Parameters
    ----------
    name : str
        What is being done.
    unit : str
        What is counted.

    Yields
    ------
    callable
        To be called as ``progress(done, total)``.
    """
    with _progress() as shown:
        task = shown.add_task(name, total=None, note=unit)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def training():
    """Show the stages of a training; where there is no terminal, a line an epoch.

    Yields
    ------
    callable
        To be called as ``progress(stage, epoch, epochs, numbers)``.
    """
    with _progress() as shown:
        tasks = {}

        def update(stage, epoch, epochs, numbers):
            note = "  ".join(f"{key} {numbers[key]:.4f}" for key in ("loss", "val_loss") if key in numbers)
            if not _console.is_terminal:
                say(f"{stage}: epoch {epoch}/{epochs}  {note}")
                return
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage, total=epochs, note=note)
            shown.update(tasks[stage], completed=epoch, note=note)

        yield update


@contextmanager
def experiment():
    """Show how far an experiment has come; where there is no terminal, a line a training.

    Yields
    ------
    callable
        To be called as ``progress(done, total, name, what)``, as `gzmass.experiment.run_experiment` does.
    """
    with _progress() as shown:
        task = shown.add_task("trainings", total=None, note="")

        def update(done, total, name, what):
            if isinstance(what, str):
                shown.update(task, completed=done, total=total, note=f"{name}, {what}")
                return
            shown.update(task, completed=done, total=total, note="")
            found = [f"RMSE {what['rmse_dex']:.3f} dex"] if "rmse_dex" in what else []
            found += [f"votes RMSE {what['votes_rmse']:.4f}"] if "votes_rmse" in what else []
            say(f"{done}/{total} {name}: {what.get('failed') or ', '.join(found)}")

        yield update


def summary(items):
    """Print a summary that a part of the library returned, one line an item.

    Parameters
    ----------
    items : dict
        Plain data; a dict within it is written on one line, ``path`` is left out.
    """
    for key, value in items.items():
        if key == "path":
            continue
        shown = ", ".join(f"{k} {_short(v)}" for k, v in value.items()) if isinstance(value, dict) else _short(value)
        say(f"{key.replace('_', ' ')}: {shown}")


def run_summary(card):
    """Print what a training reached on the validation split.

    Parameters
    ----------
    card : dict
        The card of the run.
    """
    if start := card.get("init_from"):
        left = [f"{name} ({reason})" for name, reason in start.get("not_copied", {}).items()]
        say(f"from {start['path']} came: {', '.join(start['copied'])}" + (f"; not: {', '.join(left)}" if left else ""))
        for key, (there, here) in start.get("differences", {}).items():
            say(f"that run was trained on other data: {key} {there}, here {here}")
    if weights := card["config"]["model"].get("weights"):
        say(f"the trunk started from {weights}, folded to one channel")
    measured = card["validation"]
    proxy = " (proxy)" if card["dataset"].get("label_kind") == "proxy" else ""
    if card["kind"] == "finetune-ml":
        say(
            f"validation, {measured['n']} galaxies: M/L{proxy} RMSE {measured['rmse_dex']:.3f} dex, R2 "
            f"{measured['r2_dex']:.3f}, bias {measured['bias_dex']:+.3f} dex"
        )
        limited = [item["level"] for item in card["calibration"]["intervals"] if item.get("limited")]
        if limited:
            levels = " and ".join(f"{100 * level:.6g} %" for level in limited)
            say(f"too few for intervals of {levels}: these reach from the lowest to the highest score")
        measured = card.get("validation_votes")
    if measured:
        joint = measured["joint"]
        say(
            f"validation, {joint['n']} galaxies: votes RMSE {joint['rmse']:.4f} over {joint['n_answers']} answers "
            f"(predicting the mean: {joint['rmse_mean']:.4f})"
        )


def evaluation(numbers):
    """Print the main numbers of an evaluation.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returned.
    """
    proxy = " (proxy)" if numbers["label_kind"] == "proxy" else ""
    if numbers["n_seen"]:
        say(f"the run was made with {numbers['n_seen']} of these galaxies: this is no test of it")
    if numbers["mass_to_light"]:
        # Text: square brackets, of units and of paths, mean themselves
        table = Table(title=Text(f"M/L{proxy}, split {numbers['split']}, {numbers['n_labelled']} galaxies"))
        for name in ("model", "RMSE [dex]", "R2", "bias [dex]", "RMSE linear", "R2 linear"):
            # of a long path the end is what tells runs apart; a baseline keeps to one line, sooner the heads break
            ways = {"overflow": "fold", "min_width": 27} if name == "model" else {"justify": "right"}
            table.add_column(Text(name), **ways)
        keys = ("rmse_dex", "r2_dex", "bias_dex", "rmse_linear", "r2_linear")
        rows = numbers["mass_to_light"]["table"]
        for name, row in zip(_last_parts([row["name"] for row in rows]), rows, strict=True):
            # + 0.0: no minus before a zero
            table.add_row(Text(name), *(f"{round(row[key], 3) + 0.0:.3f}" for key in keys))
        _console.print(table)
    if numbers["votes"]:
        joint = numbers["votes"]["joint"]
        say(
            f"votes: RMSE {joint['rmse']:.4f} over {joint['n_answers']} answers "
            f"(predicting the mean: {joint['rmse_mean']:.4f})"
        )
    compared = numbers.get("compared", ()) if numbers["mass_to_light"] else ()
    if without := [row["name"] for row in compared if not row["mass_to_light"]]:
        say(f"no M/L to compare with from {', '.join(without)}")
    if (domain := numbers["out_of_domain"]) and domain["n"]:
        say(f"{domain['n']} of {numbers['n_predicted']} galaxies lie outside what the run was trained on")
    for reason in dict.fromkeys(numbers["absent"].values()):
        without = [name.replace("_", " ") for name, other in numbers["absent"].items() if other == reason]
        say(f"nothing on {', '.join(without)}: {reason}")


def _last_parts(names):
    """Shorten paths to their last parts, if these tell them apart."""
    last = [PurePath(name).name for name in names]
    return last if len(set(last)) == len(last) else names


def experiment_runs(runs):
    """Print the trainings of an experiment, and what keeps some from being run.

    Parameters
    ----------
    runs : list of dict
        What `gzmass.experiment.list_runs` returned.
    """
    reasons = {}
    for run in runs:
        took = "" if run["seconds"] is None else f", {run['seconds'] / 60:.1f} min"
        if run["problem"]:
            reasons.setdefault(run["problem"], []).append(run["name"])
        say(f"{run['name']}: {run['state']}{took}")
    missing = [run for run in runs if run["state"] not in ("finished", "can not be run")]
    estimated = any(run["seconds"] is not None for run in missing)
    say(f"{len(missing)} of {len(runs)} to be run" + "; their minutes are estimates from another seed" * estimated)
    for reason, names in reasons.items():
        say(f"{len(names)} can not be run: {reason}")


def _short(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)
