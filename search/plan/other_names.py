"""What samplers and pruners are called elsewhere, and which one of ours is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_SAME = {
    **{"asha": "successive_halving", "sha": "successive_halving", "halving": "successive_halving"},
    **{"asyncsuccessivehalving": "successive_halving", "asynchyperband": "successive_halving"},
    **{"hb": "hyperband", "medianstopping": "median", "medianstoppingrule": "median"},
    **{"sobol": "qmc", "halton": "qmc", "quasimontecarlo": "qmc", "quasirandom": "qmc"},
    **{"cma": "cmaes", "gaussianprocess": "gp", "bruteforce": "grid", "uniform": "random"},
    **{"parzen": "tpe", "treeparzen": "tpe", "treestructuredparzenestimator": "tpe"},
    **{"nop": "none", "fifo": "none"},
}
"""Other names for the same, in small letters and digits."""
_NEAREST = {
    **{"bayes": "gp", "bayesian": "gp", "bayesopt": "gp", "bayesianoptimization": "gp", "bo": "gp"},
    **{"botorch": "gp", "ax": "gp", "skopt": "gp", "hebo": "gp", "optuna": "tpe", "hyperopt": "tpe"},
    **{"evolution": "cmaes", "evolutionary": "cmaes", "genetic": "cmaes", "nsga": "cmaes"},
    **{"nsgaii": "cmaes", "off": "none", "no": "none", "null": "none", "percentile": "median"},
    **{"earlystopping": "patient", "plateau": "patient", "patience": "patient", "trialplateau": "patient"},
}
"""Names of something else, and what is nearest to it here."""
_ADVICE = {
    "bohb": 'for BOHB, combine the sampler "tpe" and the pruner "hyperband"',
    "pbt": "population-based training is not offered",
    "populationbasedtraining": "population-based training is not offered",
}
"""Names for which there is no one name here, and what to do instead."""
_KINDS = re.compile(r"(sampler|pruner|scheduler|search)$")


def meant(name: str, names: Iterable[str]) -> str | None:
    """Which of these names is meant; None if that is unknown."""
    ours = {own.replace("_", ""): own for own in names}
    key = _key(name)
    own = ours.get(key) or ours.get((_SAME | _NEAREST).get(key, "").replace("_", ""))
    near = difflib.get_close_matches(key[:80], ours, n=1, cutoff=0.6)
    return own or (ours[near[0]] if near else None)


def called(name: str, names: Iterable[str]) -> str:
    """What a misspelt name, or one from elsewhere, is called here: `there are tpe, gp; did you mean gp?`."""
    ours, key = list(names), _key(name)
    own = meant(name, ours)
    if own is not None and _SAME.get(key) == own:
        return f"{name} is called {own} here"
    listed = f"there are {', '.join(ours)}"
    if key in _ADVICE:
        return f"{listed}; {_ADVICE[key]}"
    if own is None:
        return listed
    return f"{listed}; did you mean {own}?" if key in _NEAREST else f"did you mean {own}?"


def _key(name: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "", name[:200].lower())
    return _KINDS.sub("", key) or key
