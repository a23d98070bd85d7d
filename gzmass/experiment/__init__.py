"""Many trainings, one table: what is to be run, running what is missing, measuring it, and the tables."""

from gzmass.experiment.config import ExperimentConfig, RowConfig
from gzmass.experiment.experiment import ExperimentResult, list_runs, run_experiment

__all__ = ["ExperimentConfig", "ExperimentResult", "RowConfig", "list_runs", "run_experiment"]
