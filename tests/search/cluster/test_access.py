"""Why a Ray cluster cannot be used, as an error says it."""

from __future__ import annotations

import socket

import pytest

from search.cluster.access import CannotConnect, check, explained


@pytest.mark.parametrize(
    "address, told",
    [
        ("ray://10.0.0.1:10001", "the address of a Ray Client server"),
        ("http://10.0.0.1:8265", "ray job submit --address http://10.0.0.1:8265 -- benchsweep run PLAN"),
        ("127.0.0.1:9", "but nothing does"),
    ],
)
def test_an_address_of_another_kind_is_told_with_what_to_do(address: str, told: str) -> None:
    with pytest.raises(CannotConnect, match=told.replace(".", r"\.")):
        check(address)


def test_why_a_cluster_takes_nobody_is_told_in_a_sentence() -> None:
    assert "this is not one of a:6379's: no node" in str(explained("a:6379", RuntimeError("no node\nmore")))
    versions = RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1\n    Python: 3.9")
    assert "Ray: 2.1 Python: 3.9" in str(explained("a:6379", versions))


def test_an_address_from_the_environment_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"  # nobody listens there
        with pytest.raises(CannotConnect, match=r"\(--address\).*without --address"):
            check(address)
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(CannotConnect, match=r"\(RAY_ADDRESS\).*without RAY_ADDRESS"):
            check(address)
