"""Numbers, calibration, baselines, plots and the report, from tables and arrays."""

from gzmass.evaluation.calibration import (
    apply_calibration,
    calibrate_intervals,
    coverage,
    coverage_in_thirds,
    pit,
    stellar_mass,
)
from gzmass.evaluation.metrics import joint_truth, mass_to_light_metrics, rmse_difference, vote_metrics
from gzmass.evaluation.report import evaluate

__all__ = [
    "apply_calibration",
    "calibrate_intervals",
    "coverage",
    "coverage_in_thirds",
    "evaluate",
    "joint_truth",
    "mass_to_light_metrics",
    "pit",
    "rmse_difference",
    "stellar_mass",
    "vote_metrics",
]
