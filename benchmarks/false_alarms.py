"""How often a confirmation separates recipes that are equal, and how often it finds a better one.

    uv run python benchmarks/false_alarms.py [--sweeps 200] [--seeds 10]
    uv run python benchmarks/false_alarms.py --real --data-dir DIR

Each sweep: 100 trials with one seed each are scored on 5,000 validation images. The five with the best score
and the default recipe are trained with fresh seeds and raced on validation. The remaining candidates and the
default recipe are compared with the leader on 10,000 test images. The decisions are those of
`search.racing.elimination` and `reports.statistics`. The level of 5 % is halved between race and test.

equal     all recipes are the same.
uneven    the same mean, but one of the six varies four times as much from seed to seed.
fitting   equal over all possible images, but each recipe fits some images better than others, and the five
          best trials are those that fit the validation images. The race decides about these images, so a
          decision is false if it does not hold on them. The share of sweeps in which it separates anything,
          which is true of these images only, comes last.
better    all equal except one of the five, which is better by 0.1, 0.2 or 0.4 points. Found: the race
separates
          all others from it. Confirmed: the test separates the default recipe from it. False: equal recipes
          are separated, or the better one is called worse.
real      as equal, but with real networks of one recipe: random groups of seeds are called recipes. All
sweeps
          use the same networks, so the shares are less certain than their intervals suggest.

The same networks are raced on validation and evaluated on the test set, so the winner's networks are the
luckier ones. "forgetful" is the test with Holm's adjustment for the comparisons made, which ignores that.

Each simulated image is classified correctly with a probability of its own, drawn from a beta distribution
that was fitted to 784-128-64-10 networks on MNIST: 98.3 % are correct, two seeds differ on 1 % of the images,
and the accuracy on 10,000 images varies by 0.09 points from seed to seed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from reports.statistics.comparison import compare
from reports.statistics.intervals import wilson
from reports.statistics.multiplicity import holm, selected
from search.racing.elimination import eliminate

LEVEL = 0.05
CANDIDATES, TRIALS, VALIDATION, TEST = 6, 100, 5_000, 10_000
ACCURACY, CONCENTRATION = 0.983, 0.427
SEED_DEVIATION, FIT_DEVIATION = 0.0625, 0.5
DEFAULT = CANDIDATES - 1
ENOUGH = 5

Bits = NDArray[np.bool_]


class Observed(NamedTuple):
    """What a confirmation observes: whether each network is correct on each image."""

    validation: Bits
    """[recipes, seeds, images]."""
    test: Bits
    """[recipes, seeds, images]."""
    expected: NDArray[np.float64]
    """[recipes]: expected accuracies on these validation images, over all seeds, up to a constant."""


Source = Callable[[np.random.Generator], Observed]


class Recipe(NamedTuple):
    """A simulated recipe. Standard deviations are relative to that of a single image, which is 1."""

    gain: float = 0.0
    """How much its accuracy is above that of the others; a share."""
    noise: float = SEED_DEVIATION
    """Standard deviation over seeds of what all images of a network share."""
    fit: float = 0.0
    """Standard deviation over images of how well the recipe fits them."""


class Sweep(NamedTuple):
    """The decisions of one sweep, as pairs (worse, better) of recipes."""

    separated: tuple[tuple[int, int], ...]
    """By the race."""
    claimed: tuple[tuple[int, int], ...]
    """By the test."""
    forgetful: tuple[tuple[int, int], ...]
    """By a test that ignores that the winner was selected."""
    left: int
    """Number of candidates that remain after the race, at least 1."""


def ease(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Margin of each image, in standard deviations; positive is correct, inf is always correct."""
    chances = random.beta(ACCURACY * CONCENTRATION, (1 - ACCURACY) * CONCENTRATION, size=count)
    margins: NDArray[np.float64] = special.ndtri(chances)
    return margins


_MANY = ease(1_000_000, np.random.default_rng(0))
_SURE = 8.0
"""An image with a larger margin is never wrong."""


@cache
def lift(recipe: Recipe) -> float:
    """What to add to every margin to make the recipe's accuracy ACCURACY + its gain."""
    margins = _MANY[np.abs(_MANY) < _SURE]
    sure = int((_MANY >= _SURE).sum())
    wide = float(np.sqrt(1 + recipe.noise**2 + recipe.fit**2))

    def beyond(shift: float) -> float:
        right = float(special.ndtr((margins + shift) / wide).sum()) + sure
        return right / len(_MANY) - ACCURACY - recipe.gain

    return float(optimize.brentq(beyond, -2.0, 4.0, xtol=1e-6))


def networks(recipes: Sequence[Recipe], seeds: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Float [recipes, seeds]: how much luckier each network is than its recipe, on all images alike."""
    noise = np.array([[recipe.noise] for recipe in recipes])
    return noise * random.standard_normal((len(recipes), seeds))


def answers(
    recipes: Sequence[Recipe],
    luck: NDArray[np.float64],
    count: int,
    random: np.random.Generator,
    luckiest_of: int = 0,
) -> tuple[Bits, NDArray[np.float64]]:
    """Bits [recipes, seeds, count] of the networks on fresh images, and each recipe's expected accuracy on
    them over all seeds. luckiest_of: number of trials, each with one seed, of which the best ones are the
    recipes other than the last; 0 for no selection."""
    margins = ease(count, random)
    margins = margins[margins < _SURE]
    lifts = np.array([lift(recipe) for recipe in recipes])
    deviations = np.array([recipe.fit for recipe in recipes])
    fit = deviations[:, None] * random.standard_normal((len(recipes), len(margins)))
    # Without a fit to images, a trial is only lucky by its seed, which is not used again, so any five will
    # do.
    if luckiest_of and deviations.any():
        trials = deviations[0] * random.standard_normal((luckiest_of, len(margins)))
        once = recipes[0].noise * random.standard_normal((luckiest_of, 1))
        scores = margins + trials + lifts[0] + once + random.standard_normal(trials.shape) > 0
        fit[:-1] = trials[np.argsort(-scores.sum(axis=1))[: len(recipes) - 1]]
    mean = margins + fit + lifts[:, None]
    network_margins = mean[:, None, :] + luck[:, :, None]
    bits = np.ones((*luck.shape, count), dtype=np.bool_)
    bits[..., : len(margins)] = network_margins + random.standard_normal(network_margins.shape) > 0
    # Without a fit, recipes are equal on every image, except that seeds may move them more or less.
    if not deviations.any():
        return bits, np.array([recipe.gain for recipe in recipes])
    wide = np.sqrt([1 + recipe.noise**2 for recipe in recipes])
    return bits, 1 - special.ndtr(-mean / wide[:, None]).sum(axis=1) / count


def simulated(recipes: Sequence[Recipe], seeds: int) -> Source:
    """A source of simulated sweeps: the same networks on both splits, as in a confirmation."""

    def draw(random: np.random.Generator) -> Observed:
        luck = networks(recipes, seeds, random)
        validation, expected = answers(recipes, luck, VALIDATION, random, TRIALS)
        test, _ = answers(recipes, luck, TEST, random)
        return Observed(validation, test, expected)

    return draw


def trained(count: int, folder: Path | None) -> tuple[Bits, Bits]:
    """Validation and test bits [networks, images] of one recipe's networks, each with its own seed."""
    from trainable import mlp
    from trainable.contract import data_folder

    source = mlp.Source.model_validate({})
    data = source.load(data_folder(folder))
    test = source.load_test(data_folder(folder))
    sides: tuple[list[Bits], list[Bits]] = [], []
    for seed in range(count):
        recipe = mlp.Recipe.model_validate({"epochs": 3, "batch_size": 256, "seed": seed})
        training = mlp.Training(recipe, data, "cpu", 1)
        for _ in training:
            pass
        for side, split in zip(sides, (data.validation, test), strict=True):
            correct = training.evaluate(split).correct
            assert correct is not None
            side.append(correct)
    return np.array(sides[0]), np.array(sides[1])


def grouped(validation: Bits, test: Bits) -> Source:
    """A source that calls random groups of networks recipes; as many networks per group as possible."""
    seeds = len(validation) // CANDIDATES

    def draw(random: np.random.Generator) -> Observed:
        chosen = random.permutation(len(validation))[: CANDIDATES * seeds].reshape(CANDIDATES, seeds)
        return Observed(validation[chosen], test[chosen], np.zeros(CANDIDATES))

    return draw


def sweep(validation: Bits, test: Bits) -> Sweep:
    """The decisions of one sweep."""
    names = [str(index) for index in range(len(validation))]
    seeds, images = validation.shape[1:]
    scores = {name: [*bits.mean(axis=1)] for name, bits in zip(names, validation, strict=True)}
    decided = eliminate(scores, seeds, "maximize", LEVEL / 2, 1 / images)
    separated = tuple((int(pair.candidate), int(pair.better)) for pair in decided.separated)
    winner = int(decided.leader)
    others = sorted(({int(name) for name in decided.remaining} | {DEFAULT}) - {winner})
    trained = min(seeds, max(decided.seeds, ENOUGH))
    results = [compare(test[winner, :trained], test[rival, :trained], LEVEL / 2) for rival in others]
    p_values = [result.p for result in results]
    pairs = [(b, winner) if r.difference > 0 else (winner, b) for b, r in zip(others, results, strict=True)]

    def claimed(adjusted: list[float]) -> tuple[tuple[int, int], ...]:
        return tuple(pair for pair, p in zip(pairs, adjusted, strict=True) if p <= LEVEL / 2)

    return Sweep(
        separated, claimed(selected(p_values, len(names))), claimed(holm(p_values)), len(decided.remaining)
    )


def share_text(part: int, total: int) -> str:
    """A share with its Wilson interval."""
    low, high = wilson(part, total)
    return f"{100 * part / total:5.1f} % ({100 * low:4.1f} to {100 * high:4.1f})"


def tally(source: Source, gains: Sequence[float], sweeps: int) -> Counter[str]:
    """How often each kind of decision was made in `sweeps` sweeps of recipes with these gains."""
    random = np.random.default_rng(1)
    counts: Counter[str] = Counter()
    best = int(np.argmax(gains))
    for _ in range(sweeps):
        observed = source(random)
        decided = sweep(observed.validation, observed.test)
        race_false = any(
            observed.expected[worse] >= observed.expected[better] for worse, better in decided.separated
        )
        test_false = any(gains[worse] >= gains[better] for worse, better in decided.claimed)
        counts["race"] += race_false
        counts["test"] += test_false
        counts["either"] += race_false or test_false
        counts["forgetful"] += any(gains[worse] >= gains[better] for worse, better in decided.forgetful)
        counts["separated"] += bool(decided.separated)
        counts["found"] += decided.left == 1 and best not in {worse for worse, _ in decided.separated}
        counts["confirmed"] += (DEFAULT, best) in decided.claimed
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10, help="of each candidate, at most")
    parser.add_argument("--real", action="store_true", help="train networks on MNIST instead")
    parser.add_argument("--models", type=int, default=36, help="networks to train for --real")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    sweeps, began = arguments.sweeps, time.perf_counter()

    level = f"stated: race {100 * LEVEL / 2:.1f} %, test {100 * LEVEL / 2:.1f} %, either {100 * LEVEL:.0f} %"
    print(f"false alarms in {sweeps} sweeps, with 95 % intervals ({level})")
    equal = [0.0] * CANDIDATES
    if arguments.real:
        bits = trained(arguments.models, arguments.data_dir)
        accuracies = 100 * bits[1].mean(axis=1)
        apart = 100 * (bits[1][0::2] != bits[1][1::2]).mean()
        print(
            f"{arguments.models} networks: test accuracy {accuracies.mean():.2f} %, deviation over seeds "
            f"{accuracies.std(ddof=1):.3f} points, two differ on {apart:.2f} % of the images"
        )
        sources = {"real": grouped(*bits)}
    else:
        kinds = {
            "equal": [Recipe()] * CANDIDATES,
            "uneven": [Recipe(noise=_four_times()), *[Recipe()] * (CANDIDATES - 1)],
            "fitting": [Recipe(fit=FIT_DEVIATION)] * CANDIDATES,
        }
        sources = {name: simulated(recipes, arguments.seeds) for name, recipes in kinds.items()}
    for name, source in sources.items():
        counts = tally(source, equal, sweeps)
        parts = ("race", "test", "either", "forgetful")
        shares = (f"{part} {share_text(counts[part], sweeps)}" for part in parts)
        extra = f"  separated {share_text(counts['separated'], sweeps)}" if name == "fitting" else ""
        print(f"{name:8} {'  '.join(shares)}{extra}", flush=True)
    if not arguments.real:
        print("one better recipe")
        for gain in (0.001, 0.002, 0.004):
            source = simulated([Recipe(gain), *[Recipe()] * (CANDIDATES - 1)], arguments.seeds)
            counts = tally(source, [gain, *equal[1:]], sweeps)
            shares = (
                f"{word} {share_text(counts[part], sweeps)}"
                for word, part in (("found", "found"), ("confirmed", "confirmed"), ("false", "either"))
            )
            print(f"{100 * gain:.2f} pts {'  '.join(shares)}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


def _four_times() -> float:
    """The noise with which accuracies on the test images vary four times as much as usual."""
    chances = special.ndtr(_MANY)
    slope = float(np.exp(-(_MANY**2) / 2).mean()) / np.sqrt(2 * np.pi)
    coins = float((chances * (1 - chances)).mean()) / TEST
    return float(np.sqrt(16 * (coins + (slope * SEED_DEVIATION) ** 2) - coins) / slope)


if __name__ == "__main__":
    main()
