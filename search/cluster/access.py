"""Connecting to a Ray cluster, and why that failed."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from trainable.errors import BenchsweepError

_VARIABLE = "RAY_ADDRESS"
_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to a copy of the file that holds the head's token "
    "(RAY_AUTH_TOKEN or ~/.ray/auth_token work as well)"
)


class CannotConnect(BenchsweepError, ConnectionError):
    """A Ray cluster does not answer, or refuses this process."""


@dataclass(frozen=True)
class Site:
    """Where a search trains."""

    address: str | None = None
    """Of a Ray cluster, "auto" or host:port; None for this machine alone."""
    ship_code: bool = False
    """Whether this machine's benchsweep and trainable are sent to the others, if no copy is installed
    there."""
    local: bool = False
    """Whether to train in this process, without Ray."""

    @property
    def alone(self) -> bool:
        """Whether this machine is all there is."""
        return self.address is None


THIS_MACHINE = Site()
"""This machine, with a Ray of its own."""


def _origin(address: str) -> str:
    """What gave the address: the environment variable, or the option."""
    return _VARIABLE if os.environ.get(_VARIABLE) == address else "--address"


def check(address: str) -> None:
    """Raise CannotConnect if `address` is neither "auto" nor host:port, or nothing answers there: Ray itself
    would retry for minutes."""
    scheme, separator, _ = address.partition("://")
    if separator and scheme == "ray":
        raise CannotConnect(
            f"a search's driver is a process of the cluster itself, but {address} ({_origin(address)}) is "
            f"the address of a Ray Client server",
            "give the head's host:port, usually port 6379, on one of the cluster's machines, or submit the "
            "search with `ray job submit`",
        )
    if separator:
        raise CannotConnect(
            f"{_origin(address)} must be the cluster's host:port, usually port 6379, but {address} is its "
            f"dashboard",
            f"submit the search as a job there: `ray job submit --address {address} -- benchsweep run PLAN "
            f"--address auto`",
        )
    if ":" not in address:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise CannotConnect(
            f"a Ray cluster must answer at {address} ({_origin(address)}), but nothing does: {error}",
            f"start one there with `ray start --head`, or use this machine alone, without {_origin(address)}",
        ) from error


def explained(address: str, error: Exception) -> CannotConnect:
    """Why Ray did not connect to the cluster at `address`, where something answers. error: what Ray
    raised."""
    reason = str(error).strip()
    first_line = reason.splitlines()[0] if reason else type(error).__name__
    if type(error).__name__ == "AuthenticationError":
        return CannotConnect(f"the Ray cluster at {address} requires a token, but none is set here", _TOKEN)
    if isinstance(error, ConnectionError) and "Could not find any running Ray" not in reason:
        return CannotConnect(
            f"{address} refuses this process: either it is a Ray cluster that requires a token, and the one "
            f"here is missing or wrong, or it is not Ray at all",
            _TOKEN,
        )
    if "Version mismatch" in reason:
        return CannotConnect(
            f"the Ray cluster at {address} must have this machine's versions of Ray and Python, but: "
            f"{' '.join(reason.split())[:400]}"
        )
    return CannotConnect(
        f"a search must be started on a machine of the cluster, but this is not one of {address}'s: "
        f"{first_line}",
        f"join it with `ray start --address={address}`, or submit the search with `ray job submit`",
    )
