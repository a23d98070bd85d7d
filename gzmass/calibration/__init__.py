"""Intervals that hold what they say: conformal calibration, in groups, of one run or a mixture; from arrays alone."""

from gzmass.calibration.conformal import apply_calibration, calibrate_intervals, pit
from gzmass.calibration.coverage import coverage, coverage_in_thirds
from gzmass.calibration.groups import QUANTITIES, choose_calibration
from gzmass.calibration.stellar_mass import stellar_mass

__all__ = [
    "QUANTITIES",
    "apply_calibration",
    "calibrate_intervals",
    "choose_calibration",
    "coverage",
    "coverage_in_thirds",
    "pit",
    "stellar_mass",
]
