"""The plan of a search: a TOML file, with all faults reported at once and all defaults written back."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from search.plan import known, own, pruner, sampler
from search.plan.budget import Budget, ConfirmationSettings, Resources
from search.plan.cluster_table import ClusterTable
from search.plan.constraints import Constraints
from search.plan.declared import MetricTable, confirmation_for, declaration, opens_test_split
from search.plan.fault import Fault, KeyPath, shown, unknown, validated, validated_record
from search.plan.limits import DEEP, LONG, MAX_BYTES, MAX_NAME, has_deep_key, limit_faults
from search.plan.naming import NAME
from search.plan.optuna_script import script_of, script_table
from search.plan.override import Override, as_text, overridden, with_origins
from search.plan.pruner import Forecast, Median, OwnPruner, Pruner, parse_pruner
from search.plan.recorded import REQUIRED_NUMBERS, recorded, unfit, without_none
from search.plan.sampler import Auto, Grid, OwnSampler, Sampler, Tpe, parse_sampler
from search.plan.setting import ChoiceSetting
from search.plan.space import Space
from search.plan.table import Table
from trainable.contract import (
    DataSource,
    Direction,
    Metric,
    NotATrainable,
    RecipeModel,
    Take,
    Trainable,
    attribute_of,
    load_trainable,
    place_of,
)
from trainable.errors import InputError
from trainable.forms import trainable_of
from trainable.function import UndeclaredMetric
from trainable.record import from_record, to_record
from trainable.storage.remote import url_error

T = TypeVar("T")


class PlanError(InputError):
    """A plan that cannot be used."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        """All things to change, one sentence each, with the file or the override, the table, the key, the
        rule and the value."""

    @classmethod
    def of(cls, faults: Sequence[Fault], origin: str) -> PlanError:
        """The error of these faults, without duplicates. origin: the file."""
        return cls(list(dict.fromkeys(fault.sentence(origin, TABLES) for fault in faults)))


def _folder_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(
            "must be 1 to 100 letters, digits, dots, dashes or underscores and start with a letter or "
            f"digit, but got {shown(name)}"
        )
    return name


def _storage(url: str | None) -> str | None:
    if url is not None and (rule := url_error(url)) is not None:
        # A URL with an @ may contain a password.
        raise ValueError(f"{rule}, but got {shown(url)}" if "@" not in url else rule)
    return url


class Plan(Table):
    """The plan of a search. `read` and `parse` check it against its trainable and spell out every default, so
    that a recorded plan keeps its meaning when a default changes."""

    model_config = ConfigDict(title="A benchsweep plan")

    name: Annotated[str, AfterValidator(_folder_name)] = Field(
        json_schema_extra={"pattern": f"^{NAME.pattern}$"}
    )
    """Name of the run and its folder; the file's name if left out."""
    trainable: str = "trainable.mlp"
    """Python module of the model to train, or a function: "mine:train"."""
    storage: Annotated[str | None, AfterValidator(_storage)] = None
    """Where checkpoints are stored: s3://bucket/folder, or another URL that pyarrow or fsspec supports; in
    the run's folder if left out. Credentials come from the environment."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the sampler; a recipe has its own."""
    order: Literal["fast", "strict"] = "fast"
    """fast: a trial is chosen, and judged by the pruner, by all that is known at that moment. strict: by the
    trials up to `window` before it alone, and it starts when these have ended. So the trials are the same
    however many run at once, and whatever was killed. A trial that the pruner stopped is not continued."""
    window: int = Field(default=8, ge=1)
    """With order strict: how many trials before a trial the last one is that it may depend on. At most this
    many run at once."""
    budget: Budget = Budget()
    """Limits of the search, which ends at the first one it reaches."""
    data: dict[str, Any] = Field(default={})
    """The data set: fields of the trainable's Source."""
    recipe: dict[str, Any] = Field(default={})
    """Fixed hyperparameters: fields of the trainable's Recipe that are the same in every trial."""
    metric: MetricTable | None = None
    """What the search optimizes, for a trainable that is a function. A module says it itself, in METRIC, and
    only `take` may be changed here."""
    space: Space = Field(default_factory=lambda: Space({}))
    """Hyperparameters to search, by name."""
    constraints: Constraints = Constraints()
    """What a trial must keep to be chosen: bounds of metrics, and rules between hyperparameters."""
    first: list[dict[str, Any]] = Field(default=[])
    """Recipes to train before any that the sampler chooses, as [[first]] tables: values of hyperparameters of
    the space. Those that are left out have their value in the default recipe."""
    sampler: Sampler = Auto()
    """How the hyperparameters of the next trial are chosen."""
    pruner: Pruner = Forecast()
    """When a trial is stopped early."""
    resources: Resources = Resources()
    """Resources of each trial."""
    confirmation: ConfirmationSettings = ConfirmationSettings()
    """How the best trials are confirmed after the search."""
    cluster: ClusterTable = ClusterTable()
    """Machines for which `benchsweep cluster` writes a file."""
    _folder: Path | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever their files lie."""
        return isinstance(other, Plan) and self.__dict__ == other.__dict__

    @property
    def folder(self) -> Path | None:
        """The folder in which its trainable's module is looked for first: that of its file, or the one that
        the run recorded; None if it is unknown."""
        return self._folder

    @classmethod
    def read(cls, path: Path | str, overrides: Sequence[str | Override] = ()) -> Plan:
        """The plan of a TOML file, or of an Optuna script, as in "cnn.py:objective", after changes such as
        "space.dropout.high=0.4".

        The value of a change is TOML, otherwise a string; "space.gamma=" deletes the key. Raises PlanError.
        """
        table = _read_script(*script) if (script := script_of(str(path))) else _read_toml(Path(path))
        table.setdefault("name", Path(path).stem)
        return cls.parse(table, str(path), overrides, Path(path).absolute().parent)

    @classmethod
    def parse(
        cls,
        table: Mapping[str, Any],
        origin: str,
        overrides: Sequence[str | Override] = (),
        folder: Path | None = None,
    ) -> Plan:
        """The plan of a table. origin: the name of its file, for the faults. folder: where its trainable's
        module is looked for first; None for the current folder. Raises PlanError."""
        if too_large := limit_faults(table):
            raise PlanError.of(too_large, origin)
        changed, changes, faults = overridden(table, overrides)
        if too_large := limit_faults(changed):
            raise PlanError.of(faults + with_origins(too_large, changes), origin)
        plan, own = _parsed(changed, folder)
        texts = as_text(changes, own)
        if texts != changes:
            refused = _parsed(overridden(table, texts)[0], folder)[1]
            changes = [
                change if any(text.touches(fault) for fault in refused) else text
                for text, change in zip(texts, changes, strict=True)
            ]
            plan, own = _parsed(overridden(table, changes)[0], folder)
        faults += with_origins(own, changes)
        if faults or plan is None:
            raise PlanError.of(faults, origin)
        return plan

    @classmethod
    def read_unfitted(cls, path: Path) -> Plan:
        """The plan of a TOML file as far as it can be checked without importing its trainable: data, recipe
        and space are as written. Raises PlanError."""
        table = _read_toml(path)
        table.setdefault("name", path.stem)
        parser = PlanParser(table)
        plan = parser.plan(fitted=False)
        if parser.faults or plan is None:
            raise PlanError.of(parser.faults, str(path))
        return plan

    @property
    def trainable_module(self) -> Trainable:
        """The imported trainable. Raises NotATrainable if it cannot be imported any more."""
        return trainable_of(self.trainable, declaration(self.recipe, self.space, self.metric), self.folder)

    @property
    def code(self) -> str | None:
        """The folder from which the trainable's module is imported; None for one that is installed."""
        place = place_of(self.trainable, self.folder)
        return None if place is None else str(place)

    @property
    def home(self) -> str | None:
        """The folder from which a module of the user's is imported: the trainable's, or else that of the
        sampler or the pruner; None if all are installed."""
        places = (own.own_place(named, self.folder) for named in (self.sampler.name, self.pruner.name))
        return self.code or next((str(place) for place in places if place is not None), None)

    @property
    def defined_by_run(self) -> bool:
        """Whether the trainable is an objective of Optuna, whose space is what it asks for while it runs."""
        return hasattr(self.trainable_module, "draws")

    @property
    def has_test_split(self) -> bool:
        """Whether its winners are evaluated on a test split."""
        return opens_test_split(self.confirmation, self.trainable)

    @property
    def declared_metric(self) -> tuple[str, Direction, str, Take] | None:
        """Name, direction, unit and `take` of the metric for workers, if the trainable does not say so."""
        if self.metric is None:
            return None
        metric = self.objective
        return metric.name, metric.direction, metric.unit, metric.take

    @property
    def objective(self) -> Metric:
        """The metric that the search optimizes."""
        metric = self.trainable_module.METRIC
        return metric if self.metric is None else self.metric.applied(metric)

    @property
    def source(self) -> DataSource:
        """The data set."""
        return cast(DataSource, from_record(self.trainable_module.Source, self.data))

    @property
    def default_recipe(self) -> RecipeModel:
        """The recipe without a sampler: fixed hyperparameters and defaults."""
        return self.recipe_for({})

    def recipe_for(self, sampled: Mapping[str, Any]) -> RecipeModel:
        """The recipe with the values of `space.suggest`.

        Raises ValueError (pydantic's) if the recipe rejects the combination of values.
        """
        return cast(RecipeModel, self._recipe(sampled))

    def recorded_recipe(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe with the values of `space.suggest`, as a record holds it. Raises ValueError."""
        return to_record(self._recipe(sampled))

    def _recipe(self, sampled: Mapping[str, Any]) -> BaseModel:
        recipe = from_record(self.trainable_module.Recipe, {**self.recipe, **sampled})
        if sampled and self.constraints.rules:  # the default recipe is no suggestion
            self.constraints.check_rules(to_record(recipe))
        return recipe

    def pinned_otherwise(self, recipe: Mapping[str, Any]) -> list[str]:
        """Names of fixed hyperparameters that have another value in this recipe (its fields as plain
        values)."""
        return [name for name, value in self.recipe.items() if recipe.get(name) != value]

    def sampled_for(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What `space.suggest` would have to return for a known recipe with these values of hyperparameters;
        those left out have the default recipe's. Raises NotInSpace."""
        return known.sampled_for(values, self.space, self.recorded_recipe)

    def faults_of_known(self, values: Mapping[str, Any], path: KeyPath = ()) -> list[Fault]:
        """The reasons why this plan cannot train such a recipe. path: where it is written."""
        if isinstance(self.sampler, Grid):
            return [Fault(path, "a grid tries every recipe, in an order of its own; use another sampler")]
        return known.faults_of(values, self.space, self.recorded_recipe, path)

    @property
    def max_epochs(self) -> int:
        """Maximum number of epochs of a trial."""
        fixed, setting = self.default_recipe.epochs, self.space.settings.get("epochs")
        if setting is None:
            return fixed
        searched = max(setting.choices) if isinstance(setting, ChoiceSetting) else setting.high
        return max(int(searched), fixed) if setting.when else int(searched)

    @property
    def max_trials(self) -> int | None:
        """The most trials that the budget or a grid allows; None if unlimited."""
        return sampler.max_trials(self.budget, self.sampler, self.space)

    def check_searchable(self, origin: str | None = None) -> None:
        """Raise PlanError unless there are hyperparameters to search and a limit that ends the search."""
        faults = []
        if not self.space.settings and not self.defined_by_run:
            rule = "must contain at least one hyperparameter, as in dropout = { low = 0.0, high = 0.4 }"
            faults.append(Fault(("space",), rule))
        if not self.budget.limited and sampler.grid_size(self.sampler, self.space) is None:
            faults.append(Fault(("budget",), "must set trials, wall_time, epochs or patience, but sets none"))
        if faults:
            raise PlanError.of(faults, origin or f"plan {self.name}")

    def notes(self) -> list[str]:
        """Limitations of sampler and pruner with this plan, one sentence each."""
        return sampler.notes(self.sampler, self.space) + pruner.notes(self.pruner)

    def to_table(self) -> dict[str, Any]:
        """The table with all defaults, without None, which TOML does not have, and without an empty
        [cluster], [constraints] or [[first]], and without order and window where the order is fast, and
        together where it is 1, as plans were recorded before there were these keys."""
        excluded: dict[str, Any] = {"cluster": True} if self.cluster == ClusterTable() else {}
        if not self.first:
            excluded["first"] = True
        if not self.constraints:
            excluded["constraints"] = True
        if self.order == "fast":
            excluded |= {"order": True, "window": True}
        if self.resources.together == 1:
            excluded["resources"] = {"together"}
        return dict(without_none(self.model_dump(mode="json", exclude=excluded)))

    @property
    def recorded(self) -> Plan:
        """The plan as a run records it: without [cluster], which does not affect the search, and would show
        the names of machines and users to the readers of a report."""
        return self.model_copy(update={"cluster": ClusterTable()})

    def to_toml(self) -> str:
        """The plan as a TOML document; the inverse of `read`."""
        return tomli_w.dumps(self.to_table())


def _is_table(annotation: Any) -> bool:
    members = _members(annotation)
    return all(
        get_origin(member) is dict or (isinstance(member, type) and issubclass(member, Table | Space))
        for member in members
        if member is not NoneType
    )


def _members(annotation: Any) -> list[Any]:
    """The members of a union, and of those in it."""
    if get_origin(annotation) in (Union, UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return _members(get_args(annotation)[0]) if get_origin(annotation) is Annotated else [annotation]


TABLES = frozenset(name for name, field in Plan.model_fields.items() if _is_table(field.annotation))
"""Keys of a plan that hold tables."""


def _parsed(table: Mapping[str, Any], folder: Path | None) -> tuple[Plan | None, list[Fault]]:
    parser = PlanParser(table, folder)
    return parser.plan(), parser.faults


class PlanParser:
    """Parses every table of a plan by itself, so that no fault hides another."""

    def __init__(self, table: Mapping[str, Any], folder: Path | None = None) -> None:
        self.table = table
        self.folder = folder
        """Where the trainable's module is looked for first; None for the current folder."""
        self.faults = unknown(table, Plan, (), "key of a plan")
        """Faults so far."""

    def plan(self, *, fitted: bool = True) -> Plan | None:
        """The plan, or None if there are faults. fitted: whether to import the trainable, check data, recipe
        and space against it, and spell out their defaults; otherwise they are as written."""
        scalars = {
            key: self.table[key] for key in Plan.model_fields if key in self.table and key not in TABLES
        }
        tables: dict[str, Any] = {
            name: self._keep(validated(model, self._part(name), (name,))) for name, model in _MODELS.items()
        }
        tables["sampler"] = self._keep(parse_sampler(self._part("sampler")))
        tables["pruner"] = self._keep(parse_pruner(self._part("pruner")))
        if "metric" in self.table:
            tables["metric"] = self._keep(validated(MetricTable, self._part("metric"), ("metric",)))
        tables |= self._fitted(tables.get("metric"), tables["confirmation"]) if fitted else self._unfitted()
        # Tables with faults are left out here, so that the faults of the scalars are found too.
        valid = {key: value for key, value in tables.items() if value is not None}
        plan = self._keep(validated(Plan, {**scalars, **valid}, ()))
        if plan is None or self.faults:
            return None
        plan._folder = self.folder
        self.faults += sampler.check(plan.sampler, plan.space)
        if fitted:
            self.faults += pruner.check(plan.pruner, plan.max_epochs)
            self.faults += plan.constraints.faults(plan.recorded_recipe({}))
            if isinstance(plan.sampler, Grid) and plan.constraints.rules:
                rule = "must be left out, since a grid tries every recipe; use another sampler"
                self.faults.append(Fault(("constraints", "rules"), rule))
            if isinstance(plan.sampler, OwnSampler):
                self.faults += own.faults(plan.sampler, plan.sampler.name, "sampler", self.folder)
            if isinstance(plan.pruner, OwnPruner):
                self.faults += own.faults(plan.pruner, plan.pruner.name, "pruner", self.folder)
            for index, values in enumerate(plan.first):
                self.faults += plan.faults_of_known(values, ("first", str(index)))
        return plan

    @property
    def _name(self) -> Any:
        """What names the trainable, which may be anything."""
        return self.table.get("trainable", Plan.model_fields["trainable"].default)

    def _part(self, name: str) -> Any:
        return self.table.get(name, {})

    def _keep(self, result: tuple[T | None, list[Fault]]) -> T | None:
        self.faults += result[1]
        return result[0]

    def _fitted(
        self, metric: MetricTable | None, confirmation: ConfirmationSettings | None
    ) -> dict[str, Any]:
        """metric, data, recipe, space and confirmation, checked against the trainable; empty if one has a
        fault."""
        module = self._module(metric)
        if module is None:
            self.faults += Space.parse(self._part("space"))[1]
            return {}
        source = self._keep(_model(module.Source, self._part("data"), "data", "key"))
        recipe = self._keep(_model(module.Recipe, self._part("recipe"), "recipe", "hyperparameter"))
        space = self._space(module)
        self.faults += self._objective_faults(module)
        if source is None or recipe is None or space is None:
            return {}
        data = self._keep(recorded(source, self._part("data"), "data"))
        fixed = self._keep(recorded(recipe, self._part("recipe"), "recipe", space.names))
        if data is None or fixed is None:
            return {}
        self.faults += [
            Fault(("recipe", name), needed)
            for name in REQUIRED_NUMBERS
            if (needed := unfit(name, fixed[name])) is not None
        ]
        kept = space.given({name: value for name, value in fixed.items() if name not in space.names})
        if confirmation is not None:
            confirmation, faults = confirmation_for(confirmation, module, self._name)
            self.faults += faults
        defaults: dict[str, Any] = {}
        if hasattr(module, "draws"):  # Optuna's own, for a script that is run as it is
            defaults = {"sampler": Tpe(), "pruner": Median()}
            defaults = {name: value for name, value in defaults.items() if name not in self.table}
        return {
            **defaults,
            "confirmation": confirmation,
            "metric": self._metric(module, metric),
            "data": without_none(data),
            "recipe": without_none({key: fixed[key] for key in fixed if key not in kept.names}),
            "space": kept,
        }

    def _metric(self, module: Trainable, metric: MetricTable | None) -> MetricTable | None:
        """The [metric] table, spelled out; None if the module says the same itself."""
        applied = module.METRIC if metric is None else metric.applied(module.METRIC)
        says_itself = attribute_of(self._name) is None and applied == module.METRIC
        return None if says_itself else MetricTable.of(applied, None if metric is None else metric.take)

    def _objective_faults(self, module: Trainable) -> list[Fault]:
        """Faults of a plan whose trainable is an objective."""
        if not hasattr(module, "draws"):
            return []
        faults = []
        if self._part("space"):
            rule = (
                "must be left out: the suggest_* calls of an objective make its space; fix values in [recipe]"
            )
            faults.append(Fault(("space",), rule))
        constraints = self._part("constraints")
        if isinstance(constraints, dict) and constraints.get("rules"):
            rule = "must be left out: an objective's hyperparameters are known only while it runs"
            faults.append(Fault(("constraints", "rules"), rule))
        name = self._part("sampler").get("name") if isinstance(self._part("sampler"), dict) else None
        if name not in (None, "tpe", "random") and ":" not in str(name):
            rule = (
                f"must be tpe, random or a class of your own, which need not know the space of an objective, "
                f"but got {shown(name)}"
            )
            faults.append(Fault(("sampler", "name"), rule))
        return faults

    def _unfitted(self) -> dict[str, Any]:
        """data, recipe and space as they are written, without those that are no tables."""
        space, faults = Space.parse(self._part("space"))
        self.faults += faults
        written = {name: self._part(name) for name in ("data", "recipe")}
        return {**written, "space": None if faults else space}

    def _module(self, metric: MetricTable | None) -> Trainable | None:
        name = self._name
        if not isinstance(name, str):
            return None  # reported with the faults of the other scalars
        if len(name) > MAX_NAME:
            rule = f"must be a module's name of at most {MAX_NAME} characters, but got {shown(name)}"
            self.faults.append(Fault(("trainable",), rule))
            return None
        space = Space.parse(self._part("space"))[0]
        try:
            module = trainable_of(name, declaration(self._part("recipe"), space, metric), self.folder)
            self.faults += [] if metric is None else metric.contradictions(module.METRIC, name)
            return module
        except UndeclaredMetric as error:
            if "metric" not in self.table:  # else its own faults are told
                self.faults.append(Fault(("metric",), str(error)))
            return None
        except (NotATrainable, AttributeError) as error:  # the latter if its Recipe is not a pydantic model
            self.faults.append(Fault(("trainable",), str(error)))
            return None

    def _space(self, module: Trainable) -> Space | None:
        written, base = self._part("space"), self._part("recipe")
        if isinstance(written, dict):
            # A misspelt name is reported once, and its value is not checked.
            self.faults += unknown(written, module.Recipe, ("space",), "hyperparameter")
            written = {name: entry for name, entry in written.items() if name in module.Recipe.model_fields}
        space, faults = Space.parse(written)
        faults += space.check(module.Recipe, base if isinstance(base, dict) else {})
        self.faults += faults
        return None if faults else space


_MODELS: Mapping[str, type[Table]] = {
    name: field.annotation
    for name, field in Plan.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
}
"""The tables of a plan that are always of the same model."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of a plan file, for editors. It includes the fields of `trainable.mlp`, the default
    trainable, for recipe, data and space."""
    module = load_trainable("trainable.mlp")
    schema = Plan.model_json_schema()
    schema["required"] = []
    properties: dict[str, Any] = {"space": {"propertyNames": {"enum": list(module.Recipe.model_fields)}}}
    for name, model in (("recipe", module.Recipe), ("data", module.Source)):
        part = model.model_json_schema(ref_template="#/$defs/{model}")
        schema.setdefault("$defs", {}).update(part.pop("$defs", {}))
        schema["$defs"][name] = part
        properties[name] = {"$ref": f"#/$defs/{name}"}
    schema["if"] = {"properties": {"trainable": {"const": "trainable.mlp"}}}
    schema["then"] = {"properties": properties}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_unwrapped(schema)}


def _unwrapped(schema: Any) -> Any:
    """The schema with each description on one line, however its docstring is wrapped."""
    if isinstance(schema, dict):
        return {
            key: " ".join(value.split())
            if key == "description" and isinstance(value, str)
            else _unwrapped(value)
            for key, value in schema.items()
        }
    return [_unwrapped(item) for item in schema] if isinstance(schema, list) else schema


def _read_toml(path: Path) -> dict[str, Any]:
    """The table of the file. Raises PlanError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            text = content.decode()
            if not has_deep_key(text):
                return tomllib.loads(text)
            fault = DEEP
        else:
            fault = f"must have at most {MAX_BYTES} bytes, but has more"
    except FileNotFoundError:
        fault = "no such file; the plans of benchsweep are in configs/"
    except IsADirectoryError:
        fault = "must be a TOML file, but is a folder; name a file in it"
    except UnicodeDecodeError as error:
        fault = f"must be UTF-8 text, but byte {error.start} is not; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        fault = f"must be valid TOML: {error}"
    except RecursionError:
        fault = DEEP
    except ValueError as error:  # Python converts no text of more than 4,300 digits
        fault = LONG if "digits" in str(error) else f"must be valid TOML: {error}"
    except OSError as error:
        fault = f"cannot be read: {error}; make sure that it is a TOML file that you may read"
    raise PlanError([f"{path}: {fault}"])


def _read_script(file: Path, function: str) -> dict[str, Any]:
    """The table of an Optuna script. Raises PlanError."""
    try:
        return script_table(file, function)
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
    except (ValueError, SyntaxError) as error:
        fault = f"must be a Python file: {error}"
    raise PlanError([f"{file}: {fault}"])


def _model(
    model: type[BaseModel], table: object, name: str, what: str
) -> tuple[BaseModel | None, list[Fault]]:
    """`table` as a model of the trainable. An unknown key is a fault even if the model would ignore it."""
    value, faults = validated_record(model, table, (name,), what)
    if value is not None and isinstance(table, dict) and model.model_config.get("extra") != "allow":
        faults = unknown(table, model, (name,), what)
    return value, faults
