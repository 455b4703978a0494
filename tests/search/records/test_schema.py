"""The keys of a journal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from searches import LOCAL, NOWHERE, journal_of, plan, search

from search.confirm import confirming
from search.records import schema
from search.records.folder import RunFolder


@given(st.dictionaries(st.integers(0, 20_000), st.integers()), st.text(max_size=5))
def test_a_series_reads_what_it_names_and_nothing_else(written: dict[int, int], other: str) -> None:
    series = schema.Series("plan")
    attributes = {series.key(number): value for number, value in written.items()} | {f"x{other}": -1}
    assert series.read(attributes) == written
    assert list(series.read(attributes)) == sorted(written)


def test_a_run_writes_only_keys_that_the_schema_lists(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    search(run, plan(confirmation={"candidates": 2, "seeds": 2}))
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    values = [value for value in vars(schema).values() if not isinstance(value, type)]
    listed = {value for value in values if isinstance(value, str)}
    listed |= {value.name for value in values if isinstance(value, schema.Series)}
    for folder in (run, run.confirmation):
        lines = journal_of(folder)
        written = {key.partition(":")[0] for line in lines for key in line.get("user_attr", {})}
        assert len(written) > 3
        assert written <= listed


def test_reading_records_leaves_the_environment_as_it_is() -> None:
    """Ray reads its settings from environment variables, which would pass to whatever a reader starts."""
    code = (
        "import os; before = dict(os.environ); import search.records, reports.page.report, search.plan.plan; "
        "import search.start, search.confirm, sys; changed = set(before.items()) ^ set(os.environ.items()); "
        "sys.exit(repr(changed) if changed or 'ray' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
