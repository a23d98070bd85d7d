"""Numbers, calibration, baselines, plots and the report, from tables and arrays."""

from gzmass.evaluation.baselines import baseline_table, sample_rows
from gzmass.evaluation.calibration import (
    apply_calibration,
    calibrate_intervals,
    pit,
    stellar_mass,
)
from gzmass.evaluation.coverage import coverage, coverage_in_thirds
from gzmass.evaluation.groups import QUANTITIES, choose_calibration
from gzmass.evaluation.metrics import joint_truth, mass_to_light_metrics, rmse_difference, vote_metrics
from gzmass.evaluation.report import evaluate
from gzmass.evaluation.write_baselines import baseline_files, baseline_legend, baseline_markdown, write_baselines

__all__ = [
    "QUANTITIES",
    "apply_calibration",
    "baseline_files",
    "baseline_legend",
    "baseline_markdown",
    "baseline_table",
    "calibrate_intervals",
    "choose_calibration",
    "coverage",
    "coverage_in_thirds",
    "evaluate",
    "joint_truth",
    "mass_to_light_metrics",
    "pit",
    "rmse_difference",
    "sample_rows",
    "stellar_mass",
    "vote_metrics",
    "write_baselines",
]
