"""A class with defaults: searched, continued to the bit, confirmed, saved and reported."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from searches import NOWHERE, search

from reports.analysis.benchmarks import read_benchmarks
from reports.exports.model_card import model_card
from reports.page.report import Report, as_markdown, html
from search.cluster.access import Site
from search.confirm import confirming
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import State, Sweep
from search.rehearsal.rehearse import rehearse
from search.test_set import open_test_set
from trainable.live_state import LiveState
from trainable.storage.checkpoint import Checkpoint

DIGITS = """
import torch
from torch import nn
from sklearn.datasets import load_digits
from trainable import TorchTraining

class Digits(TorchTraining):
    def build(self):
        x, y = load_digits(return_X_y=True)
        self.x, self.y = torch.tensor(x[:800] / 16).float(), torch.tensor(y[:800])
        self.model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.recipe["lr"])

    def epoch(self):
        self.model.train()
        for batch in torch.randperm(600).split(100):
            loss = nn.functional.cross_entropy(self.model(self.x[batch]), self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.model.eval()
        return {"accuracy": (self.model(self.x[600:]).argmax(1) == self.y[600:]).float().mean().item()}
"""
TEST = """
    def test(self):
        return {"accuracy": (self.model(self.x[700:]).argmax(1) == self.y[700:]).float().mean()}
"""
_numbers = itertools.count()
Given = Callable[..., Plan]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """The plan of a class `Digits` with this code."""

    def plan(code: str, **changes: Any) -> Plan:
        name = f"class_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        table = {
            "name": "classed",
            "trainable": f"{name}:Digits",
            "metric": {"name": "accuracy", "direction": "maximize", "unit": "share"},
            "budget": {"trials": 3},
            "recipe": {"epochs": 3},
            "space": {"lr": {"low": 1e-3, "high": 1e-1, "log": True}},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 1, "seeds": 2},
            **changes,
        }
        return Plan.parse(table, "classed.toml", folder=tmp_path)

    return plan


def confirmed(run: RunFolder, plan: Plan) -> Sweep:
    search(run, plan)
    with confirming(run, NOWHERE, Site(local=True)) as race:
        list(race)
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    return Sweep.read(run.path)


def test_without_a_test_split_the_winner_is_chosen_and_reported_on_validation(
    given: Given, tmp_path: Path
) -> None:
    sweep = confirmed(RunFolder.named("classed", tmp_path), given(DIGITS))
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3
    assert not sweep.plan.has_test_split and not sweep.openings
    assert {trial.parameters for trial in sweep.trials} == {64 * 32 + 32 + 320 + 10}
    assert len({trial.weights_sha256 for trial in sweep.trials}) == 3
    assert load_file(sweep.run.path / "model.safetensors")["0.weight"].shape == (32, 64)
    opened = Report.of(sweep, read_benchmarks()).openings_sentence
    assert "no test split: the winner is chosen and reported on validation" in opened


def test_a_method_test_is_called_for_the_confirmed_winner(given: Given, tmp_path: Path) -> None:
    plan = given(DIGITS + TEST)
    assert plan.confirmation.test is True
    sweep = confirmed(RunFolder.named("classed", tmp_path), plan)
    (opening,) = sweep.openings
    report = Report.of(sweep, read_benchmarks())
    text, page = as_markdown(report), html(report, "cdn")
    assert "MNIST" not in text and "Leaderboard" not in text and "on the test split" in text
    assert 'href="#leaderboard"' not in page and 'id="leaderboard"' not in page
    assert "MNIST" not in model_card(sweep) and "mnist_model" not in model_card(sweep)
    assert all(0.3 < look.evaluation.metrics["accuracy"] <= 1 for look in opening.looks)


def test_what_was_stored_continues_to_the_bit(given: Given) -> None:
    plan = given(DIGITS)
    steps = list(rehearse(plan, plan.default_recipe, NOWHERE))
    assert [step.message for step in steps if step.outcome == "failed"] == []
    (found,) = [step for step in steps if step.member == "Training.load_state_dict"]
    assert found.message == "continues to the bit as without the interruption"


EVERYTHING = """
import copy, random
import numpy as np, torch
from torch import nn
from trainable import TorchTraining

class Average:
    def __init__(self, model):
        self.weights = [p.detach().clone() for p in model.parameters()]
    def update(self, model):
        for mean, p in zip(self.weights, model.parameters()):
            mean.mul_(0.9).add_(p.detach(), alpha=0.1)

class Digits(TorchTraining):
    def build(self):
        self.nets = {"one": nn.Linear(4, 4), "two": nn.Linear(4, 1)}
        self.raw = torch.zeros(1, requires_grad=True)
        parameters = [self.raw, *(p for net in self.nets.values() for p in net.parameters())]
        self.optimizers = [torch.optim.SGD(parameters, lr=0.05, momentum=0.9), torch.optim.Adam(parameters)]
        self.schedulers = (torch.optim.lr_scheduler.OneCycleLR(self.optimizers[0], 0.1, total_steps=10),)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizers[1], patience=0)
        self.average = Average(self.nets["one"])
        self.numpy, self.python = np.random.default_rng(3), random.Random(4)
        self.torch = torch.Generator().manual_seed(5)
        self.history, self.counts, self.best = [], {0: "zero"}, float("inf")
        self.fortran = np.asfortranarray(np.zeros((3, 2), dtype="complex64"))
        self.lambda_ = lambda x: x

    def epoch(self):
        x = torch.randn(16, 4, generator=self.torch) + torch.randn(4) * np.random.rand()
        loss = (self.nets["two"](self.nets["one"](x)) + self.raw - self.python.random()).square().mean()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.schedulers[0].step()
        self.plateau.step(loss.item())
        self.average.update(self.nets["one"])
        self.fortran += self.numpy.normal()
        self.history.append(loss.item())
        self.best = min(self.best, self.history[-1])
        self.counts[len(self.history)] = "more"
        total = sum(w.sum().item() for w in self.average.weights) + self.fortran.real.sum()
        return {"accuracy": loss.item(), "all": total + sum(self.history) + self.best + len(self.counts)}
"""


def test_state_of_every_kind_is_found_and_restored(given: Given) -> None:
    plan = given(EVERYTHING)
    make = plan.trainable_module.Training
    whole, first, second = (make(plan.default_recipe, None, "cpu", 1) for _ in range(3))
    undisturbed = [epoch.metrics for epoch in whole]
    epochs = iter(first)
    before = [next(epochs).metrics]
    content = Checkpoint(first.state_dict(), ()).to_bytes()
    second.load_state_dict(Checkpoint.parse(content, "test").state)
    assert before + [epoch.metrics for epoch in second] == undisturbed
    assert second.weights_sha256 == whole.weights_sha256


def test_data_that_does_not_change_is_not_stored() -> None:
    class Owner:
        def __init__(self) -> None:
            self.data, self.changed = torch.ones(10_000), np.ones(10_000)
            self.pair = (np.ones(10_000), torch.ones(10_000))
            self.small = torch.ones(2)

    owner = Owner()
    state = LiveState(owner)
    assert set(state.stored()) == {"small"}
    owner.changed[0] = 2
    owner.pair[1].add_(1)
    stored = state.stored()
    assert set(stored) == {"small", "changed", "pair"}
    again = Owner()
    LiveState(again).restore(stored)
    assert again.changed[0] == 2 and again.pair[1][0] == 2 and again.pair[0][0] == 1


EMPTY = "from trainable import TorchTraining\nclass Digits(TorchTraining):\n"


@pytest.mark.parametrize(
    ("code", "changes", "words"),
    [
        (EMPTY + "    def epoch(self): ...", {}, "def build(self)"),
        (EMPTY + "    def build(self): ...", {}, "def epoch(self)"),
        ("class Digits: pass", {}, "from trainable import TorchTraining"),
        (DIGITS + "\n    def __init__(self): pass", {}, "rename it to def build(self)"),
        (DIGITS + "\n    test = 3", {}, "write def test(self)"),
        (DIGITS, {"confirmation": {"test": True}}, "has no test split, but got true"),
    ],
)  # fmt: skip
def test_a_class_that_cannot_be_trained_is_told_what_to_write(
    given: Given, code: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words.replace("(", r"\(").replace(")", r"\)")):
        given(code, **changes)


def test_a_metric_that_is_missing_is_told_by_the_trial(given: Given, tmp_path: Path) -> None:
    run = RunFolder.named("classed", tmp_path)
    search(run, given(DIGITS.replace('{"accuracy"', '{"acc"')))
    assert "return its metrics by name, among them 'accuracy'" in str(Sweep.read(run.path).trials[0].error)


MODULE = """
from typing import ClassVar
from pydantic import BaseModel
from trainable import Epoch, Metric
METRIC = Metric("loss", "minimize")
class Recipe(BaseModel, frozen=True):
    x: float = 0.5
    epochs: int = 1
    seed: int = 0
class Source(BaseModel, frozen=True):
    load_test: ClassVar[None] = None
    def load(self, folder): return None
class Training:
    def __init__(self, recipe, data, device, threads): self.recipe, self.done = recipe, False
    def __iter__(self):
        if not self.done:
            self.done = True
            yield Epoch(1, {"loss": self.recipe.x}, 0.0)
    def state_dict(self): return {"done": self.done}
    def load_state_dict(self, state): self.done = state["done"]
    def evaluate(self, test): raise AssertionError("there is none")
    def save(self, folder): return []
"""


def test_a_module_may_say_that_it_has_no_test_split(tmp_path: Path) -> None:
    (tmp_path / "untested.py").write_text(MODULE)
    table = {
        "name": "untested",
        "trainable": "untested",
        "budget": {"trials": 2},
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "confirmation": {"candidates": 1, "seeds": 2},
    }
    plan = Plan.parse(table, "untested.toml", folder=tmp_path)
    assert plan.confirmation.test is False
    assert Plan.parse(plan.to_table(), "recorded", folder=tmp_path) == plan
    sweep = confirmed(RunFolder.named("untested", tmp_path / "runs"), plan)
    assert not sweep.plan.has_test_split and not sweep.openings
    assert sweep.confirmation is not None and sweep.confirmation.decided
