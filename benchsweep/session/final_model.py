"""The end of `benchsweep confirm --retrain`: a final model, trained in front of the user."""

from __future__ import annotations

import sys
from pathlib import Path

from benchsweep import terminal
from benchsweep.screen.ending import write_all
from reports.analysis.winner import test_accuracy
from reports.formatting.wording import percent
from search.final_model import Final, retrained
from search.records.folder import RunFolder
from search.records.lock import owning


def retrain_winner(run: RunFolder, data_folder: Path, form: str) -> None:
    """Train it, tell of it, and write the report anew, which counts its look at the test set. With the
    form "json" the last line has event "final", name, metrics, count and files."""
    out = terminal.out()
    with owning(run.lock):
        for told in retrained(run, data_folder):
            if isinstance(told, Final):
                _tell(told, form)
            elif form == "view":
                terminal.say(out, f"final model, epoch {told.number}: {told.seconds:.1f} s")
    write_all(run)


def _tell(final: Final, form: str) -> None:
    evaluation = final.evaluation
    if form == "json":
        line = {
            "event": "final",
            "name": final.name,
            "metrics": dict(evaluation.metrics),
            "count": evaluation.count,
            "files": [str(file) for file in final.files],
        }
        sys.stdout.write(terminal.json_line(line))
        return
    accuracy = test_accuracy(evaluation)
    if accuracy is None:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in evaluation.metrics.items())
    else:
        figures = f"{100 * accuracy.share:.2f} % (95 % interval {percent(accuracy.interval)})"
    saved = f"; saved in {final.files[0].parent}" if final.files else ""
    terminal.say(
        terminal.out(),
        f"final model, {final.name}, trained on the validation images too: test {figures}{saved}",
    )
