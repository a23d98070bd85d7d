"""Catalogues of stellar masses as their archives deliver them."""

from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.catalogs.conventions import Convention
from gzmass.catalogs.ids import optional_ids
from gzmass.catalogs.mass_to_light import MAX_LOG_ML
from gzmass.catalogs.pieces import ROWS, column_names, iterate_table
from gzmass.catalogs.positions import refuse_hours
from gzmass.catalogs.surveys import (
    Selection,
    columns_of,
    describe,
    evaluate,
    find_column,
    refuse_without,
    resolve,
    surplus_rows,
)
from gzmass.catalogs.tables import concat_set_aside, named_columns
from gzmass.errors import ConfigError, DataError

__all__ = ["LOG_MSTAR", "MAX_LOG_ML", "read_stellar_mass"]

#: Range of log10 of a galaxy's stellar mass in solar masses, with a wide margin; beyond it stands a mistake.
LOG_MSTAR = (2.0, 14.0)

_RULE = "the {}row with the smallest error of the mass"
_NO_ERROR = 1e9  # dex: behind all errors
_ROWS_ALIGNED = 10_000  # few enough that pieces of two FITS files are never cut shorter because of their long rows


def read_stellar_mass(path, format, ids=None, prefer=None):  # noqa: A002  the name a user types in the configuration
    """Read a catalogue of stellar masses as its archive delivers it.

    Which column means what, and what the numbers assume, stands in ``surveys.yaml``. The file is read in pieces, only
    the columns needed.

    Parameters
    ----------
    path : str, pathlib.Path or sequence of them
        The file, or for "mpa_jhu_dr8", "mpa_jhu_dr7" and "gama" the two files that belong together, in any order.
    format : {"gswlc", "nsa", "mpa_jhu_dr8", "mpa_jhu_dr7", "gama", "granada"}
        The catalogue.
    ids : iterable of int or str, optional
        Only these galaxies are kept; by default all.
    prefer : dict of str to list, optional
        Columns of ours and values: of a galaxy's rows those that hold them come before all others. By default what the
        authors of the catalogue hold for good, such as ``{"flag_sed": [0]}`` of GSWLC.

    Returns
    -------
    table : pandas.DataFrame
        ``id``, every id of the catalogue under its own name, and as far as the catalogue has them ``ra`` and ``dec``
        (deg), ``redshift``, ``log_mstar`` and ``log_mstar_err`` (log10 of solar masses, NSA of Msun h^-2), ``log_ml_g``
        (log10 of solar units) and its error, ``luminosity_g`` (solar luminosities, NSA times h^-2), ``distance_mpc``
        (Mpc, NSA of H0 = 100), ``absolute_magnitude_g`` (AB), ``radius_arcsec`` and others; NaN where missing.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of rows without an id, with a mass or a ratio that can not be, or with a negative error,
        and of a galaxy's other rows than that with the smallest error among those preferred.
    convention : Convention
        What the numbers assume.

    Raises
    ------
    ConfigError
        The format is unknown.
    DataError
        A file can not be read or lacks columns, two files do not belong together, ids went through floating-point
        numbers, or the right ascensions of all their galaxies look like hours.
    """
    surveys = describe("stellar_mass")
    if format not in surveys:
        raise ConfigError(
            f"The format of a catalogue of masses must be one of {', '.join(surveys)}. Received: {format!r}."
        )
    survey = surveys[format]
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    if len(paths) > (1 if survey["files"] == "one" else 2) or (survey["files"] == "by_row" and len(paths) != 2):
        wanted = {"one": "1 file", "keyed": "1 or 2 files", "by_row": "2 files"}[survey["files"]]
        raise DataError(f"The format {format!r} takes {wanted}. Received: {len(paths)}.")
    layout = _lay_out(survey, paths)
    selection = Selection(layout["source"], ids)
    parts = [_rename(piece, layout, selection) for piece in _pieces(layout)]
    prefer = survey.get("good", {}) if prefer is None else prefer
    table = _stack(parts, next(iter(layout["ids"])), prefer, selection)
    if ids is None and {"ra", "dec"} <= set(table):  # a few galaxies tell nothing of the unit of a catalogue
        refuse_hours(table["ra"], table["dec"], repr(layout["source"]))
    return table, concat_set_aside(selection.set_aside), Convention(**survey["convention"])


def _lay_out(survey, paths):
    """Find where the columns of a survey stand in the files that were given."""
    there = {path: column_names(path, survey.get("names")) for path in paths}
    every = [name for columns in there.values() for name in columns]
    source = " and ".join(str(path) for path in paths)
    for name in survey["required"]:
        for column in columns_of(survey["columns"][name]):
            refuse_without(every, column, source)
    ids = {}
    for name, column in survey["ids"].items():
        joined = column["joined"] if isinstance(column, dict) else [column]
        if not ids:
            for part in joined:
                refuse_without(every, part, source)
        if all(find_column(part, every) for part in joined):
            ids[name] = [find_column(part, every) for part in joined]
    expressions = {name: resolve(expression, every) for name, expression in survey["columns"].items()}
    expressions = {name: expression for name, expression in expressions.items() if None not in columns_of(expression)}
    # positions are read under our names, so that sexagesimal text is understood; operands under theirs
    columns = {
        column if isinstance(expression, dict) else name: column
        for name, expression in expressions.items()
        for column in columns_of(expression)
    }
    mass = columns_of(expressions["log_mstar"])[0]
    main = next(path for path in paths if find_column(mass, there[path]))
    return {
        "survey": survey, "source": source, "there": there, "main": main, "ids": ids,
        "expressions": expressions, "columns": columns,
    }  # fmt: skip


def _pieces(layout):
    """Iterate over the rows of the one file, or of both joined."""
    survey, there, main = layout["survey"], layout["there"], layout["main"]
    id_columns = [column for joined in layout["ids"].values() for column in joined]
    wanted = dict.fromkeys([*id_columns, *layout["columns"].values()])

    def iterate(path, rows, but=()):
        theirs = {find_column(name, there[path]): name for name in wanted if name not in but}  # cases may differ
        theirs.pop(None, None)
        ids = [column for column, name in theirs.items() if name in id_columns]
        pieces = iterate_table(path, list(theirs), rows, ids, survey.get("names"), survey["missing"])
        return (piece.rename(columns=theirs) for piece in pieces), list(theirs.values())

    pieces, own = iterate(main, _ROWS_ALIGNED if survey["files"] == "by_row" else ROWS)
    if len(there) == 1:
        yield from pieces
        return
    (other,) = (path for path in there if path != main)
    if survey["files"] == "by_row":
        others, _ = iterate(other, _ROWS_ALIGNED, own)
        lengths = np.zeros(2, dtype=int)
        for pair in zip_longest(pieces, others):
            lengths += [0 if piece is None else len(piece) for piece in pair]
            if lengths[0] == lengths[1]:
                yield pd.concat(pair, axis=1)
        if lengths[0] != lengths[1]:
            raise DataError(
                f"The files {layout['source']} belong together row by row, but have {lengths[0]} and {lengths[1]} rows."
            )
        return
    (key,) = next(iter(layout["ids"].values()))
    refuse_without(there[other], key, str(other))
    others, _ = iterate(other, ROWS, set(own) - {key})
    second = pd.concat(others)
    second.index = optional_ids(second.pop(key), f"column {key!r} of {str(other)!r}").astype("string")
    second = second[~second.index.duplicated() & second.index.notna()]
    for piece in pieces:
        keys = optional_ids(piece[key], f"column {key!r} of {str(main)!r}").astype("string")
        yield pd.concat([piece, second.reindex(keys).set_index(piece.index)], axis=1)


def _rename(piece, layout, selection):
    """Turn a piece into our columns, and set aside what can not be: a dict of columns, each freed on its own later."""
    source = layout["source"]
    joined = {name: _join(piece, columns) for name, columns in layout["ids"].items()}
    first = next(iter(joined))
    ids = selection.ids(joined[first], " and ".join(layout["ids"][first]))
    piece = piece.loc[ids.index]
    numbers = named_columns(piece.assign(id=ids), layout["columns"], source, judge_hours=False)
    table = pd.DataFrame({"id": ids})
    for name in list(joined)[1:]:
        (column,) = layout["ids"][name]
        table[name] = optional_ids(piece[column], f"column {column!r} of {source!r}")
    convention = layout["survey"]["convention"]
    for name, expression in layout["expressions"].items():
        if isinstance(expression, dict):
            table[name] = evaluate(expression, lambda column: numbers[column].to_numpy(), convention)
        else:
            table[name] = numbers[name]
    for name, (low, high) in {"log_mstar": LOG_MSTAR, "log_ml_g": (-MAX_LOG_ML, MAX_LOG_ML)}.items():
        if name in table:
            table = _set_aside(table, name, ~table[name].between(low, high), f"{low:g} to {high:g}", selection)
    for name in ("log_mstar_err", "log_ml_g_err"):
        if name in table:
            table = _set_aside(table, name, table[name] < 0, "values >= 0", selection)
    return {name: table[name].reset_index(drop=True) for name in table}


def _join(piece, columns):
    if len(columns) == 1:
        return piece[columns[0]]
    parts = [piece[column].astype("string").str.strip() for column in columns]
    return parts[0].str.cat(parts[1:], sep="-")


def _set_aside(table, name, bad, allowed, selection):
    return selection.drop(
        table, bad & table[name].notna(), lambda rows: [f"{name} = {v:g}, allowed are {allowed}" for v in rows[name]]
    )


def _stack(parts, first_id, prefer, selection):
    """Put pieces together column by column, freeing each, without a galaxy's surplus rows."""
    names = ["id", first_id, *[name for name in parts[0] if name != "id"]]

    def stack(name):
        columns = [part.pop(name) for part in parts]
        if len({column.dtype for column in columns}) > 1 and not pd.api.types.is_float_dtype(columns[0]):
            whole = all(pd.api.types.is_integer_dtype(column) for column in columns)
            columns = [column.astype("Int64" if whole else "string") for column in columns]
        return pd.concat(columns, ignore_index=True)

    mass, ids = stack("log_mstar"), stack("id")
    error = stack("log_mstar_err") if "log_mstar_err" in parts[0] else mass * 0
    done = {"id": ids, first_id: ids, "log_mstar": mass, "log_mstar_err": error}
    done |= {name: stack(name) for name in prefer if name in names and name not in done}
    order = error.fillna(_NO_ERROR)
    for name, values in prefer.items():
        if name in done:
            order = order.where(done[name].isin(values), order + 2 * _NO_ERROR)
    surplus = surplus_rows(ids, order.where(mass.notna()), _RULE.format("good " if prefer else ""), selection)
    columns = {name: done[name] if name in done else stack(name) for name in names}
    if surplus.any():
        columns = {name: columns.pop(name)[~surplus].reset_index(drop=True) for name in names}
    return pd.DataFrame(columns, copy=False)
