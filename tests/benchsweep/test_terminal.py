"""What the terminal is given: text, and no control character of a record's."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from sweeps import make_trial, sweep_of

from benchsweep import terminal
from benchsweep.screen.runs_table import runs_table
from benchsweep.screen.tables import print_run, print_trial
from benchsweep.summary import listed_run
from search.records.sweep import State
from trainable.contract import Metric

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil"


def obeyed(text: str) -> set[str]:
    """The control characters in a text, but for line feeds and tabs."""
    return {
        sign
        for sign in text
        if sign not in "\n\t" and (sign < " " or "\x7f" <= sign <= "\x9f" or sign == "\u202e")
    }


@given(st.text())
def test_nothing_but_control_characters_is_replaced(text: str) -> None:
    made = terminal.printable(text)
    assert len(made) == len(text)
    assert not obeyed(made)
    assert all(new in (old, "\ufffd") for old, new in zip(text, made, strict=True))


def test_a_console_prints_no_control_character_whatever_it_is_given() -> None:
    stream = io.StringIO()
    console = terminal.console_on(stream)
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(Text(HOSTILE))
    for part in (HOSTILE, Text(HOSTILE), table):
        console.print(part)
    assert "evil" in stream.getvalue()
    assert not obeyed(stream.getvalue())


def test_a_run_with_escapes_in_every_recorded_text_is_shown_without_them() -> None:
    trial = make_trial(
        0,
        state=State.FAILED,
        recipe={"epochs": 1, "seed": 0, "optimizer": HOSTILE},
        error=HOSTILE,
        notes=(HOSTILE,),
    )
    sweep = sweep_of([trial], name=HOSTILE, metric=Metric(HOSTILE, "maximize", HOSTILE))
    stream = io.StringIO()
    console = terminal.console_on(stream)
    print_run(console, sweep)
    print_trial(console, sweep, trial)
    console.print(runs_table([listed_run(sweep)]))
    assert "evil" in stream.getvalue()
    assert not obeyed(stream.getvalue())


def test_json_is_printed_without_control_characters_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({"name": HOSTILE})
    printed = capsys.readouterr().out
    assert not obeyed(printed)
    assert json.loads(printed) == {"name": HOSTILE}
