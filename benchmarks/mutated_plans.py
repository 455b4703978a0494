"""Checks that every damaged plan is a plan or a `PlanError`, and within a second.

    uv run python benchmarks/mutated_plans.py --plans 20000 --seconds 600

Takes the plans of configs/, and changes their bytes, their values, their keys and their structure at random;
some get options of `--set` as well. A plan that is accepted is written, read again and compared. Ends with
exit code 1 if anything else than a PlanError was raised, if a check took longer than a second, or if the time
to check a large plan grows faster than its size.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import random
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w

from search.plan.plan import Plan, PlanError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.toml"))
LIMIT = 1.0
"""Maximum time of one check, in seconds."""
VALUES: list[Any] = [
    *(0, 1, -1, 2**31, 2**53 + 1, 2**63, 10**299, 10**400, int("f" * 4000, 16)),
    *(0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", "x", "tpe", "asha", "1h", "15", "a" * 10_000, "\x00", "é\u202e", "../x", "s3://u:p@h/x"),
    *(True, False, [], {}, [[]], [1, "a"], [[1, 2], [1, 2]], {"name": "grid"}, {"low": 1, "high": 0}),
    *({"choices": [1, True]}, {"low": 0.0, "high": 1.0, "step": 1e-300}, {"choices": []}),
    *({"low": 1e-300, "high": 1e300, "log": True}, {"choices": list(range(2000))}),
    *(datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1), datetime.time(1)),
]
BYTES = [
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b'"',
    b"'",
    b"\n",
    b"#",
    b"\xff",
    b"\x00",
    b"0x",
    b"9" * 4400,
    b"a." * 99,
]
KEYS = [
    "name",
    "when",
    "low",
    "high",
    "choices",
    "step",
    "log",
    "opt.lr",
    "",
    "é",
    "wrapped",
    "epochs",
    "seed",
    "x" * 999,
]


def changed_bytes(content: bytes, random: random.Random) -> bytes:
    """The content with a few bytes removed, repeated, moved or replaced."""
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(content) + 1)
        end = min(start + random.choice([0, 1, 1, 2, 8, 60]), len(content))
        part = random.choice([b"", content[start:end] * 2, random.choice(BYTES), random.randbytes(1)])
        content = content[:start] + part + content[end:]
    return content


def copied(value: Any) -> Any:
    """A copy of a value; 1 in place of tables that an earlier change nested too deep for Python to copy."""
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return 1


def changed_structure(table: dict[str, Any], random: random.Random) -> None:
    """Changes a few values, keys or tables in place."""
    for _ in range(random.randint(1, 4)):
        parents = [table]
        for parent in parents:
            parents += [value for value in parent.values() if isinstance(value, dict) and value]
        parent = random.choice(parents)
        key = random.choice([*parent, *KEYS[:1]])
        kind = random.randrange(6)
        if kind == 0:
            parent.pop(key, None)
        elif kind == 1:
            parent[random.choice(KEYS)] = parent.pop(key, 1)
        elif kind == 2:
            parent[random.choice([*KEYS, *table])] = copied(random.choice([*table.values(), *VALUES]))
        elif kind == 3:
            parent[key] = (
                {"a": parent.get(key, 1)} if random.random() < 0.9 else nested(random.randint(2, 900))
            )
        elif kind == 4:
            parent[key] = [parent.get(key, 1)] * random.randint(1, 3)
        else:
            parent[key] = copied(random.choice(VALUES))


def nested(depth: int) -> Any:
    """Tables in tables."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def changed_options(table: dict[str, Any], random: random.Random) -> list[str]:
    """Options of `--set`, mostly of keys that the plan has."""
    options = []
    for _ in range(random.choice([0, 0, 1, 2])):
        path = [random.choice([*table, *Plan.model_fields])]
        inner = table.get(path[0])
        while isinstance(inner, dict) and inner and random.random() < 0.8:
            path.append(random.choice([*inner, "x"]))
            inner = inner.get(path[-1])
        value = random.choice(
            ["", "7593", "0x" + "f" * 4000, "[" * 5000, "a=b", "1.5", "\udcff", "tpe", "{", "{}"]
        )
        key = ".".join(path) if random.random() < 0.9 else ".".join(["a"] * random.choice([40, 3000]))
        options.append(random.choice([f"{key}={value}", f'"{key}"={value}', f"{key}.={value}", key]))
    return options


def check(parse: Callable[[], Plan]) -> str:
    """ "plan" or "fault". Raises AssertionError if the plan is another one when it is read again."""
    try:
        plan = parse()
    except PlanError as error:
        assert error.faults and all(len(fault) < 4000 for fault in error.faults)
        return "fault"
    again = Plan.parse(tomllib.loads(plan.to_toml()), "again")
    assert again.to_table() == plan.to_table()
    return "plan"


def mutated(number: int, folder: Path) -> Callable[[], Plan]:
    """The parse of the mutated plan of this number."""
    drawn = random.Random(number)
    source = drawn.choice(CONFIGS)
    table = tomllib.loads(source.read_text())
    options = changed_options(table, drawn)
    if drawn.random() < 0.5:
        path = folder / f"{source.stem}.toml"
        path.write_bytes(changed_bytes(source.read_bytes(), drawn))
        return lambda: Plan.read(path, options)
    changed_structure(table, drawn)
    if drawn.random() < 0.5:
        table.setdefault("name", source.stem)
        return lambda: Plan.parse(table, "table", options)
    path = folder / f"{source.stem}.toml"
    try:
        path.write_text(tomli_w.dumps(table), encoding="utf-8", errors="surrogatepass")
    except (ValueError, RecursionError):  # the writer's own limits
        return lambda: Plan.parse({"name": "x", **table}, "table", options)
    return lambda: Plan.read(path, options)


LARGE: dict[str, Callable[[int], dict[str, Any]]] = {
    "choices": lambda n: {"space": {"seed": {"choices": list(range(n))}}},
    "lists": lambda n: {"space": {"hidden_sizes": {"choices": [[k + 1] for k in range(n)]}}},
    "refused": lambda n: {"space": {"seed": {"choices": [f"x{k}" for k in range(n)]}}},
    "conditions": lambda n: {
        "space": {
            "seed": {"choices": list(range(n))},
            "dropout": {"low": 0.0, "high": 0.5, "when": {"seed": list(range(n))}},
        }
    },
    "unknown keys": lambda n: {"recipe": {f"learning_rat_{k}": 1 for k in range(n)}},
}


def seconds(table: dict[str, Any]) -> float:
    """Time to check a plan."""
    began = time.perf_counter()
    check(lambda: Plan.parse({"name": "large", **table}, "large"))
    return time.perf_counter() - began


def growth() -> bool:
    """Whether every large plan is checked in about 10 times the time of one of a tenth of its size."""
    linear = True
    for kind, table in LARGE.items():
        small, large = (min(seconds(table(size)) for _ in range(3)) for size in (1000, 10_000))
        linear &= large < 25 * small + 0.1
        print(f"{kind}: 1,000 in {small:.2f} s, 10,000 in {large:.2f} s, {large / small:.1f} times")
    return linear


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plans", type=int, default=20_000, help="number of mutated plans")
    parser.add_argument("--first", type=int, default=0, help="number of the first one, which is its seed")
    parser.add_argument("--seconds", type=float, default=600, help="maximum time")
    arguments = parser.parse_args()
    results: Counter[str] = Counter()
    slowest, began = 0.0, time.perf_counter()
    Plan.read(CONFIGS[0])  # imports the trainable
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.first, arguments.first + arguments.plans):
            if time.perf_counter() - began > arguments.seconds:
                break
            parse = mutated(number, Path(folder))
            started = time.process_time()
            try:
                results[check(parse)] += 1
            except Exception:
                results["error"] += 1
                print(f"plan {number}:\n{traceback.format_exc(limit=-4)}", flush=True)
            spent = time.process_time() - started
            slowest = max(slowest, spent)
            if spent > LIMIT:
                results["slow"] += 1
                print(f"plan {number}: {spent:.1f} s", flush=True)
    print(
        f"{results['plan']} plans, {results['fault']} faults, {results['error']} other errors, "
        f"{results['slow']} over {LIMIT:g} s, slowest {slowest:.2f} s"
    )
    return 0 if growth() and not results["error"] and not results["slow"] else 1


if __name__ == "__main__":
    sys.exit(main())
