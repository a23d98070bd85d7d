"""The table of a dataset, catalog.parquet: its columns, and how it is written in little memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["COLUMNS", "contract_columns", "has_votes", "table_parts", "vote_columns", "write_catalogue"]

#: Columns of every table, in this order; then the votes, then what else the table holds.
COLUMNS = (
    "id",
    "split",
    "ra",
    "dec",
    "redshift",
    "distance_mpc",
    "luminosity_g",
    "radius_kpc",
    "pixel_scale_arcsec",
    "stretch_scale",
    "log_ml_g",
    "log_ml_g_err",
    "log_mstar",
)

_ROWS = 16_384  # of the table, written or hashed at a time


def vote_columns(tree):
    """Name the columns of the votes, in the order of the answers of a tree.

    Parameters
    ----------
    tree : DecisionTree or None
        The tree of the votes.

    Returns
    -------
    list of str
        ``<stem>_votes`` for each answer; empty without a tree.
    """
    return [] if tree is None else [f"{stem}_votes" for stem in tree.stems]


def has_votes(table, tree):
    """Tell which galaxies have votes that can be learnt from.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy.
    tree : DecisionTree or None
        The tree of the votes.

    Returns
    -------
    numpy.ndarray of bool
        True where `DecisionTree.voted_questions` has at least one, shape (n,); nowhere without a tree.
    """
    if tree is None:
        return np.zeros(len(table), dtype=bool)
    return tree.voted_questions(table.reindex(columns=vote_columns(tree)).to_numpy(np.float32)).any(axis=1)


def contract_columns(table, tree=None):
    """Give a table the columns of the dataset contract, in their order.

    Parameters
    ----------
    table : pandas.DataFrame
        As for `write_dataset`.
    tree : DecisionTree, optional
        The tree of the votes.

    Returns
    -------
    pandas.DataFrame
        Missing columns are NaN, but for ``log_mstar``, which is computed where it can be; whole numbers as ids are
        int64. Columns that stay as they are share the memory of those received.
    """
    table = table.reset_index(drop=True)
    votes = vote_columns(tree)
    empty = pd.Series(np.nan, index=table.index)
    columns = {name: table.get(name, empty) for name in COLUMNS}
    if pd.api.types.is_integer_dtype(columns["id"]):
        columns["id"] = columns["id"].astype(np.int64)
    empty = empty.astype(np.float32)
    columns |= {name: table.get(name, empty).astype(np.float32) for name in votes}
    columns |= {name: table[name] for name in table.columns if name not in columns}
    light = columns["luminosity_g"]
    derived = columns["log_ml_g"] + np.log10(light.where(light > 0))
    columns["log_mstar"] = columns["log_mstar"].fillna(derived)
    return pd.DataFrame(columns, copy=False)


def write_catalogue(file, table):
    """Write a table to Parquet.

    Parameters
    ----------
    file : str or pathlib.Path
        The file.
    table : pandas.DataFrame
        One row a galaxy.
    """
    schema = pa.Schema.from_pandas(table, preserve_index=False)
    with pq.ParquetWriter(file, schema) as writer:
        for part in table_parts(table):
            writer.write_table(pa.Table.from_pandas(part, schema, preserve_index=False))


def table_parts(table):
    """Divide a table into parts of rows: of all at once the encoder holds what it writes twice.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy.

    Returns
    -------
    generator of pandas.DataFrame
        The parts, in order.
    """
    return (table.iloc[start : start + _ROWS] for start in range(0, len(table), _ROWS))
