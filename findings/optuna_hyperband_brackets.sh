#!/usr/bin/env bash
# Optuna 5.0.0, HyperbandPruner: one bracket is missing when the ratio of the resources is an exact power.
#
# Expected: floor(log_factor(max_resource / min_resource)) + 1 brackets, as in the Hyperband paper (Li et al. 2018,
# algorithm 1) and in the pruner's documentation. For 1 to 243 with factor 3 that is 6, since 3**5 = 243.
# Seen: 5, and 6 for 1 to 244; 3 instead of 4 for 1 to 1000 with factor 10. For other exact powers, such as 1 to 81
# with factor 3, the number is right. The logarithm is rounded: math.log(243, 3) is 4.999999999999999.
# Source: optuna/pruners/_hyperband.py, _try_initialization.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" - <<'PY'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def brackets(low: int, high: int, factor: int) -> int:
    pruner = optuna.pruners.HyperbandPruner(min_resource=low, max_resource=high, reduction_factor=factor)
    trial = optuna.create_study(pruner=pruner).ask()
    trial.report(1.0, low)
    trial.should_prune()  # the number is known from the first verdict on
    return len(pruner._pruners)


def expected(low: int, high: int, factor: int) -> int:
    count = 1
    while low * factor**count <= high:
        count += 1
    return count


print("optuna", optuna.__version__)
seen = {}
for case in ((1, 81, 3), (1, 243, 3), (1, 244, 3), (1, 100, 10), (1, 1000, 10), (1, 125, 5)):
    seen[case] = brackets(*case)
    print(f"resources {case[0]} to {case[1]}, factor {case[2]}: {seen[case]} brackets, expected {expected(*case)}")
wrong = {case for case, count in seen.items() if count != expected(*case)}
assert wrong == {(1, 243, 3), (1, 1000, 10)}, wrong
PY
