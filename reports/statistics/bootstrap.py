"""Resampled accuracies of several recipes, and how often each is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reports.statistics.arrays import Bools, Floats
from reports.statistics.variance import recipe_scores


def bootstrap(correct: Sequence[Bools], draws: int = 10_000, seed: int = 0) -> Floats:
    """Draw the recipes' mean accuracies as other seeds and other examples might have given them.

    correct: bool [seeds of the recipe, N] for each; the N examples are the same for all. Returns
    float [draws, recipes], shares in 0..1; the same `seed` gives the same draws.

    Examples are resampled, the same for all recipes of a draw, so that what is hard for all moves all.
    Seeds are not resampled: of three seeds, every ninth resample is one seed alone, and none reaches as far
    as other seeds would. Instead, a recipe's seeds move it by Student's t with seeds - 1 degrees of freedom,
    scaled by the part of their variance that resampled examples do not show already (see
    `reports.statistics.comparison.compare`). A recipe with one seed is moved by examples alone: its draws
    are about that model. A. B. Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1 (2007), pages 386-411.

    Raises ValueError for no recipes, no draws, and shapes that do not fit.
    """
    recipes = [recipe_scores(bits) for bits in correct]
    if not recipes or draws < 1 or len({len(recipe.shares) for recipe in recipes}) != 1:
        raise ValueError(
            f"1 <= recipes, 1 <= draws and the same examples for all must hold, but got draws={draws} and "
            f"examples={[len(recipe.shares) for recipe in recipes]}"
        )
    random = np.random.default_rng(seed)
    # Examples that all models treat alike are one kind; their number in a resample is multinomial.
    kinds, counts = np.unique(np.column_stack([r.shares for r in recipes]), axis=0, return_counts=True)
    total = int(counts.sum())
    drawn = np.empty((draws, len(recipes)))
    for start in range(0, draws, 1000):
        block = drawn[start : start + 1000]
        block[:] = random.multinomial(total, counts / total, size=len(block)) @ kinds / total
    for column, recipe in enumerate(recipes):
        if recipe.seed_variance is not None:
            scale = math.sqrt(recipe.seed_variance / recipe.seeds)
            drawn[:, column] += scale * random.standard_t(recipe.seeds - 1, size=draws)
    return np.clip(drawn, 0.0, 1.0)


def best_shares(draws: Floats, maximize: bool = True) -> Floats:
    """The share of draws in which each recipe is the best, float [recipes], adding up to 1.

    draws: float [draws, recipes]. Recipes that tie for the best share the draw equally.
    Raises ValueError unless there is a draw and a recipe.
    """
    draws = np.asarray(draws, dtype=np.float64)
    if draws.ndim != 2 or not draws.size:
        raise ValueError(f"draws must be float [draws, recipes], not empty, but got {draws.shape}")
    best = draws.max(axis=1, keepdims=True) if maximize else draws.min(axis=1, keepdims=True)
    leads = draws == best
    shares: Floats = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
