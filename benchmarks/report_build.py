"""How long the report takes: to make, for 200 and 2,000 trials, and to be of use in a browser.

    python benchmarks/report_build.py [--trials 200 2000] [--rounds 3]

The sweeps are synthetic, of ten epochs and five settings a trial, with the states of real ones. The browser
is a headless Chromium that opens the page from a file: of use is the page when its trials table sorts at a
click, and drawn when every drawing is there.

For comparison, in the same run: the four figures that Optuna itself draws of the same trials (history,
importances, parallel coordinates, slices), each written as a page that loads plotly from a network.
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
            held = {name: distributions[name] for name in trial.sampled}
            study.add_trial(
                optuna.trial.create_trial(params=dict(trial.sampled), distributions=held, value=trial.score)
            )
    return study


def optunas(study: optuna.Study, folder: Path) -> None:
    from optuna import visualization as drawn

    for plot in (
        drawn.plot_optimization_history,
        drawn.plot_param_importances,
        drawn.plot_parallel_coordinate,
        drawn.plot_slice,
    ):
        plot(study).write_html(folder / f"{plot.__name__}.html", include_plotlyjs="cdn")


def opened(page: Path) -> tuple[float, float]:
    """Seconds until a click on a head of the trials table has sorted it, and until all is drawn."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        began = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        while not tab.evaluate("document.documentElement?.classList.contains('linked') ?? false"):
            time.sleep(0.01)
        tab.evaluate("document.querySelector('th[data-column=score] button').click()")
        assert tab.evaluate("document.querySelector('th[data-column=score]').ariaSort") == "ascending"
        of_use = time.perf_counter() - began
        while not tab.evaluate("document.documentElement.classList.contains('drawn')"):
            time.sleep(0.02)
        drawn = time.perf_counter() - began
        browser.close()
    return of_use, drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    published = read_benchmarks()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write(make_sweep(20), published, path)  # what is imported, is imported once
        optunas(study_of(make_sweep(20)), path)
        for count in asked.trials:
            made, theirs, use, drawn = [], [], [], []
            for seed in range(asked.rounds):
                sweep = make_sweep(count, seed=seed)
                made.append(seconds(lambda sweep=sweep: write(sweep, published, path)))
                study = study_of(sweep)
                theirs.append(seconds(lambda study=study: optunas(study, path)))
                told = opened(path / "report.html")
                use.append(told[0])
                drawn.append(told[1])
            size = (path / "report.html").stat().st_size / 1e6
            mean = statistics.median
            print(
                f"{count:,} trials: made in {mean(made):.1f} s ({mean(made) / mean(theirs):.1f} of the time "
                f"of Optuna's four figures, {mean(theirs):.1f} s), {size:.1f} MB; in Chromium of use after "
                f"{mean(use):.1f} s, drawn after {mean(drawn):.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
