"""The end of `benchsweep confirm --retrain`: trains and saves a final model."""

from __future__ import annotations

import sys
from pathlib import Path

from benchsweep import terminal
from benchsweep.screen.ending import write_all
from benchsweep.screen.live import OutputMode
from reports.analysis.winner import test_accuracy
from reports.formatting.wording import percent
from search.final_model import FinalModel, train_final_model
from search.records.folder import RunFolder
from search.records.lock import owning


def retrain_winner(run: RunFolder, data_folder: Path, output: OutputMode) -> None:
    """Train the final model, print its figures, and write the report again, which now counts this opening of
    the test set. With output "json", the last line has event "final", name, metrics, count and files."""
    out = terminal.out()
    with owning(run.lock):
        for update in train_final_model(run, data_folder):
            if isinstance(update, FinalModel):
                _print_final(update, output)
            elif output == "live":
                terminal.say(out, f"final model, epoch {update.number}: {update.seconds:.1f} s")
    write_all(run)


def _print_final(final: FinalModel, output: OutputMode) -> None:
    evaluation = final.evaluation
    if output == "json":
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
        f"final model, {final.name}, trained on training and validation images: test {figures}{saved}",
    )
