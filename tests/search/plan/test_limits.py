"""Plans of any size: each is read in a moment, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.plan.limits import MAX_BYTES, has_deep_key
from search.plan.override import Override
from search.plan.plan import Plan, PlanError

HEXADECIMAL = "0x" + "f" * 4000
DECIMAL = "9" * 5000
DEEP_KEY = ".".join(["a"] * 500)


def faults_of(path: Path, content: str, *overrides: str) -> tuple[str, ...]:
    path.write_text(content)
    with pytest.raises(PlanError) as raised:
        Plan.read(path, overrides)
    assert all(len(fault) < 600 for fault in raised.value.faults)
    return raised.value.faults


@pytest.mark.parametrize("number", [HEXADECIMAL, DECIMAL, "1" + "0" * 300, "-" + DECIMAL])
@pytest.mark.parametrize(
    "line",
    [
        "seed = {}",
        "recipe.seed = {}",
        "recipe.hidden_sizes = [{}]",
        "space.seed = {{ choices = [1, {}] }}",
        "budget.wall_time = {}",
        "name = {}",
        "x = {}",
    ],
)
def test_a_whole_number_has_at_most_300_digits(tmp_path: Path, line: str, number: str):
    faults = faults_of(tmp_path / "p.toml", line.format(number))
    assert len(faults) == 1 and faults[0].endswith("a whole number must have at most 300 digits")


@pytest.mark.parametrize("number", [HEXADECIMAL, "9" * 400])
def test_a_long_number_in_an_override_names_the_override(tmp_path: Path, number: str):
    faults = faults_of(tmp_path / "p.toml", "", f"recipe.seed={number}")
    assert len(faults) == 1 and faults[0].startswith(f"--set recipe.seed={number[:20]}")
    assert faults[0].endswith("... [recipe] seed: a whole number must have at most 300 digits")


@pytest.mark.parametrize(
    "content",
    [
        f"{DEEP_KEY} = 1",
        f"[{DEEP_KEY}]",
        f"x = {{ {DEEP_KEY} = 1 }}",
        "x = " + "[" * 5000 + "]" * 5000,
        "x = " + "{a = " * 5000 + "1" + "}" * 5000,
        "x = " + "[" * 40 + "]" * 40,
        ".".join(["a"] * 100_000) + " = 1",
        ".".join(['"a b"'] * 40) + " = 1",
    ],
)
def test_tables_and_lists_are_at_most_32_levels_deep(tmp_path: Path, content: str):
    faults = faults_of(tmp_path / "p.toml", content)
    assert len(faults) == 1 and faults[0].endswith("tables and lists must be at most 32 levels deep")


def test_an_override_is_at_most_32_levels_deep(tmp_path: Path):
    rule = "tables and lists must be at most 32 levels deep"
    (deep,) = faults_of(tmp_path / "p.toml", "", f"{DEEP_KEY}=1")
    assert deep.startswith("--set a.a.") and deep.endswith(rule)
    (value,) = faults_of(tmp_path / "p.toml", "", f"recipe.x={'[' * 40}{']' * 40}")
    assert value.startswith("--set recipe.x=[[") and value.endswith(rule)
    assert isinstance(Override.parse(f"recipe.x={'[' * 9000}"), Override)


def test_a_long_word_or_number_is_no_deep_key():
    assert not has_deep_key("a" * MAX_BYTES)
    assert not has_deep_key('x = "' + "a." * 10 + '"\n' + "y = 1.5\n" * 100)
    assert has_deep_key(".".join(["a"] * 33))


def test_a_file_has_at_most_a_million_bytes(tmp_path: Path):
    (fault,) = faults_of(tmp_path / "p.toml", "#" * (MAX_BYTES + 1))
    assert fault.endswith(f"must have at most {MAX_BYTES} bytes, but has more")
    with pytest.raises(PlanError, match="bytes"):
        Plan.read(Path("/dev/zero"))


def test_the_name_of_a_trainable_has_at_most_200_characters(tmp_path: Path):
    (fault,) = faults_of(tmp_path / "p.toml", f'trainable = "{"[" * 5000}"')
    assert "trainable: must be a module's name of at most 200 characters, but got" in fault


def test_text_that_is_not_unicode_is_a_fault(tmp_path: Path):
    (fault,) = faults_of(tmp_path / "p.toml", "", "data.dataset=\udcff")
    assert fault.endswith("must be valid Unicode text, but got '\\udcff'")


def _is_plan(table: dict[str, Any]) -> bool:
    try:
        Plan.parse({"name": "large", **table}, "large.toml")
    except PlanError as error:
        assert len(error.faults) <= 51
        return False
    return True


LARGE: dict[str, tuple[Any, bool]] = {
    "choices": (lambda n: {"space": {"seed": {"choices": list(range(n))}}}, True),
    "lists": (lambda n: {"space": {"hidden_sizes": {"choices": [[k + 1] for k in range(n)]}}}, True),
    "refused": (lambda n: {"space": {"seed": {"choices": [f"x{k}" for k in range(n)]}}}, False),
    "conditions": (
        lambda n: {
            "space": {
                "seed": {"choices": list(range(n))},
                "dropout": {"low": 0.0, "high": 0.5, "when": {"seed": list(range(n))}},
            }
        },
        True,
    ),
    "unknown keys": (lambda n: {"recipe": {f"learning_rat_{k}": 1 for k in range(n)}}, False),
    "unknown tables": (lambda n: {f"budge_{k}": 1 for k in range(n)}, False),
    "unknown hyperparameters": (lambda n: {"space": {f"drop_{k}": {"low": 1} for k in range(n)}}, False),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_table_is_a_plan_or_has_few_faults(kind: str):
    table, valid = LARGE[kind]
    assert _is_plan(table(5000)) is valid


def test_conditions_that_meet_again_are_checked_once():
    space: dict[str, Any] = {"a0": {"choices": [0, 1]}, "b0": {"choices": [0, 1]}}
    for level in range(1, 60):
        when = {f"a{level - 1}": 1, f"b{level - 1}": 1}
        space |= {f"{side}{level}": {"choices": [0, 1], "when": when} for side in "ab"}
    assert not _is_plan({"trainable": "no.such.module", "space": space})
