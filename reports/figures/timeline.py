"""Timeline: which worker trained which trial when, and how much of their time the workers trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.once import once_per_sweep
from reports.analysis.ranking import trained
from reports.figures.figure import Figure
from reports.figures.style import AMBER, COLOUR, GREY, OF_TRIALS, drawing, plain
from reports.formatting.wording import NOTHING, duration, plural, whole_percent
from search.records.sweep import Placement, State, Sweep, Trial
from trainable.epoch import Epoch

HAIR = 1 / 900
"""Share of the search time left free after a bar, or two trials of one colour would be one."""

UNITS = (("h", 3600.0, 3 * 3600.0), ("min", 60.0, 3 * 60.0), ("s", 1.0, 0.0))
"""Name of a unit of the axis, its seconds, and from how many seconds of search on it is used."""


class Start(NamedTuple):
    """One start of the search that trained, on the clock of search time.

    number: the session's. at: seconds of search before it. seconds: how long it lived. workers: trials
    at once, the most of its life. capacity: seconds in which they could train, all workers together.
    startup: seconds until its first epoch began; all of them where none did. pause: seconds
    between the start before and this one, which are no search time; 0 for the first.
    """

    number: int
    at: float
    seconds: float
    workers: int
    capacity: float
    startup: float
    pause: float


class Bar(NamedTuple):
    """A trial on one worker. worker: "host:pid". lane: its place in `Timeline.lanes`. begin, end: seconds of
    search time. first, last: the epochs trained there, (0, 0) for none. exact: whether its beginning is on
    record; else it is told from its end and its epochs' seconds."""

    number: int
    state: State
    worker: str
    lane: int
    start: int
    begin: float
    end: float
    first: int
    last: int
    exact: bool


class Gap(NamedTuple):
    """A time in which a worker had no trial, between two of its trials. begin: seconds of search time."""

    seconds: float
    begin: float
    worker: str
    after: int
    before: int


class Timeline(NamedTuple):
    """Search time is the time in which a start of the search lived: pauses between two are cut out.

    lanes: "host 1", "host 2", …, hosts in order of name. Workers of a host that did not live at the same
        time, as those of two starts, share a lane. Lanes nobody used, for a worker that never came to a
        trial, are at the end. bars: by number, then in time.
    workers: trials at once, the most of any start. seconds: search time.
    trained: seconds of all epochs on record, by the workers' own clocks. occupied: seconds in which workers
        had a trial, from its first epoch to its end, with checkpoints and reports.
    utilisation: trained / (workers x search time), 0..1. idle: share of the search time, 0..1, in which at
        least one worker had no trial. startup: seconds until a first epoch began, over all starts.
    tail: seconds at the end of the last start in which one of the workers that had trials had none any
        more. gap: the longest between two trials of one worker in one start; None where no worker had two.
    unplaced: trials without a worker on record, which are not drawn. best: the best trial's number.
    """

    lanes: tuple[str, ...]
    starts: tuple[Start, ...]
    bars: tuple[Bar, ...]
    workers: int
    seconds: float
    trained: float
    occupied: float
    utilisation: float
    idle: float
    startup: float
    tail: float
    gap: Gap | None
    unplaced: int
    best: int | None


class _Stay(NamedTuple):
    """A `Bar` on the wall clock, before it has a lane."""

    trial: Trial
    worker: str
    start: int
    begin: datetime
    end: datetime
    first: int
    last: int
    exact: bool


@once_per_sweep
def timeline(sweep: Sweep) -> Timeline | str:
    """The numbers, or why there are none."""
    if not sweep.sessions:
        return "The search has not been started yet, so there is no timeline."
    own = [trial for trial in trained(sweep) if trial.placements or trial.worker is not None]
    clock = _Clock(sweep)
    stays = sorted(
        (stay for trial in own for stay in _stays(trial, clock)), key=lambda stay: (stay.begin, stay.end)
    )
    if not stays:
        return "No worker has told of a trial yet, so there is no timeline."
    stays = _in_turn(stays)
    lanes = _lanes(stays)
    labels = sorted(set(lanes.values()))
    names = [f"{host} {place}" for host, place in labels]
    bars = [
        Bar(
            number=stay.trial.number,
            state=stay.trial.state,
            worker=stay.worker,
            lane=labels.index(lanes[stay.worker]),
            start=clock.sessions[stay.start].number,
            begin=clock.at(stay.begin, stay.start),
            end=clock.at(stay.end, stay.start),
            first=stay.first,
            last=stay.last,
            exact=stay.exact,
        )
        for stay in stays
    ]
    starts = tuple(clock.starts(bars))
    workers = max(start.workers for start in starts)
    names += ["unused"] * (workers - len(names))
    seconds = sum(start.seconds for start in starts)
    capacity = sum(start.capacity for start in starts)
    spent = sum(trial.seconds for trial in trained(sweep))
    best = sweep.best()
    return Timeline(
        lanes=tuple(names),
        starts=starts,
        bars=tuple(sorted(bars, key=lambda bar: (bar.number, bar.begin))),
        workers=workers,
        seconds=seconds,
        trained=spent,
        occupied=sum(bar.end - bar.begin for bar in bars),
        utilisation=min(1.0, spent / capacity) if capacity else 0.0,
        idle=sum(_idle(start, bars) for start in starts) / seconds if seconds else 0.0,
        startup=sum(start.startup for start in starts),
        tail=_tail(starts[-1], bars),
        gap=_gap(bars),
        unplaced=sum(trial.worker is None for trial in trained(sweep)),
        best=best.number if best else None,
    )


class _Clock:
    """From the wall clock to search time."""

    def __init__(self, sweep: Sweep) -> None:
        self.sessions = sweep.sessions
        self.begins = [session.started for session in sweep.sessions]
        # A start that was killed had last told seconds before how long it lived.
        self.ends = [session.started + timedelta(seconds=session.seconds) for session in sweep.sessions]
        for trial in sweep.trials:
            told = [time for time in (trial.started, trial.ended) if time is not None]
            for place, placed in enumerate(trial.placements):
                told.append(_trained_until(placed, _epochs_there(trial, trial.placements, place)))
            for time in told:
                if (start := self.start_of(time)) is not None:
                    self.ends[start] = max(self.ends[start], time)
        self.offsets = [0.0]
        for begin, end in zip(self.begins, self.ends, strict=True):
            self.offsets.append(self.offsets[-1] + (end - begin).total_seconds())

    def start_of(self, time: datetime) -> int | None:
        """Which start lived then, or last before; None before the first."""
        return max((place for place, begin in enumerate(self.begins) if begin <= time), default=None)

    def within(self, time: datetime, start: int) -> datetime:
        """The time, or the end of the start's life that is closest to it."""
        return min(max(time, self.begins[start]), self.ends[start])

    def at(self, time: datetime, start: int) -> float:
        """Seconds of search time."""
        return self.offsets[start] + (self.within(time, start) - self.begins[start]).total_seconds()

    def starts(self, bars: Sequence[Bar]) -> Iterator[Start]:
        """All starts."""
        for place, session in enumerate(self.sessions):
            at, seconds = self.offsets[place], self.offsets[place + 1] - self.offsets[place]
            used = [bar for bar in bars if bar.start == session.number]
            pause = (self.begins[place] - self.ends[place - 1]).total_seconds() if place else 0.0
            known = session.environment.get("workers")
            first = known if isinstance(known, int) else max(1, _at_once(used))
            sizes = [(0.0, first), *((min(since, seconds), each) for since, each in session.sizes)]
            until = [*(since for since, _ in sizes[1:]), seconds]
            yield Start(
                number=session.number,
                at=at,
                seconds=seconds,
                workers=max(each for _, each in sizes),
                capacity=sum(each * (to - since) for (since, each), to in zip(sizes, until, strict=True)),
                startup=min((bar.begin for bar in used), default=at + seconds) - at,
                pause=max(0.0, pause),
            )


def _stays(trial: Trial, clock: _Clock) -> Iterator[_Stay]:
    """What a trial did on each worker. Where a worker told nothing more, as when it was killed, its end is
    told from its epochs' seconds; so is its beginning in runs that did not record it."""
    placements, exact = trial.placements, True
    if not placements:
        placements, exact = _guessed(trial, clock), False
    for place, placed in enumerate(placements):
        start = next((k for k, s in enumerate(clock.sessions) if s.number == placed.session), None)
        if start is None:
            continue
        told = _epochs_there(trial, placements, place)
        end, last = _trained_until(placed, told), place == len(placements) - 1
        if last and trial.ended is not None and clock.start_of(trial.ended) == start:
            end = trial.ended
        elif last and trial.state is State.RUNNING and start == len(clock.sessions) - 1:
            end = clock.ends[start]
        begin = placed.since
        if not told and exact and trial.started is not None:
            begin = trial.started  # it told of its end alone; how long it had been there is not known
        span = told[0].number if told else 0, told[-1].number if told else 0
        inside = clock.within(begin, start), clock.within(max(begin, end), start)
        yield _Stay(trial, placed.worker, start, *inside, *span, exact and bool(told))


def _epochs_there(trial: Trial, placements: Sequence[Placement], place: int) -> list[Epoch]:
    """The epochs that a trial trained at one of its placements."""
    upto = placements[place + 1].epoch if place + 1 < len(placements) else math.inf
    return [epoch for epoch in trial.epochs if placements[place].epoch < epoch.number <= upto]


def _trained_until(placed: Placement, epochs: Sequence[Epoch]) -> datetime:
    return placed.since + timedelta(seconds=sum(epoch.seconds for epoch in epochs))


def _guessed(trial: Trial, clock: _Clock) -> tuple[Placement, ...]:
    """The last worker's part of a trial, told from its end, or its suggestion, and its epochs' seconds."""
    assert trial.worker is not None
    brought = trial.resumed_from[-1] if trial.resumed_from else 0
    seconds = sum(epoch.seconds for epoch in trial.epochs if epoch.number > brought)
    since = trial.started
    if trial.ended is not None and not trial.abandoned:
        since = max(trial.ended - timedelta(seconds=seconds), trial.started or trial.ended)
    if since is None or (start := clock.start_of(since)) is None:
        return ()
    session = clock.sessions[start].number if trial.session is None else trial.session
    return (Placement(trial.worker, session, brought, since),)


def _in_turn(stays: Sequence[_Stay]) -> list[_Stay]:
    """The same, but none begins on a worker before the one before it has ended there: a worker trains one
    trial at a time, and what it tells takes a moment to arrive."""
    free: dict[str, datetime] = {}
    made = []
    for stay in stays:
        begin = max(stay.begin, free.get(stay.worker, stay.begin))
        made.append(stay._replace(begin=begin, end=max(begin, stay.end)))
        free[stay.worker] = made[-1].end
    return made


def _lanes(stays: Sequence[_Stay]) -> dict[str, tuple[str, int]]:
    """Worker -> (host, its lane there, 1 for the first): the first lane whose workers were gone when the
    worker began."""
    lives: dict[str, tuple[datetime, datetime]] = {}
    for stay in stays:
        begin, end = lives.get(stay.worker, (stay.begin, stay.end))
        lives[stay.worker] = min(begin, stay.begin), max(end, stay.end)
    taken: dict[str, list[datetime]] = {}
    found = {}
    for worker, (begin, end) in sorted(lives.items(), key=lambda life: (life[1], life[0])):
        host = _host(worker)
        ends = taken.setdefault(host, [])
        place = next((k for k, gone in enumerate(ends) if gone <= begin), len(ends))
        ends[place : place + 1] = [end]
        found[worker] = host, place + 1
    return found


def _host(worker: str) -> str:
    """The host of "host:pid" without its domain, unless that is all that tells it: an address."""
    host = worker.rpartition(":")[0] or worker
    return host if host.replace(".", "").isdigit() else host.split(".")[0]


def _at_once(bars: Sequence[Bar]) -> int:
    """The most workers that had a trial at the same time."""
    return max((busy for _, _, busy in _busy(bars, 0.0, 0.0)), default=0)


def _busy(bars: Sequence[Bar], begin: float, end: float) -> Iterator[tuple[float, float, int]]:
    """(from, to, workers that had a trial), in order, from `begin` to `end` at least."""
    steps = sorted([(bar.begin, 1) for bar in bars] + [(bar.end, -1) for bar in bars])
    now, busy = begin, 0
    for at, step in steps:
        if at > now:
            yield now, at, busy
            now = at
        busy += step
    if end > now:
        yield now, end, busy


def _idle(start: Start, bars: Sequence[Bar]) -> float:
    """Seconds of a start in which at least one worker had no trial."""
    used = [bar for bar in bars if bar.start == start.number]
    spans = _busy(used, start.at, start.at + start.seconds)
    return sum(to - since for since, to, busy in spans if busy < start.workers)


def _tail(start: Start, bars: Sequence[Bar]) -> float:
    """Seconds at the end of a start in which one of the workers that had trials had none any more."""
    lasts: dict[str, float] = {}
    for bar in bars:
        if bar.start == start.number:
            lasts[bar.worker] = max(lasts.get(bar.worker, bar.end), bar.end)
    if not lasts:
        return 0.0
    return start.at + start.seconds - min(lasts.values())


def _gap(bars: Sequence[Bar]) -> Gap | None:
    last: dict[tuple[str, int], Bar] = {}
    gaps = []
    for bar in sorted(bars, key=lambda bar: bar.begin):
        before = last.get((bar.worker, bar.start))
        if before is not None:
            gaps.append(Gap(bar.begin - before.end, before.end, bar.worker, before.number, bar.number))
        last[bar.worker, bar.start] = bar
    return max(gaps, key=lambda gap: (gap.seconds, -gap.begin), default=None)


def sentence(numbers: Timeline) -> str:
    """How much of their time the workers trained, and where the rest went."""
    starts = len(numbers.starts)
    pauses = f" (pauses between its {starts} starts left out)" if starts > 1 else ""
    told = (
        f"{plural(numbers.workers, 'worker')} trained for {whole_percent(numbers.utilisation)} of the "
        f"{duration(numbers.seconds)} of search{pauses}; {duration(numbers.startup)} passed before the "
        f"first epoch{'s' * (starts > 1)}"
    )
    if numbers.workers > 1:
        told += (
            f" and {duration(numbers.tail)} at the end, once a worker had run out of trials. Some worker had "
            f"no trial for {whole_percent(numbers.idle)} of the time"
        )
    if numbers.gap is not None and numbers.gap.seconds >= 0.05:
        told += f"; the longest gap between two trials of a worker was {duration(numbers.gap.seconds)}"
    said = []
    if guessed := sum(not bar.exact for bar in numbers.bars):
        said.append(f"where {plural(guessed, 'bar')} {'begins' if guessed == 1 else 'begin'} is estimated")
    if numbers.unplaced:
        said.append(f"{plural(numbers.unplaced, 'trial has', 'trials have')} no worker on record")
    note = ", ".join(said)
    return f"{told}. {note[:1].upper()}{note[1:]}." if note else f"{told}."


def draw(numbers: Timeline) -> go.Figure:
    """A lane a worker, a bar a trial; grey ground where a start had no epoch yet, lines at pauses."""
    unit, size = next((name, size) for name, size, since in UNITS if numbers.seconds >= since)
    traces: list[Any] = [
        _bars(numbers, state, size) for state in State if any(bar.state is state for bar in numbers.bars)
    ]
    traces += _pauses(numbers, size)
    traces += _stars(numbers, size)
    lanes = len(numbers.lanes)
    return drawing(
        traces,
        height=150 + max(12, min(30, 600 // lanes)) * lanes,
        barmode="overlay",
        xaxis={
            "title": {"text": f"search time ({unit})"},
            "range": [0, numbers.seconds / size or 1],
            "tickformat": ",~g",
        },
        yaxis={
            "tickvals": [place for place, _ in _labels(numbers)],
            "ticktext": [plain(name, 14) for _, name in _labels(numbers)],
            "range": [lanes - 0.4, -0.6],
            "showgrid": False,
        },
        shapes=[
            {
                "type": "rect",
                "x0": start.at / size,
                "x1": (start.at + start.startup) / size,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"width": 0},
                "fillcolor": "rgba(128,136,148,0.14)",
                "layer": "below",
            }
            for start in numbers.starts
        ],
    )


def _labels(numbers: Timeline) -> list[tuple[int, str]]:
    """(lane, label): every lane's own; where they are too many, of each host its first one's."""
    named = list(enumerate(numbers.lanes))
    if len(named) <= 24:
        return named
    firsts: dict[str, int] = {}
    for place, name in named:
        firsts.setdefault(name.rpartition(" ")[0] or name, place)
    return [(place, host) for host, place in firsts.items()]


def _bars(numbers: Timeline, state: State, size: float) -> go.Bar:
    bars = [bar for bar in numbers.bars if bar.state is state]
    hair = numbers.seconds * HAIR
    return go.Bar(
        base=[bar.begin / size for bar in bars],
        x=[(length - min(hair, length / 4)) / size for length in (bar.end - bar.begin for bar in bars)],
        y=[bar.lane for bar in bars],
        customdata=[_hover(bar) for bar in bars],
        orientation="h",
        width=0.72,
        marker={"color": COLOUR[state], "line": {"width": 0}},
        name=state.lower(),
        meta=OF_TRIALS,
        hovertemplate="trial %{customdata[0]} on %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _hover(bar: Bar) -> list[str]:
    span = f"epochs {bar.first} to {bar.last}, " if bar.last > bar.first else f"epoch {bar.first}, "
    told = f"{span if bar.last else 'no epoch, '}{duration(bar.end - bar.begin)}, after {duration(bar.begin)}"
    return [str(bar.number), plain(bar.worker, 30), told]


def _pauses(numbers: Timeline, size: float) -> list[go.Scatter]:
    """A line where the search was started again."""
    later = numbers.starts[1:]
    if not later:
        return []
    ends = -0.55, len(numbers.lanes) - 0.45
    return [
        go.Scatter(
            x=[x for start in later for x in (start.at / size, start.at / size, None)],
            y=[y for _ in later for y in (*ends, None)],
            customdata=[
                told
                for start in later
                for told in [f"start {start.number}, after a pause of {duration(start.pause)}"] * 2 + [""]
            ],
            mode="lines",
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            name="pause",
            hovertemplate="%{customdata}<extra></extra>",
        )
    ]


def _stars(numbers: Timeline, size: float) -> list[go.Scatter]:
    """The best trial's longest bar."""
    own = [bar for bar in numbers.bars if bar.number == numbers.best]
    if not own:
        return []
    bar = max(own, key=lambda bar: bar.end - bar.begin)
    return [
        go.Scatter(
            x=[(bar.begin + bar.end) / 2 / size],
            y=[bar.lane],
            mode="markers",
            marker={"color": AMBER, "symbol": "star", "size": 14, "line": {"color": "#ffffff", "width": 1}},
            name="best",
            hoverinfo="skip",
        )
    ]


def table(numbers: Timeline) -> pd.DataFrame:
    """A row a lane: its trials, the time they took, and its longest gap."""
    rows = []
    for place, lane in enumerate(numbers.lanes):
        bars = [bar for bar in numbers.bars if bar.lane == place]
        gap = _gap(bars)
        spent = sum(bar.end - bar.begin for bar in bars)
        rows.append(
            {
                "worker": lane,
                "processes": len({bar.worker for bar in bars}),
                "trials": len({bar.number for bar in bars}),
                "with a trial": duration(spent) if bars else NOTHING,
                "of the search": whole_percent(spent / numbers.seconds) if numbers.seconds else NOTHING,
                "longest gap": NOTHING if gap is None else duration(gap.seconds),
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Timeline](
    key="timeline",
    title="Timeline of workers",
    numbers=timeline,
    sentence=sentence,
    draw=draw,
    table=table,
)
