"""The plan of a search: one TOML file, read, checked as a whole, and written back in full."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search.plan import pruner, sampler
from search.plan.budget import Budget, Confirming, Resources
from search.plan.cluster_table import ClusterTable
from search.plan.fault import Fault, shown, unknown, validated
from search.plan.naming import NAME
from search.plan.override import Override, blamed, overridden
from search.plan.pruner import Nothing, Pruner, parse_pruner
from search.plan.sampler import Sampler, Tpe, parse_sampler
from search.plan.setting import ChoiceSetting
from search.plan.space import Space
from trainable.contract import DataSource, Metric, NotATrainable, RecipeModel, Trainable, load_trainable
from trainable.errors import InputError
from trainable.storage.remote import fault_of

T = TypeVar("T")


class PlanError(InputError):
    """A plan that cannot be used. faults: each thing to change, as a sentence that names the file
    or the override, the table, the key, the rule and the value. All of them at once."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def _folder_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(
            "must be 1 to 100 letters, digits, dots, dashes or underscores and start with a letter or "
            f"digit, but got {shown(name)}"
        )
    return name


def _storage(url: str | None) -> str | None:
    if url is not None and (rule := fault_of(url)) is not None:
        raise ValueError(f"{rule}, but got {shown(url)}" if "@" not in url else rule)
    return url


class Plan(BaseModel):
    """What a search does. Made by `read` or `parse`, which check it against its trainable and
    spell out every default, so that a plan means the same whatever defaults become.

    name: of the run. trainable: the module that is searched. seed: of the sampler.
    data: its Source's fields. recipe: its Recipe's fields that the space leaves alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="A benchsweep plan")

    name: Annotated[str, AfterValidator(_folder_name)] = Field(
        description="Of the run and its folder; the file's name when left out.",
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )
    trainable: str = Field(default="trainable.mlp", description="The Python module that is searched.")
    storage: Annotated[str | None, AfterValidator(_storage)] = Field(
        default=None,
        description="Where checkpoints lie, where that is not the run's folder: s3://bucket/folder, or "
        "another address that pyarrow or fsspec knows. Credentials come from the environment.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of the sampler; a recipe has its own.")
    budget: Budget = Field(default=Budget(), description="When the search ends: whichever comes first.")
    data: dict[str, Any] = Field(default={}, description="What is trained on.")
    recipe: dict[str, Any] = Field(default={}, description="Settings that are the same in every trial.")
    space: Space = Field(
        default_factory=lambda: Space({}), description="Settings that the search chooses, by name."
    )
    sampler: Sampler = Field(default=Tpe(), description="Which recipe is tried next.")
    pruner: Pruner = Field(default=Nothing(), description="When a trial is stopped early.")
    resources: Resources = Field(default=Resources(), description="What a trial is given.")
    confirmation: Confirming = Field(
        default=Confirming(), description="How the best trials are confirmed, once the search is over."
    )
    cluster: ClusterTable = Field(
        default=ClusterTable(), description="Of what machines `benchsweep cluster` makes a cluster."
    )

    @classmethod
    def read(cls, path: Path | str, overrides: Sequence[str | Override] = ()) -> Plan:
        """The plan in a TOML file, with changes such as "space.dropout.high=0.4" made to it.

        An override's value is read as TOML, else as text; "space.gamma=" deletes the key.
        Raises PlanError.
        """
        table = _table(Path(path))
        table.setdefault("name", Path(path).stem)
        return cls.parse(table, str(path), overrides)

    @classmethod
    def parse(cls, table: Mapping[str, Any], origin: str, overrides: Sequence[str | Override] = ()) -> Plan:
        """The same for a table already read; `origin` is what its faults call it. Raises PlanError."""
        changed, changes, faults = overridden(table, overrides)
        draft = _Draft(changed)
        plan = draft.plan()
        faults += blamed(draft.faults, changes)
        if faults or plan is None:
            raise PlanError(list(dict.fromkeys(fault.sentence(origin) for fault in faults)))
        return plan

    @property
    def trainable_module(self) -> Trainable:
        """The module that is searched, imported. Raises NotATrainable if it has gone."""
        return load_trainable(self.trainable)

    @property
    def metric(self) -> Metric:
        """What its trials are judged by."""
        return self.trainable_module.METRIC

    @property
    def source(self) -> DataSource:
        """The trainable's Source: what is trained on."""
        return cast(DataSource, self.trainable_module.Source.model_validate(self.data))

    @property
    def default_recipe(self) -> RecipeModel:
        """The trainable's Recipe, with nothing chosen by a sampler."""
        return self.recipe_for({})

    def recipe_for(self, sampled: Mapping[str, Any]) -> RecipeModel:
        """The trainable's Recipe with what `space.suggest` drew. Raises ValueError (pydantic's) when
        the recipe refuses the combination, each value being acceptable by itself."""
        made = self.trainable_module.Recipe.model_validate({**self.recipe, **sampled})
        return cast(RecipeModel, made)

    def pinned_otherwise(self, recipe: Mapping[str, Any]) -> list[str]:
        """The settings that [recipe] fixes and in which this recipe (plain values) differs."""
        return [name for name, value in self.recipe.items() if recipe.get(name) != value]

    @property
    def max_epochs(self) -> int:
        """The most epochs a trial of this plan may train."""
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
        """Raise PlanError unless there is something to search and something that ends it."""
        faults = []
        if not self.space.settings:
            rule = "must name at least one setting to search, as in dropout = { low = 0.0, high = 0.4 }"
            faults.append(Fault(("space",), rule))
        if not self.budget.limited and sampler.grid_size(self.sampler, self.space) is None:
            faults.append(Fault(("budget",), "must set trials, wall_time or epochs, but sets none"))
        if faults:
            raise PlanError([fault.sentence(origin or f"plan {self.name}") for fault in faults])

    def notes(self) -> list[str]:
        """What a user should know before searching this, a sentence each."""
        return sampler.notes(self.sampler, self.space) + pruner.notes(self.pruner)

    def to_table(self) -> dict[str, Any]:
        """Everything, defaults included; what is None is left out, as TOML has no word for it, and so is
        [cluster] where nothing is said there."""
        left = {"cluster"} if self.cluster == ClusterTable() else set()
        return dict(_without_none(self.model_dump(mode="json", exclude=left)))

    @property
    def recorded(self) -> Plan:
        """The same as a run records it: without [cluster], which says nothing of the search, and names
        machines and users to whoever reads a report."""
        return self.model_copy(update={"cluster": ClusterTable()})

    def to_toml(self) -> str:
        """The same as a TOML document: parsed again, it is this plan."""
        return tomli_w.dumps(self.to_table())


class _Draft:
    """A plan on its way: every table read by itself, so that no fault hides another."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table = table
        self.faults: list[Fault] = []
        known = tuple(Plan.model_fields)
        self.faults += unknown(table, known, (), "part of a plan")

    def plan(self) -> Plan | None:
        """The plan; None when there are faults."""
        plain = {
            key: self.table[key] for key in ("name", "trainable", "seed", "storage") if key in self.table
        }
        fields: dict[str, Any] = {}
        fields["budget"] = self._keep(validated(Budget, self._part("budget"), ("budget",)))
        fields["resources"] = self._keep(validated(Resources, self._part("resources"), ("resources",)))
        confirmation = validated(Confirming, self._part("confirmation"), ("confirmation",))
        fields["confirmation"] = self._keep(confirmation)
        fields["cluster"] = self._keep(validated(ClusterTable, self._part("cluster"), ("cluster",)))
        fields["sampler"] = self._keep(parse_sampler(self._part("sampler")))
        fields["pruner"] = self._keep(parse_pruner(self._part("pruner")))
        fields |= self._fitted()
        # A table with faults, told already, must not hide those of the plain values.
        sound = {key: value for key, value in fields.items() if value is not None}
        plan = self._keep(validated(Plan, {**plain, **sound}, ()))
        if plan is None or self.faults:
            return None
        self.faults += sampler.check(plan.sampler, plan.space)
        self.faults += pruner.check(plan.pruner, plan.max_epochs)
        return plan

    def _part(self, name: str) -> Any:
        return self.table.get(name, {})

    def _keep(self, result: tuple[T | None, list[Fault]]) -> T | None:
        self.faults += result[1]
        return result[0]

    def _fitted(self) -> dict[str, Any]:
        """data, recipe and space, as the trainable takes them; empty when one has a fault."""
        module = self._module()
        if module is None:
            self.faults += Space.parse(self._part("space"))[1]
            return {}
        source = self._keep(_model(module.Source, self._part("data"), "data"))
        recipe = self._keep(_model(module.Recipe, self._part("recipe"), "recipe"))
        space = self._space(module)
        if source is None or recipe is None or space is None:
            return {}
        fixed = recipe.model_dump(mode="json")
        kept = space.given({name: value for name, value in fixed.items() if name not in space.names})
        return {
            "data": _without_none(source.model_dump(mode="json")),
            "recipe": _without_none({key: fixed[key] for key in fixed if key not in kept.names}),
            "space": kept,
        }

    def _module(self) -> Trainable | None:
        name = self.table.get("trainable", Plan.model_fields["trainable"].default)
        if not isinstance(name, str):
            return None  # its fault is told with those of the other plain values
        try:
            return load_trainable(name)
        except (NotATrainable, AttributeError) as error:  # the latter: its Recipe is no pydantic model
            self.faults.append(Fault(("trainable",), str(error)))
            return None

    def _space(self, module: Trainable) -> Space | None:
        written, base = self._part("space"), self._part("recipe")
        if isinstance(written, dict):
            # Of a misspelt name nothing else is worth telling.
            fields = tuple(module.Recipe.model_fields)
            self.faults += unknown(written, fields, ("space",), "setting of a recipe")
            written = {name: entry for name, entry in written.items() if name in fields}
        space, faults = Space.parse(written)
        faults += space.check(module.Recipe, base if isinstance(base, dict) else {})
        self.faults += faults
        return None if faults else space


def json_schema() -> dict[str, Any]:
    """JSON Schema of a plan file, for editors. The recipe, data and space of `trainable.mlp`, the
    trainable of a plan that names none, are spelled out."""
    module = load_trainable("trainable.mlp")
    schema = Plan.model_json_schema()
    schema["required"] = []
    ours: dict[str, Any] = {"space": {"propertyNames": {"enum": list(module.Recipe.model_fields)}}}
    for name, model in (("recipe", module.Recipe), ("data", module.Source)):
        part = model.model_json_schema(ref_template="#/$defs/{model}")
        schema.setdefault("$defs", {}).update(part.pop("$defs", {}))
        schema["$defs"][name] = part
        ours[name] = {"$ref": f"#/$defs/{name}"}
    schema["if"] = {"properties": {"trainable": {"const": "trainable.mlp"}}}
    schema["then"] = {"properties": ours}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _table(path: Path) -> dict[str, Any]:
    """The TOML table in the file, or PlanError with what to do."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        fault = "no such file; the plans that come with benchsweep lie in configs/"
    except IsADirectoryError:
        fault = "must be a TOML file, but is a folder; name the file in it"
    except UnicodeDecodeError as error:
        fault = f"must be UTF-8 text, but byte {error.start} is not; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        fault = f"must be valid TOML: {error}"
    except (OSError, ValueError, RecursionError) as error:
        fault = f"cannot be read: {error}; see that it is a TOML file that you may read"
    raise PlanError([f"{path}: {fault}"])


def _model(model: type[BaseModel], table: object, name: str) -> tuple[BaseModel | None, list[Fault]]:
    """A trainable's own model of a table; a name it does not know is a fault, even where the
    model would let it pass."""
    found, faults = validated(model, table, (name,), f"setting of a {name}")
    if found is not None and isinstance(table, dict) and model.model_config.get("extra") != "allow":
        faults = unknown(table, tuple(model.model_fields), (name,), f"setting of a {name}")
    return found, faults


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
