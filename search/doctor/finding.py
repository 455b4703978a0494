"""What a check saw: a verdict, a figure, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """PASS: as it should be. WARN: works, but slower, or with something lost that can be spared.
    FAIL: a search would stop, or a result is gone. UNKNOWN: there is too little yet to tell by."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Finding:
    """One check's answer. name: of the check. told: a sentence with the figure that was seen.
    advice: what to do; empty when there is nothing to be done."""

    name: str
    verdict: CheckStatus
    told: str
    advice: str = ""


def passed(name: str, told: str) -> Finding:
    """As it should be."""
    return Finding(name, CheckStatus.PASS, told)


def warned(name: str, told: str, advice: str) -> Finding:
    """It works, but."""
    return Finding(name, CheckStatus.WARN, told, advice)


def failed(name: str, told: str, advice: str) -> Finding:
    """It does not work, or something is gone."""
    return Finding(name, CheckStatus.FAIL, told, advice)


def unknown(name: str, told: str, advice: str = "") -> Finding:
    """It cannot be told yet. told: why."""
    return Finding(name, CheckStatus.UNKNOWN, told, advice)


def checked(name: str, check: Callable[[], Finding]) -> Finding:
    """What the check found; that it broke, when it did."""
    try:
        return check()
    except Exception as error:  # the very thing that is wrong here may be what breaks it
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return failed(
            name, f"the check itself broke: {reason}", "see that what it names is there and readable"
        )


def merged(name: str, good: str, found: Sequence[Finding], most: int = 3) -> Finding:
    """One finding of many: the worst verdict, and the first few of the worst. good: what is told
    when there are none."""
    if not found:
        return passed(name, good)
    worst_first = sorted(found, key=lambda each: each.verdict is not CheckStatus.FAIL)
    shown = worst_first[:most]
    told = "; ".join(each.told for each in shown)
    if len(found) > most:
        told += f"; and {len(found) - most:,} more"
    advice = "; ".join(dict.fromkeys(each.advice for each in shown if each.advice))
    return Finding(name, worst_first[0].verdict, told, advice)
