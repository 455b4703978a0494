"""A trainable of another kind, in a user's own folder, through all of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Done, command, fresh_command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def boosted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A user's folder with a trainable of their own, mine.py, searched from there."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copy((Path(__file__).parents[2] / "helpers" / "boosting.py"), folder / "mine.py")
    (folder / "mine.toml").write_text(
        'trainable = "mine"\n[budget]\ntrials = 4\n[data]\nclasses = 3\n'
        '[space]\nfault = { choices = ["none", "raise"] }\n'
        "shrinkage = { low = 0.01, high = 0.5, log = true }\n"
        '[sampler]\nname = "grid"\npoints = 2\n'
    )
    return folder, fresh_command(folder, "run", "mine.toml", "--local")


def test_a_users_own_trainable_is_run_from_their_folder(boosted: tuple[Path, Done]) -> None:
    _, done = boosted
    assert done.code == 0, done.err
    assert "4 trials: 2 complete and 2 failed" in done.out
    assert "failed, 2 trials: ArithmeticError: this recipe always raises" in done.out
    assert "test: log loss" in done.out


def test_a_users_own_trainable_is_shown_reported_and_reproduced(
    here: Any, boosted: tuple[Path, Done]
) -> None:
    folder, _ = boosted
    result = json.loads(here("show", folder / "runs" / "mine", "--json").out)
    assert result["metric"] == {
        **{"name": "log_loss", "direction": "minimize", "unit": "nats"},
        "take": "last",
    }
    scores = [trial["score"] for trial in result["trials"] if trial["state"] == "COMPLETE"]
    assert result["top"]["score"] == min(scores)
    assert set(result["test"]["metrics"]) == {"log_loss"}
    shown = here("show", folder / "runs" / "mine", str(result["best"]["trial"]))
    assert "shrinkage" in shown.out
    page = (folder / "runs" / "mine" / "report.html").read_text()
    assert "log loss" in page
    assert "Confusion matrix" not in page
    again = fresh_command(folder, "reproduce", "mine")
    assert again.code == 0, again.err
    assert "reproduced to the bit" in again.out


def test_a_search_in_which_all_trials_fail_says_why_and_exits_with_1(boosted: tuple[Path, Done]) -> None:
    folder, _ = boosted
    plan = (folder / "mine.toml").read_text().replace('["none", "raise"]', '["raise"]')
    (folder / "bad.toml").write_text(plan)
    done = command("run", "bad.toml", "--quiet", "--local", cwd=folder)
    assert done.code == 1
    assert "ArithmeticError: this recipe always raises" in done.out
