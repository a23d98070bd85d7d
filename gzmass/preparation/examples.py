"""The galaxies whose images preparation.html shows: some of all, and those that ask for a look."""

import numpy as np

__all__ = ["choose_examples"]

_SHOWN = 12  # galaxies in the first row of pictures
_SPECIAL = 6  # in each of the others


def choose_examples(table):
    """Choose the galaxies to show.

    Parameters
    ----------
    table : pandas.DataFrame
        The galaxies of a dataset, ``id`` and what was measured in their images.

    Returns
    -------
    dict of str to list
        Ids by the title over their images; a title has one at least.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(_SHOWN, len(table))).round().astype(int))
    examples = {"Spread evenly over the sample": table["id"].iloc[rows]}
    if "filled_fraction" in table:
        most = table["filled_fraction"].nlargest(_SPECIAL)
        examples["Most of it replaced: neighbours and stars"] = table["id"][most.index[most > 0]]
    if "centre_status" in table:
        corrected = table[["id", "centre_offset_arcsec"]][table["centre_status"] == "corrected"]
        column = "centre_offset_arcsec" if corrected["centre_offset_arcsec"].notna().any() else "id"
        examples["Centre moved the most"] = corrected.sort_values(column, ascending=False)["id"].head(_SPECIAL)
        for status, title in {"kept": "Centre beside, no room to move", "uncertain": "Centre uncertain"}.items():
            examples[f"{title}: look at these"] = table["id"][table["centre_status"] == status].head(_SPECIAL)
    return {title: ids.tolist() for title, ids in examples.items() if len(ids)}
