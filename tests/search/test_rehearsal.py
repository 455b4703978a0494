"""What `benchsweep try` finds in a trainable."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from sound_trainable import SOUND

from search.plan.plan import Plan
from search.rehearsal.rehearse import rehearse
from search.rehearsal.step import Step

RESTORED = 'self.epoch, self.weights = state["epoch"], state["weights"]'
"""What load_state_dict of SOUND does."""
FORGETS = (RESTORED, 'self.epoch = state["epoch"]')
_numbers = itertools.count()
Tried = Callable[..., list[Step]]


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    """The steps of trying SOUND, with each text replaced by the next: `tried(old, new, old, new)`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def steps(*changes: str, epochs: int = 5) -> list[Step]:
        plan = Plan.parse(
            {"name": "any", "trainable": written(*changes), "recipe": {"epochs": epochs}}, "any.toml"
        )
        return list(rehearse(plan, plan.default_recipe, tmp_path))  # type: ignore[arg-type]

    def written(*changes: str) -> str:
        code = SOUND
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in code
            code = code.replace(old, new)
        name = f"tried_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return steps


def failures(steps: list[Step]) -> list[tuple[str, str, str | None]]:
    return [(step.member, step.message, step.advice) for step in steps if step.outcome == "failed"]


def test_a_sound_trainable_has_no_fault_and_its_test_split_stays_closed(tried: Tried) -> None:
    steps = tried()
    assert not failures(steps)
    assert [step.member for step in steps if step.outcome == "not tried"] == ["Source.load_test"]
    by_member = {step.member: step.message for step in steps}
    assert by_member["Training.load_state_dict"] == "continues to the bit as without the interruption"
    assert "weights.npy" in by_member["Training.save"]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_sound_trainable_of_few_epochs_has_no_fault(tried: Tried, epochs: int) -> None:
    assert not failures(tried(epochs=epochs))


def test_weights_that_are_not_restored_are_found_by_the_next_epoch_and_by_the_score(tried: Tried) -> None:
    steps = tried(
        'self.epoch, self.weights = state["epoch"], state["weights"]', 'self.epoch = state["epoch"]'
    )
    (restore, evaluate) = failures(steps)
    assert restore[0] == "Training.load_state_dict"
    assert "epoch 2 has loss 1.15 instead of 0.835, and these entries are not restored: weights" in restore[1]
    assert "weights" in str(restore[2])
    assert evaluate[0] == "Training.evaluate"


def test_weights_that_are_not_restored_are_found_where_training_is_random(tried: Tried) -> None:
    randomly = ("loss = ", "self.weights += random.random()\n            loss = ")
    steps = tried(
        *randomly,
        'self.epoch, self.weights = state["epoch"], state["weights"]',
        'self.epoch = state["epoch"]',
    )
    assert failures(steps)[0][0] == "Training.load_state_dict"
    assert "weights" in failures(steps)[0][1]


def test_a_training_that_is_random_has_no_fault_but_a_note(tried: Tried) -> None:
    steps = tried("loss = ", "self.weights += random.random()\n            loss = ")
    assert not failures(steps)
    (note,) = (step.message for step in steps if step.member == "Training.load_state_dict")
    assert "not deterministic" in note


def test_a_side_metric_that_is_a_time_does_not_hide_weights_that_are_not_restored(tried: Tried) -> None:
    timed = ('metrics = {"loss": loss}', 'metrics = {"loss": loss, "speed": random.random()}')
    assert not failures(tried(*timed))
    steps = tried(*timed, *FORGETS)
    assert "has loss" in failures(steps)[0][1]


def test_a_side_metric_that_is_not_finite_is_told_and_no_fault(tried: Tried) -> None:
    steps = tried('metrics = {"loss": loss}', 'metrics = {"loss": loss, "side": float("nan")}')
    assert not failures(steps)
    assert any("missing where it is not finite: side" in step.message for step in steps)


def test_a_training_that_begins_again_when_restored_is_found(tried: Tried) -> None:
    steps = tried(
        'self.epoch, self.weights = state["epoch"], state["weights"]', 'self.weights = state["weights"]'
    )
    assert "restored after epoch 1" in failures(steps)[0][1]
    assert "yielded epoch 1" in failures(steps)[0][1]


def test_all_entries_of_a_state_that_cannot_be_stored_are_told_with_what_can(tried: Tried) -> None:
    steps = tried('{"epoch": self.epoch, "weights"', '{"epoch": {1, 2}, "rng": random.Random(0), "weights"')
    (epoch, rng) = failures(steps)
    assert "its entry 'epoch' is a builtins.set" in epoch[1]
    assert "its entry 'rng' is a random.Random" in rng[1]
    assert "store arrays, tensors, numbers" in str(epoch[2])
    assert {"Training.evaluate", "Training.save"} <= {s.member for s in steps if s.outcome == "passed"}


@pytest.mark.parametrize("member", ["evaluate", "save", "state_dict", "load_state_dict"])
def test_a_member_that_raises_is_named_with_its_line(tried: Tried, member: str) -> None:
    head = next(line for line in SOUND.splitlines() if f"def {member}(self" in line)
    found = failures(tried(head, f"{head}\n        raise KeyError('shape')"))
    assert found
    assert {member for member, _, _ in found} == {f"Training.{member}"}
    assert "raised KeyError: 'shape' (tried_" in found[0][1]
    assert found[0][2]


def test_several_faults_are_told_at_once(tried: Tried) -> None:
    steps = tried(
        "def evaluate(self, test):\n", "def evaluate(self, test):\n        raise KeyError(1)\n",
        "return [path]", "return None",
        "return Data(np", "return lambda: Data(np",
        "data, device, threads):\n        ", "data, device, threads):\n        data = data()\n        ",
        'METRIC = Metric("loss", "minimize")', 'METRIC = Metric("accuracy", "maximize")',
    )  # fmt: skip
    members = [member for member, _, _ in failures(steps)]
    assert members == ["Training.__iter__", "Training.save"]  # Ray sends a lambda, so that is no fault
    assert "'accuracy'" in failures(steps)[0][1]


def test_data_that_cannot_be_pickled_is_told_and_the_rest_is_tried(tried: Tried) -> None:
    steps = tried("return Data(np.arange(8.0), np", "return Data(np.arange(8.0), open('x', 'w')), (np")
    (found,) = [each for each in failures(steps) if each[0] == "Source.load"]
    assert "must be picklable" in found[1]
    assert "return arrays and plain objects" in str(found[2])


def test_data_that_training_writes_to_is_told_as_workers_share_it(tried: Tried) -> None:
    steps = tried("            metrics = {", "            self.data.train[0] = 0\n            metrics = {")
    (found,) = failures(steps)
    assert "read-only" in found[1]
    assert "copy" in str(found[2])


@pytest.mark.parametrize(
    ("yielded", "told", "advice"),
    [
        ('{"loss": loss}', "yielded a dict", "yield Epoch(1, {'loss': "),
        ("loss", "yielded a float", 'yield Epoch(1, {"loss": …}'),
        ("Epoch(self.epoch - 1, metrics, 0.0)", "yielded epoch 0 after 0", "yield Epoch(1, …)"),
        ("Epoch(self.epoch * 2, metrics, 0.0)", "yielded epoch 2 after 0", "yield Epoch(1, …)"),
        ('Epoch(self.epoch, {"loss": None}, 0.0)', "'loss' must be one number, but is None", "float(loss)"),
        ('Epoch(self.epoch, {"loss": "low"}, 0.0)', "must be one number, but is 'low'", "float(loss)"),
        (
            'Epoch(self.epoch, {"loss": np.ones(3)}, 0.0)',
            "must be one number, but is of type ndarray and shape (3,)",
            "float(loss)",
        ),
        (
            'Epoch(self.epoch, {"loss": None, "side": "x"}, 0.0)',
            "'loss' must be one number, but is None; the metric 'side' must be one number, but is 'x'",
            "float(loss)",
        ),
        (
            'Epoch(self.epoch, {"loss": float("nan")}, 0.0)',
            "loss must stay finite, but became nan",
            "leave out a metric",
        ),
        (
            'Epoch(self.epoch, {"cost": loss}, 0.0)',
            "with the metric 'loss' (METRIC), but yielded ['cost']",
            "METRIC",
        ),
    ],
)
def test_an_epoch_with_a_fault_is_told_and_the_rest_is_tried(
    tried: Tried, yielded: str, told: str, advice: str
) -> None:
    steps = tried("yield Epoch(self.epoch, metrics, 0.0)", f"yield {yielded}")
    (found,) = failures(steps)
    assert found[0] == "Training.__iter__"
    assert told in found[1]
    assert advice in str(found[2])
    assert {"Training.evaluate", "Training.save"} <= {s.member for s in steps if s.outcome == "passed"}


def test_a_training_that_raises_before_its_first_epoch_is_one_fault(tried: Tried) -> None:
    steps = tried("loss = float(", "loss = int('x') + float(")
    (found,) = failures(steps)
    assert "invalid literal" in found[1]
    assert "not tried" in {step.outcome for step in steps}


def test_methods_that_are_missing_are_told_with_what_to_write(tried: Tried) -> None:
    steps = tried("def save(", "def keep(", "def evaluate(", "def score(")
    assert [(member, str(advice)[:12]) for member, _, advice in failures(steps)] == [
        ("Training.evaluate", "def evaluate"),
        ("Training.save", "def save(sel"),
    ]


def test_evaluate_is_not_called_where_no_split_but_the_test_split_is_known(tried: Tried) -> None:
    steps = tried("validation: Any", "held_out: Any", "data.validation", "data.held_out")
    assert not failures(steps)
    assert "Training.evaluate" in {step.member for step in steps if step.outcome == "not tried"}
    steps = tried(
        "validation: Any", "held_out: Any", "data.validation", "data.held_out",
        "def evaluate(self, test)", "def evaluate(self, test, device)",
    )  # fmt: skip
    assert failures(steps)[0][0] == "Training.evaluate"


def test_the_built_in_trainable_has_no_fault(tmp_path: Path) -> None:
    plan = Plan.parse({"name": "any", "data": {"dataset": "digits"}, "recipe": {"epochs": 3}}, "any.toml")
    assert not failures(list(rehearse(plan, plan.default_recipe, tmp_path)))  # type: ignore[arg-type]
