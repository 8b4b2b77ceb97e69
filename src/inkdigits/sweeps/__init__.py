"""Sweeps: one recipe with many values of its fields, compared by validation.

Optuna proposes the values; with Ray, the trials run at the same time, on one machine or on a
cluster. Needs `inkdigits[train,scale]`. Importing this package loads neither.

search_space   the ranges and choices of fields
sweep_trial    one set of values, and what it reached
sweep_folder   the folder of a sweep
trial_runs     the runs of a trial
optuna_study   trials one after the other, in this process
ray_tuning     trials on Ray Tune
sweep_plot     the plot of all trials
sweep_result   the result
sweeping       `sweep` and `resume_sweep`
"""

from inkdigits.sweeps.sweep_result import Sweep
from inkdigits.sweeps.sweep_trial import SweepTrial
from inkdigits.sweeps.sweeping import resume_sweep, sweep

__all__ = ["Sweep", "SweepTrial", "resume_sweep", "sweep"]
