"""Numbers, baselines, plots and the report, from tables and arrays."""

from gzmass.evaluation.baselines import baseline_table, sample_rows
from gzmass.evaluation.metrics import joint_truth, mass_to_light_metrics, rmse_difference, vote_metrics
from gzmass.evaluation.report import evaluate, refuse_other_folder
from gzmass.evaluation.write_baselines import baseline_files, baseline_legend, baseline_markdown, write_baselines

__all__ = [
    "baseline_files",
    "baseline_legend",
    "baseline_markdown",
    "baseline_table",
    "evaluate",
    "joint_truth",
    "mass_to_light_metrics",
    "refuse_other_folder",
    "rmse_difference",
    "sample_rows",
    "vote_metrics",
    "write_baselines",
]
