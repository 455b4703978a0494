"""How long it takes to write the report, for 200 and 2,000 trials, and until it can be used in a browser.

    python benchmarks/report_build.py [--trials 200 2000] [--rounds 3]

The sweeps are synthetic, with ten epochs and five hyperparameters per trial, and the states of real ones. The
browser is a headless Chromium that opens the page from a file. The page is usable when a click sorts its
trials table, and drawn when all drawings are visible.

For comparison, in the same run: four of Optuna's own figures of the same trials (history, importances,
parallel coordinates, slices), each written as a page that loads plotly from the network.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import optuna
from sweeps import make_sweep

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.scale import scales
from reports.page.report import write
from search.records.sweep import State, Sweep


def seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def study_of(sweep: Sweep) -> optuna.Study:
    """The complete trials as an Optuna study in memory."""
    study = optuna.create_study(direction=sweep.metric.direction)
    distributions = {
        scale.name: optuna.distributions.CategoricalDistribution(scale.choices)
        if scale.choices
        else optuna.distributions.FloatDistribution(scale.low, scale.high, log=scale.log)
        for scale in scales(sweep)
    }
    for trial in sweep.trials:
        if trial.state is State.COMPLETE and trial.score is not None:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.sampled),
                    distributions={name: distributions[name] for name in trial.sampled},
                    value=trial.score,
                )
            )
    return study


def draw_with_optuna(study: optuna.Study, folder: Path) -> None:
    from optuna import visualization

    for plot in (
        visualization.plot_optimization_history,
        visualization.plot_param_importances,
        visualization.plot_parallel_coordinate,
        visualization.plot_slice,
    ):
        plot(study).write_html(folder / f"{plot.__name__}.html", include_plotlyjs="cdn")


def opened(page: Path) -> tuple[float, float]:
    """Seconds until a click on a column has sorted the trials table, and until everything is drawn."""
    from playwright.sync_api import sync_playwright

    browser_path = (
        shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        began = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        while not tab.evaluate("document.documentElement?.classList.contains('linked') ?? false"):
            time.sleep(0.01)
        tab.evaluate("document.querySelector('th[data-column=score] button').click()")
        assert tab.evaluate("document.querySelector('th[data-column=score]').ariaSort") == "ascending"
        usable = time.perf_counter() - began
        while not tab.evaluate("document.documentElement.classList.contains('drawn')"):
            time.sleep(0.02)
        drawn = time.perf_counter() - began
        browser.close()
    return usable, drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    published = read_benchmarks()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write(make_sweep(20), published, path)  # imports everything once
        draw_with_optuna(study_of(make_sweep(20)), path)
        for count in arguments.trials:
            ours, optunas, usable, drawn = [], [], [], []
            for seed in range(arguments.rounds):
                sweep = make_sweep(count, seed=seed)
                ours.append(seconds(lambda sweep=sweep: write(sweep, published, path)))
                study = study_of(sweep)
                optunas.append(seconds(lambda study=study: draw_with_optuna(study, path)))
                for times, duration in zip((usable, drawn), opened(path / "report.html"), strict=True):
                    times.append(duration)
            size = (path / "report.html").stat().st_size / 1e6
            median = statistics.median
            print(
                f"{count:,} trials: written in {median(ours):.1f} s ({median(ours) / median(optunas):.1f} "
                f"times Optuna's four figures, {median(optunas):.1f} s), {size:.1f} MB; usable in Chromium "
                f"after {median(usable):.1f} s, drawn after {median(drawn):.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
