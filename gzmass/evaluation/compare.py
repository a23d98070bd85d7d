"""Runs side by side on the same galaxies: M/L, intervals and votes of each."""

from gzmass.evaluation.measure import join_truth, measure_coverage, measure_votes

__all__ = ["compare_runs"]


def compare_runs(joined, dataset, split, sections, compare, name="this run"):
    """Put the numbers of a run beside those of others.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned for the run.
    dataset : gzmass.datasets.Dataset
        The dataset.
    split : str or None
        The split that is scored.
    sections : dict
        ``mass_to_light`` and ``votes`` of the run, as `gzmass.evaluation.measure` gives them.
    compare : sequence of tuple
        The other runs: pairs of a name and a predictions table.
    name : str, default "this run"
        What the run is called.

    Returns
    -------
    list of dict
        The run first: ``name``; ``mass_to_light``, its row in the table of the section; ``coverage``, a list
        of dicts with ``level`` and what `gzmass.calibration.coverage` returns; ``votes``, the RMSE over all
        answers. Each of the last three is None where there is none; the whole list is empty without other runs.
    """
    if not compare:
        return []
    ml, votes = (None if isinstance(sections[key], str) else sections[key] for key in ("mass_to_light", "votes"))
    rows = [
        {
            "name": name,
            "mass_to_light": ml and ml["table"][0],
            "coverage": ml and _overall(ml["coverage"]),
            "votes": votes and votes["joint"],
        }
    ]
    scored = iter([row for row in ml["table"] if row["kind"] == "compare"] if ml else ())  # of runs with M/L
    for other_name, predictions in compare:
        other = join_truth(predictions, dataset, split)
        other = other[other["id"].isin(joined["id"])].reset_index(drop=True)
        other_votes = measure_votes(other, dataset, split)
        rows.append(
            {
                "name": str(other_name),
                "mass_to_light": next(scored, None) if "log_ml_g" in predictions.columns else None,
                "coverage": _overall(measure_coverage(other)[0]) if ml else None,
                "votes": None if isinstance(other_votes, str) else other_votes["joint"],
            }
        )
    return rows


def _overall(coverages):
    return [{"level": item["level"], **item["overall"]} for item in coverages] or None
