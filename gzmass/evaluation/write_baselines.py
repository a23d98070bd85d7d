"""The table of baselines as Markdown, for reading, and as CSV, for plotting."""

from pathlib import Path

from gzmass.engine import write_atomically
from gzmass.errors import DataError

__all__ = ["baseline_files", "baseline_legend", "baseline_markdown", "write_baselines"]

_BEGINNINGS = {".md": b"| inputs ", ".csv": b"inputs,"}  # of both files, by which they are known
_NUMBERS = {"RMSE [dex]": "rmse_dex", "R2 [dex]": "r2_dex", "RMSE linear": "rmse_linear", "R2 linear": "r2_linear"}


def baseline_markdown(table):
    """Give the table of baselines as a Markdown table.

    Parameters
    ----------
    table : pandas.DataFrame
        What `baseline_table` returned.

    Returns
    -------
    list of str
        The lines, of the same length, so that they can be read as they are.
    """
    lines = [["inputs", "method", "columns", *_NUMBERS]]
    for row in table.to_dict("records"):
        numbers = [_with_error(row[key], row.get(f"{key}_error")) for key in _NUMBERS.values()]
        lines.append([row["inputs"], row["method"], str(row["n_inputs"]), *numbers])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width if k < 2 else "-" * (width - 1) + ":" for k, width in enumerate(widths)])
    padded = [[cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))]
              for line in lines]  # fmt: skip
    return [f"| {' | '.join(line)} |" for line in padded]


def baseline_legend(table):
    """Say what the words in the table of baselines mean.

    Parameters
    ----------
    table : pandas.DataFrame
        What `baseline_table` returned.

    Returns
    -------
    list of str
        Sentences: numbers of galaxies, where the errors come from, names of columns.
    """
    first = table.iloc[0]
    lines = [f"{first['n_train']} galaxies to learn from, {first['n']} scored; errors from resampling these."]
    if table.attrs.get("metadata"):
        lines.append(f"Metadata: {', '.join(table.attrs['metadata'])}.")
    if table.attrs.get("colour"):
        lines.append(f"g-i colour: {table.attrs['colour']}.")
    return lines


def baseline_files(path):
    """Name the two files that the table of baselines is written to, which may be there from before.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that ends with ``.md`` or ``.csv``; the other stands beside it.

    Returns
    -------
    list of pathlib.Path
        The Markdown and the CSV file.

    Raises
    ------
    DataError
        The file has another ending, or one of the two is there and is no table of baselines.
    """
    path = Path(path)
    if path.suffix not in _BEGINNINGS:
        raise DataError(f"The baselines can not be written to {str(path)!r}: allowed endings are .md, .csv.")
    files = [path.with_suffix(ending) for ending in _BEGINNINGS]
    for file in files:
        if file.exists() and not (file.is_file() and file.read_bytes().startswith(_BEGINNINGS[file.suffix])):
            raise DataError(f"{str(file)!r} is there and is no table of baselines: give another name, or remove it.")
    return files


def write_baselines(table, path):
    """Write the table of baselines as Markdown, with what its words mean, and as CSV with all columns.

    Parameters
    ----------
    table : pandas.DataFrame
        What `baseline_table` returned.
    path : str or pathlib.Path
        One of the two files, as `baseline_files` takes it.

    Returns
    -------
    list of pathlib.Path
        Both files.

    Raises
    ------
    DataError
        The file has another ending than ``.md`` and ``.csv``, or one of the two is there and is something else.
    """
    markdown, csv = baseline_files(path)
    with write_atomically(csv) as temporary:
        table.to_csv(temporary, index=False)
    with write_atomically(markdown) as temporary:
        text = "\n".join([*baseline_markdown(table), "", *baseline_legend(table)])
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return [markdown, csv]


def _with_error(value, error):
    value = round(value, 3) + 0.0  # no minus before a zero
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"
