"""Being let into a Ray cluster: whoever is not is told why, in a sentence."""

from __future__ import annotations

import socket
from dataclasses import dataclass

_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to a copy of the file that holds the head's token "
    "(RAY_AUTH_TOKEN, or ~/.ray/auth_token, do as well)"
)


def check(address: str) -> None:
    """Raise ConnectionError where `address` ("auto" or host:port) is of another kind, or nothing answers
    there: Ray itself would try for minutes."""
    scheme, mark, _ = address.partition("://")
    if mark and scheme == "ray":
        raise ConnectionError(
            f"a search's driver is itself a process of the cluster, but {address} (--address) is the "
            f"address of Ray's client server; give the head's host:port, usually of port 6379, on one of the "
            f"cluster's machines, or submit the search with `ray job submit`"
        )
    if mark:
        raise ConnectionError(
            f"--address is the cluster's host:port, usually of port 6379, but {address} is its dashboard's, "
            f"to which jobs are submitted: `ray job submit --address {address} -- benchsweep run PLAN "
            f"--address auto`"
        )
    if ":" not in address:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"a Ray cluster must answer at {address} (--address), but nothing does: {error}; start one there "
            f"with `ray start --head`, or leave --address out to use this machine alone"
        ) from error


def explained(address: str, error: Exception) -> ConnectionError:
    """Why Ray did not connect to the cluster at `address`, where something answers."""
    told = str(error).strip()
    first = told.splitlines()[0] if told else type(error).__name__
    if type(error).__name__ == "AuthenticationError":
        return ConnectionError(
            f"the Ray cluster at {address} wants a token, but there is none here; {_TOKEN}"
        )
    if isinstance(error, ConnectionError) and "Could not find any running Ray" not in told:
        return ConnectionError(
            f"what answers at {address} does not let this process in: it is a Ray cluster that wants a "
            f"token, and there is none here or another one, or no Ray at all; {_TOKEN}"
        )
    if "Version mismatch" in told:
        return ConnectionError(
            f"the Ray cluster at {address} must have this machine's versions of Ray and Python, but: "
            f"{' '.join(told.split())[:400]}"
        )
    return ConnectionError(
        f"a search is started on a machine of the cluster, but this is none of {address}'s: {first}; join it "
        f"with `ray start --address={address}`, or submit the search with `ray job submit`"
    )


@dataclass(frozen=True)
class Site:
    """address: of a Ray cluster ("auto" or host:port), None for this machine alone. ship_code: whether this
    machine's benchsweep and trainable are sent to the others, where no copy of them is installed."""

    address: str | None = None
    ship_code: bool = False

    @property
    def alone(self) -> bool:
        """Whether this machine is all there is."""
        return self.address is None


HERE = Site()
