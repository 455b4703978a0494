"""Any pydantic model is a recipe and a source, or is refused in a sentence."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)
from pydantic.alias_generators import to_camel

from search.plan.plan import Plan, PlanError
from trainable.contract import Metric
from trainable.record import from_record, to_record


class Activation(Enum):
    """An enum of strings."""

    RELU = "relu"
    GELU = "gelu"


class Precision(IntEnum):
    """An enum of whole numbers."""

    HALF = 16
    FULL = 32


class Inner(BaseModel):
    """A model in a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(0.1, alias="innerRate")
    names: frozenset[str] = frozenset({"b", "a"})
    limit: int | None = None

    @computed_field
    def twice(self) -> float:
        """Not part of a record."""
        return 2 * self.rate


@dataclass(frozen=True)
class Pair:
    """A dataclass in a model."""

    names: frozenset[str]
    size: int = 1


class Base(BaseModel):
    """What every recipe has."""

    epochs: int = 2
    seed: int = 0
    rate: float = Field(0.5, alias="learningRate")

    @computed_field
    def steps(self) -> int:
        """Not part of a record."""
        return 100 * self.epochs


WORDS = st.text("abcxyz .-_é", max_size=4)
KINDS: list[tuple[Any, st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
    # annotation, defaults, values as a plan writes them
    (int, st.integers(-9, 9), st.integers(-9, 9)),
    (float, st.floats(-9, 9), st.floats(-9, 9)),
    (bool, st.booleans(), st.booleans()),
    (str, WORDS, WORDS),
    (set[str], st.sets(WORDS, max_size=4), st.lists(WORDS, max_size=4)),
    (frozenset[int], st.frozensets(st.integers(), max_size=4), st.lists(st.integers(), max_size=4)),
    (
        frozenset[tuple[str, int]],
        st.frozensets(st.tuples(WORDS, st.integers(0, 9)), max_size=4),
        st.lists(st.tuples(WORDS, st.integers(0, 9)).map(list), max_size=3),
    ),
    (
        frozenset[int | str],
        st.frozensets(WORDS | st.integers(), max_size=4),
        st.lists(WORDS | st.integers(), max_size=3),
    ),
    (frozenset[Activation], st.just(frozenset(Activation)), st.just(["gelu", "relu"])),
    (tuple[int, ...], st.tuples(st.integers(0, 9)), st.lists(st.integers(0, 9), max_size=3)),
    (tuple[int, str], st.tuples(st.integers(0, 9), WORDS), st.tuples(st.integers(0, 9), WORDS).map(list)),
    (Activation, st.sampled_from(Activation), st.sampled_from(["relu", "gelu"])),
    (Precision, st.sampled_from(Precision), st.sampled_from([16, 32])),
    (Literal["a", 1, True], st.sampled_from(["a", 1]), st.sampled_from(["a", 1])),
    (int | None, st.none() | st.integers(0, 9), st.integers(0, 9)),
    (date, st.dates(), st.dates()),
    (datetime, st.datetimes(), st.datetimes()),
    (timedelta, st.timedeltas(timedelta(0), timedelta(9)), st.just("PT1H")),
    (Path, st.just(Path("a/b")), st.just("c/d")),
    (Decimal, st.decimals(-9, 9, places=2), st.just("1.50")),
    (uuid.UUID, st.uuids(), st.uuids().map(str)),
    (dict[str, int], st.dictionaries(WORDS, st.integers(0, 9), max_size=2), st.just({"a b": 1})),
    (dict[str, set[str]], st.just({"x": {"p", "q", "r"}}), st.just({"x": ["q", "p"]})),
    (list[Inner], st.just([Inner()]), st.just([{"rate": 0.25}, {"limit": 3}])),
    (Inner, st.just(Inner()), st.just({"rate": 0.25, "names": ["z", "y"]})),
    (Inner | None, st.none(), st.just({"rate": 0.25})),
    (Pair, st.just(Pair(frozenset("cab"))), st.just({"names": ["n", "m"], "size": 2})),
    (list[Any], st.just([1, "a"]), st.just([1, "a", 0.5])),
]
ALIASES: list[dict[str, Any]] = [
    {},
    {"alias": "anAlias"},
    {"validation_alias": "fromThis"},
    {"validation_alias": AliasChoices("first", AliasPath("deep", 0))},
    {"serialization_alias": "toThis"},
]


def offer(name: str, recipe: type[BaseModel], source: type[BaseModel] | None = None) -> None:
    """Makes a trainable with these models importable."""
    module = ModuleType(name)

    class Empty(BaseModel):
        """No settings of data."""

    class Given(source or Empty):  # type: ignore[misc, valid-type]
        """The source, with the methods of one."""

        def load(self, folder: Path) -> Any:
            """Never called."""

        def load_test(self, folder: Path) -> Any:
            """Never called."""

    parts = {"Recipe": recipe, "METRIC": Metric("loss", "minimize"), "Source": Given, "Training": object}
    vars(module).update(parts)
    sys.modules[name] = module


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    sys.modules.pop("offered", None)


def parsed(model: type[BaseModel], **tables: Any) -> Plan:
    offer("offered", model)
    return Plan.parse({"name": "any", "trainable": "offered", **tables}, "any.toml")


def faults_of(model: type[BaseModel], **tables: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as raised:
        parsed(model, **tables)
    return raised.value.faults


@st.composite
def models(draw: st.DrawFn) -> tuple[type[BaseModel], dict[str, Any]]:
    """A model, and a table of some of its fields."""
    fields: dict[str, Any] = {}
    table: dict[str, Any] = {}
    for index in range(draw(st.integers(1, 4))):
        annotation, defaults, values = draw(st.sampled_from(KINDS))
        alias = {
            kind: f"{value}{index}" if isinstance(value, str) else value
            for kind, value in draw(st.sampled_from(ALIASES)).items()
        }
        fields[f"field_{index}"] = (annotation, Field(draw(defaults), **alias))
        if draw(st.booleans()):
            table[f"field_{index}"] = draw(values)

    class Drawn(Base):
        """Its configuration is that of its fields."""

        model_config = ConfigDict(
            frozen=draw(st.booleans()),
            strict=draw(st.booleans()),
            extra=draw(st.sampled_from(["forbid", "ignore", "allow"])),
            alias_generator=draw(st.sampled_from([None, to_camel])),
            serialize_by_alias=draw(st.booleans()),
            use_enum_values=draw(st.booleans()),
        )

    return create_model("Drawn", __base__=Drawn, **fields), table


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(models())
def test_the_plan_of_any_model_is_read_recorded_and_read_again_to_the_same_table(drawn):
    model, table = drawn
    offer("offered", model, model)
    space = {"rate": {"low": 0.1, "high": 0.9}}
    written = {"name": "any", "trainable": "offered", "recipe": table, "data": table, "space": space}
    plan = Plan.parse(written, "any.toml")
    again = Plan.parse(tomllib.loads(plan.to_toml()), "again.toml")
    assert again.to_table() == plan.to_table() == Plan.parse(written, "any.toml").to_table()
    recipe = plan.recipe_for({"rate": 0.25})
    record = plan.recorded_recipe({"rate": 0.25})
    assert recipe.rate == record["rate"] == 0.25
    assert record.keys() == model.model_fields.keys()
    assert from_record(model, json.loads(json.dumps(record))) == recipe
    assert to_record(from_record(model, record)) == record
    assert plan.source.model_dump() == again.source.model_dump()


def test_a_set_is_recorded_in_the_same_order_by_every_process():
    code = (
        "from pydantic import BaseModel; from trainable.record import to_record\n"
        "class R(BaseModel):\n"
        "    tags: frozenset[str] = frozenset({'a', 'b', 'c', 'd', 'e'})\n"
        "    sizes: set[int] = {10, 9, 8}\n"
        "    groups: frozenset[frozenset[str]] = frozenset({frozenset('xyz'), frozenset('pqr')})\n"
        "print(to_record(R()))"
    )
    records = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    ]
    groups = [["p", "q", "r"], ["x", "y", "z"]]
    expected = {"tags": ["a", "b", "c", "d", "e"], "sizes": [8, 9, 10], "groups": groups}
    assert records == [f"{expected}\n"] * 2


def test_an_alias_in_a_plan_is_a_fault_that_names_the_field():
    faults = faults_of(Base, recipe={"learningRate": 0.1}, space={"learningRate": {"low": 0.1, "high": 0.9}})
    rule = "must be called rate, the name of its field, of which learningRate is an alias"
    assert faults == (
        f"any.toml [recipe] learningRate: {rule}",
        f"any.toml [space] learningRate: {rule}",
    )


class Doubling(Base):
    """Not the same after it was read again."""

    size: int = 4

    @field_validator("size")
    @classmethod
    def _double(cls, value: int) -> int:
        return 2 * value


class Changing(Base):
    """Has another default each time."""

    run: uuid.UUID = Field(default_factory=uuid.uuid4)


class Infinite(Base):
    """Has a default that JSON lacks."""

    clip: float = math.inf


class Holes(Base):
    """Has a list that TOML lacks."""

    sizes: list[int | None] = [1, None]


class Invalid(Base):
    """Has a default that its own type refuses."""

    size: int = "many"  # type: ignore[assignment]


class Written(Base):
    """Is recorded as something that it does not read."""

    size: int = 4

    @field_serializer("size")
    def _words(self, value: int) -> str:
        return f"{value} units"


class Failing(Base):
    """Cannot be recorded."""

    size: int = 4

    @field_serializer("size")
    def _raises(self, value: int) -> str:
        raise ArithmeticError("no")


class Opaque(Base):
    """Has a value without a JSON value."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    module: ModuleType = json


class NoEpochs(Base):
    """Has no number of epochs."""

    epochs: int | None = None  # type: ignore[assignment]


class ZeroEpochs(Base):
    """Trains nothing."""

    epochs: int = 0


class Excluded(Base):
    """Would lose a field."""

    size: int = Field(4, exclude=True)


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        (Doubling, "[recipe] size: must be the same after it was recorded and read again, but 4 became 8"),
        (Changing, "[recipe] run: must be the same each time the plan is read, but "),
        (Infinite, "[recipe] clip: must be finite to be recorded, but got inf"),
        (Holes, "[recipe] sizes: must not have None in a list, which TOML cannot hold, but got [1, null]"),
        (Invalid, "[recipe] size: must be valid after it was recorded and read again, but then: must be a "),
        (Written, "[recipe] size: must be valid after it was recorded and read again, but then: must be a "),
        (Failing, "[recipe]: cannot be recorded: "),
        (Opaque, "[recipe]: cannot be recorded: "),
        (NoEpochs, "[recipe] epochs: must be a whole number, but got null"),
        (ZeroEpochs, "[recipe] epochs: must be at least 1, but got 0"),
        (Excluded, "trainable: each field of offered.Recipe must be recorded, but size is excluded"),
        (RootModel[dict[str, int]], "trainable: offered.Recipe must be a pydantic model with named fields"),
    ],
)
def test_a_model_that_a_record_would_not_give_back_is_refused_in_a_sentence(recipe, fault):
    faults = faults_of(recipe)
    assert len(faults) == 1 and faults[0].startswith(f"any.toml {fault}")


def test_a_searched_number_of_epochs_is_whole_and_at_least_one():
    class Loose(Base):
        epochs: int | str = 2  # type: ignore[assignment]

    assert faults_of(Loose, space={"epochs": {"low": 0, "high": 3}}) == (
        "any.toml [space] epochs: must be at least 1, but got 0",
    )
    assert faults_of(Loose, space={"epochs": {"choices": [1, "many"]}}) == (
        'any.toml [space] epochs: must be a whole number, but got "many"',
    )
