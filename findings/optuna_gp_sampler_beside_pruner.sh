#!/usr/bin/env bash
# Optuna 5.0.0, GPSampler beside a pruner: once a suggestion was pruned, it is suggested again and again.
#
# Expected: another point. A pruned trial has values on record, from which TPESampler, the default, learns, and the
# text of GPSampler names even running trials among what it considers.
# Seen: with MedianPruner, more than half of 60 trials have the parameters of an earlier one, to the bit; the same
# study with TPESampler has 60 different ones.
# Source: optuna/samplers/_gp/sampler.py, sample_relative: it takes the trials that are COMPLETE or RUNNING. One that
# was PRUNED changes nothing, so the optimum of the acquisition function stays where it was, at a corner exactly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet "$folder/venv"
uv pip install --quiet --python "$folder/venv" optuna==5.0.0 torch==2.15.0 scipy==1.17.1
"$folder/venv/bin/python" -W ignore - <<'PY'
import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: optuna.Trial) -> float:
    slow, fast = trial.suggest_float("slow", 0.0, 1.0), trial.suggest_float("fast", 0.0, 1.0)
    for step in range(1, 6):
        trial.report(fast + slow * (1 - 2 / step), step)  # the better its end, the later it rises
        if trial.should_prune():
            raise optuna.TrialPruned
    return fast + slow * 0.6


def different(sampler: BaseSampler) -> int:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=60)
    return len({tuple(trial.params.values()) for trial in study.trials})


print("optuna", optuna.__version__)
gp, tpe = different(GPSampler(seed=1)), different(TPESampler(seed=1))
print(f"different parameters among 60 trials: {gp} with GPSampler, {tpe} with TPESampler")
assert gp <= 30 and tpe == 60, (gp, tpe)
PY
