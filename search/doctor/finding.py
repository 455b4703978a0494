"""The result of one check: a status, a sentence, and advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trainable.errors import BenchsweepError


class CheckStatus(StrEnum):
    """How a check ended."""

    PASS = "PASS"
    """All is well."""
    WARN = "WARN"
    """It works, but slower than it could, or something dispensable is lost."""
    FAIL = "FAIL"
    """A search would stop, or a result is lost."""
    UNKNOWN = "UNKNOWN"
    """There is not enough data to decide."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    name: str
    """Name of the check."""
    verdict: CheckStatus
    """How it ended."""
    message: str
    """One sentence with the value that was found."""
    advice: str = ""
    """What to do; empty if there is nothing to do."""


def passed(name: str, message: str) -> Finding:
    """A PASS finding."""
    return Finding(name, CheckStatus.PASS, message)


def warned(name: str, message: str, advice: str) -> Finding:
    """A WARN finding."""
    return Finding(name, CheckStatus.WARN, message, advice)


def failed(name: str, message: str, advice: str) -> Finding:
    """A FAIL finding."""
    return Finding(name, CheckStatus.FAIL, message, advice)


def unknown(name: str, message: str, advice: str = "") -> Finding:
    """An UNKNOWN finding; the message says what is missing."""
    return Finding(name, CheckStatus.UNKNOWN, message, advice)


def checked(name: str, check: Callable[[], Finding]) -> Finding:
    """The check's finding; a FAIL if it raised."""
    try:
        return check()
    except BenchsweepError as error:
        return failed(name, error.message, error.advice or "")
    except Exception as error:  # the fault that the check looks for may be what breaks it
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return failed(
            name, f"the check itself failed: {reason}", "make sure that what it names exists and is readable"
        )


def merged(name: str, message: str, findings: Sequence[Finding], limit: int = 3) -> Finding:
    """One finding for many: the worst verdict, and the messages of the worst `limit` findings.

    Without findings it is a PASS with `message`.
    """
    if not findings:
        return passed(name, message)
    worst_first = sorted(findings, key=lambda finding: finding.verdict is not CheckStatus.FAIL)
    shown = worst_first[:limit]
    text = "; ".join(finding.message for finding in shown)
    if len(findings) > limit:
        text += f"; and {len(findings) - limit:,} more"
    advice = "; ".join(dict.fromkeys(finding.advice for finding in shown if finding.advice))
    return Finding(name, worst_first[0].verdict, text, advice)
