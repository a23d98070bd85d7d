"""A stand-in for a training in a process of its own, small, since each process imports it."""

import os
import signal


def run_job(job, modest):
    assert modest
    if job.name == "scratch seed 1":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"n_train": 36, "rmse_dex": 0.1 + job.config.seed}
