#!/usr/bin/env bash
# Optuna 5.0.0, PatientPruner: a trial whose values never improve is not pruned, only one whose values got worse.
#
# Expected: pruned after `patience` steps without an improvement. The class says "Pruning is disabled until the
# objective doesn't improve for patience consecutive steps", and that without a wrapped pruner it is equivalent to
# early stopping, which a constant value ends in every other implementation.
# Seen: a constant curve is never pruned, nor is one that improved once and then returns to its best value now and
# then; a curve that falls by any amount below all earlier values for patience + 1 steps is.
# Source: optuna/pruners/_patient.py, prune: the best value before is compared with `<` or `>`, so a tie is progress.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def pruned_at(curve: list[float], patience: int) -> int | None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.PatientPruner(None, patience=patience))
    trial = study.ask()
    for step, value in enumerate(curve, 1):
        trial.report(value, step)
        if trial.should_prune():
            return step
    return None


print("optuna", optuna.__version__)
seen = {}
for name, curve in {
    "constant": [0.5] * 50,
    "back at its best every second step": [0.5, 0.4] * 25,
    "a little worse": [0.5] + [0.4999] * 49,
}.items():
    seen[name] = pruned_at(curve, patience=3)
    print(f"{name}, patience 3, 50 steps: pruned at {seen[name]}")
assert seen == {"constant": None, "back at its best every second step": None, "a little worse": 5}, seen
PY
