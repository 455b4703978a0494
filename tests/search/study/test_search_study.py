"""The study knows after any interruption what it knew before, and asks nothing twice."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from examples import examples
from searches import TABLE
from studies import carry_on, folder, outcome, train

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import repair
from search.records.sweep import State, Sweep
from search.study.base import SettledTrial, Suggestion
from search.study.draw import SamplerOutOfMemory
from search.study.search import REPEATS, SearchStudy
from trainable.epoch import Epoch

CHOICES = {"schedule": {"choices": ["constant", "step"]}, "batch_size": {"choices": [50, 100]}}


def _plan(**changes: Any) -> Plan:
    table = {**TABLE, "budget": {"trials": 12}, "recipe": {"batch_size": 100, "epochs": 4}}
    return Plan.parse({**table, **changes}, "test")


def _cuts(content: bytes) -> list[int]:
    """Every place at which a process can die: after each transaction, and in the middle of each."""
    ends, at = [0], 0
    for line in content.splitlines(keepends=True):
        at += len(line)
        if not json.loads(line).get("more"):
            ends.append(at)
    return sorted({*ends, *((one + other) // 2 for one, other in itertools.pairwise(ends))})


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"pruner": {"name": "successive_halving", "reduction_factor": 2}},
        {"pruner": {"name": "hyperband", "reduction_factor": 2}},
        {"pruner": {"name": "forecast", "n_startup_trials": 2}},
        {"sampler": {"name": "cmaes"}, "pruner": {"name": "median", "n_startup_trials": 2}},
        {"sampler": {"name": "qmc"}},
        {"sampler": {"name": "gp", "n_startup_trials": 4}, "budget": {"trials": 6}},
        {"sampler": {"name": "auto", "n_startup_trials": 3}, "budget": {"trials": 5}},
        {"sampler": {"name": "grid"}, "space": CHOICES, "recipe": {"epochs": 4, "learning_rate": 0.01}},
        {"space": CHOICES, "recipe": {"epochs": 4, "learning_rate": 0.01}},
    ],
    ids=[
        "tpe and halving",
        "hyperband",
        "forecast",
        "cmaes and median",
        "qmc",
        "gp",
        "auto",
        "grid",
        "few recipes",
    ],
)
def test_wherever_its_journal_ends_a_search_comes_to_the_same_end(tmp_path: Path, changes: Any) -> None:
    shorter = {"budget": {"trials": examples(8, 12)}, "sampler": {"name": "tpe", "n_startup_trials": 4}}
    given = _plan(**{**shorter, **changes})
    whole = folder("whole", tmp_path)
    carry_on(whole, given)
    expected = outcome(whole)
    assert len(expected) == (4 if "grid" in str(changes) else given.budget.trials)
    content = whole.journal.read_bytes()
    for cut in _cuts(content):
        run = RunFolder.named("cut", tmp_path)
        run.path.mkdir(exist_ok=True)
        run.plan.write_text(given.to_toml())
        run.journal.write_bytes(content[:cut])
        repair(run.journal)
        carry_on(run, given)
        assert outcome(run) == expected, f"after {cut} bytes"
        steps = [
            (line["trial_id"], line["step"])
            for line in map(json.loads, run.journal.read_text().splitlines())
            if "intermediate_value" in line
        ]
        assert len(steps) == len(set(steps))
        run.journal.unlink()


def test_a_recipe_that_was_trained_before_is_answered_from_the_record(tmp_path: Path) -> None:
    run = folder("few", tmp_path)
    given = _plan(space=CHOICES, recipe={"epochs": 4, "learning_rate": 0.01}, pruner={"name": "none"})
    asked: list[Suggestion | SettledTrial] = []
    study = carry_on(run, given, seen=asked.append)
    sweep = Sweep.read(run.path)
    trained = [trial for trial in sweep.trials if trial.same_as is None]
    repeated = [trial for trial in sweep.trials if trial.same_as is not None]
    assert len(trained) == 4 == sum(isinstance(one, Suggestion) for one in asked)
    assert len(repeated) == 8
    for trial in repeated:
        first = sweep.trials[trial.same_as or 0]
        assert (trial.recipe, trial.state, trial.score) == (first.recipe, first.state, first.score)
        assert first.same_as is None
    assert study.epochs == 4 * 4
    assert {trial.number for trial in sweep.ranked()} == {trial.number for trial in trained}


def test_a_search_by_time_alone_ends_when_its_space_has_nothing_new(tmp_path: Path) -> None:
    run = folder("endless", tmp_path)
    given = _plan(space=CHOICES, recipe={"epochs": 1, "learning_rate": 0.01}, budget={"wall_time": "1h"})
    study = carry_on(run, given)
    assert "nothing new" in str(study.exhausted())
    assert len(Sweep.read(run.path).trials) >= REPEATS
    assert "nothing new" in str(SearchStudy(run, given).exhausted())


def test_a_trial_in_progress_is_no_answer(tmp_path: Path) -> None:
    run = folder("two", tmp_path)
    given = _plan(space={"schedule": {"choices": ["constant"]}}, recipe={"epochs": 2, "learning_rate": 0.01})
    study = SearchStudy(run, given)
    first, second = study.ask(), study.ask()
    assert isinstance(first, Suggestion) and isinstance(second, Suggestion)
    train(study, first)
    assert isinstance(study.ask(), SettledTrial)
    assert train(study, second) is State.COMPLETE


def test_each_worker_of_a_trial_is_on_record_once_with_its_start_and_first_epoch(tmp_path: Path) -> None:
    run = folder("placed", tmp_path)
    given = _plan(pruner={"name": "none"}, budget={"trials": 1})
    run.plan.write_text(given.to_toml())
    for until in (2, None):
        study = SearchStudy(run, given)
        study.begin_session({})
        question = study.ask()
        assert isinstance(question, Suggestion)
        train(study, question, until=until)
    (trial,) = Sweep.read(run.path).trials
    assert [(each.worker, each.session, each.epoch) for each in trial.placements] == [
        ("here:1", 0, 0),
        ("here:1", 1, 2),
    ]
    assert trial.started is not None and trial.ended is not None
    first, second = (each.since for each in trial.placements)
    assert trial.started - timedelta(milliseconds=1) <= first < second <= trial.ended
    assert trial.worker == "here:1"


def test_a_placement_is_dated_from_when_what_it_tells_first_was_begun(tmp_path: Path) -> None:
    run = folder("dated", tmp_path)
    study = SearchStudy(run, _plan(pruner={"name": "none"}))
    question = study.ask()
    assert isinstance(question, Suggestion)
    now = datetime.now(UTC)
    study.record(question.number, Epoch(1, {study.plan.objective.name: 0.5}, 60.0), "here:1")
    (placed,) = Sweep.read(run.path).trials[0].placements
    assert 55 < (now - placed.since).total_seconds() <= 60.001


def test_the_journal_grows_by_a_line_for_a_draw_and_little_for_an_epoch(tmp_path: Path) -> None:
    run = folder("lines", tmp_path)
    study = SearchStudy(run, _plan(pruner={"name": "none"}))
    before = len(run.journal.read_text().splitlines())
    question = study.ask()
    assert isinstance(question, Suggestion)
    assert len(run.journal.read_text().splitlines()) == before + 1
    size = run.journal.stat().st_size
    train(study, question, until=2)
    assert run.journal.stat().st_size - size < 2 * 400


def test_a_sampler_without_memory_ends_in_a_sentence_and_the_run_continues_with_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greedy(optuna.samplers.RandomSampler):
        def sample_independent(self, *arguments: Any) -> Any:
            raise MemoryError("Unable to allocate 16.0 GiB")

    run, given = folder("small", tmp_path), _plan(budget={"trials": 3})
    carry_on(run, given)
    longer = _plan(budget={"trials": 6})
    with monkeypatch.context() as patch:
        patch.setattr("search.sampling.samplers.build", lambda *arguments: Greedy())
        with pytest.raises(SamplerOutOfMemory) as raised:
            SearchStudy(run, longer).ask()
    assert "tpe" in raised.value.message and "trial 3" in raised.value.message
    assert "16.0 GiB" in raised.value.message
    assert raised.value.advice is not None
    assert raised.value.advice.endswith(f"benchsweep extend {run.reference} --set sampler.name=tpe")
    carry_on(run, _plan(budget={"trials": 6}, sampler={"name": "random"}))
    assert len(outcome(run)) == 6


def test_a_share_of_the_trials_that_would_be_stopped_is_trained_to_its_end(tmp_path: Path) -> None:
    table = {"sampler": {"name": "random"}, "budget": {"trials": 60}}
    pruner = {"name": "successive_halving", "reduction_factor": 2}
    carry_on(folder("all", tmp_path), _plan(**table, pruner=pruner))
    run = folder("audited", tmp_path)
    carry_on(run, _plan(**table, pruner={**pruner, "audit": 0.3}))
    stopped, audited = [], []
    for trial in Sweep.read(run.path).trials:
        if trial.audited is not None:
            assert trial.state is State.COMPLETE and trial.audited < 4
            audited.append(trial)
        elif trial.state is State.PRUNED:
            stopped.append(trial)
    assert 0.15 < len(audited) / (len(audited) + len(stopped)) < 0.5
    assert all(trial.audited is None for trial in Sweep.read(tmp_path / "all").trials)


def test_an_audited_trial_is_not_judged_again_after_a_resume(tmp_path: Path) -> None:
    run = folder("audited", tmp_path)
    given = _plan(
        sampler={"name": "random"},
        budget={"trials": 30},
        pruner={"name": "successive_halving", "reduction_factor": 2, "audit": 0.5},
    )
    carry_on(run, given)
    expected = outcome(run)
    content = run.journal.read_bytes()
    at = content.index(b'"audited"')
    for end in (content.index(b"\n", at) + 1, content.rindex(b"\n", 0, at) + 1):
        run.journal.write_bytes(content[:end])
        repair(run.journal)
        carry_on(run, given)
        assert outcome(run) == expected
