"""Which trial goes where, worked out without a cluster."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search.cluster.capacity import Host, InsufficientResources, cluster_of, trials_by_device
from search.cluster.placement import Slots
from search.plan.budget import Resources


def host(name: str, **resources: float) -> Host:
    return Host(
        name, name, {name.upper() if name in ("cpu", "gpu") else name: n for name, n in resources.items()}
    )


def asked(**changes: Any) -> Resources:
    return Resources.model_validate(changes)


def test_a_share_of_a_gpu_lies_on_one_gpu() -> None:
    two = host("a", cpu=16, gpu=2)
    assert trials_by_device(two, asked(gpus=0.4)) == {"cuda": 4}
    assert trials_by_device(two, asked(gpus=0.5)) == {"cuda": 4}
    assert trials_by_device(two, asked(gpus=2)) == {"cuda": 1}
    assert trials_by_device(host("b", cpu=3, gpu=1), asked(gpus=0.25)) == {"cuda": 3}


def test_what_gpus_leave_of_a_machine_trains_on_its_cpus_where_any_device_will_do() -> None:
    wanted = asked(device="any", gpus=0.5, cpus=2)
    machines = [host("gpu-1", cpu=8, gpu=1), host("cpu-1", cpu=5)]
    assert [trials_by_device(each, wanted) for each in machines] == [{"cuda": 2, "cpu": 2}, {"cpu": 2}]
    cluster = cluster_of(machines, wanted)
    assert (cluster.workers, cluster.device, cluster.threads, cluster.hosts) == (6, "any", 2, 2)
    places = Slots(machines, wanted)
    taken = [places.take(number) for number in range(7)]
    assert Counter(None if each is None else each.resources.device for each in taken) == {
        "cuda": 2,
        "cpu": 4,
        None: 1,
    }
    assert taken[0] is not None and taken[0].resources.bundle == {"CPU": 2, "GPU": 0.5}
    assert taken[5] is not None and taken[5].resources.bundle == {"CPU": 2}


def test_what_a_clusters_owner_named_bounds_the_trials_too() -> None:
    wanted = asked(custom={"licence": 1, "fast_disk": 0.5})
    assert trials_by_device(host("a", cpu=8, licence=3, fast_disk=1), wanted) == {"cpu": 2}
    with pytest.raises(
        InsufficientResources, match=r"licence = 1, fast_disk = 0.5 .* licence = 0, fast_disk = 1"
    ):
        cluster_of([host("b", cpu=8, fast_disk=1)], wanted)


@pytest.mark.parametrize(
    "resources, told",
    [
        ({"device": "any"}, "needs gpus, the share of a GPU"),
        ({"custom": {"CPU": 2}}, "must not contain CPU or GPU"),
        ({"custom": {"disk": 0}}, "greater than 0"),
        ({"placement": "wide"}, "'spread' or 'pack'"),
    ],
)
def test_resources_that_make_no_sense_are_refused(resources: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        asked(**resources)


def test_spread_fills_the_emptiest_machine_and_pack_one_after_the_other() -> None:
    machines = [host("a", cpu=2), host("b", cpu=4), host("c", cpu=2)]

    def order(placement: str) -> str:
        places = Slots(machines, asked(placement=placement))
        taken = [places.take(number) for number in range(8)]
        return "".join(each.host.id for each in taken if each)

    assert order("pack") == "aabbbbcc"
    spread = order("spread")
    assert sorted(spread[:3]) == ["a", "b", "c"]
    assert Counter(spread) == {"a": 2, "b": 4, "c": 2}


def test_a_machine_that_leaves_takes_its_places_along_and_one_that_joins_brings_some() -> None:
    one, two = host("a", cpu=1), host("b", cpu=2)
    places = Slots([one, two], asked())
    taken = {number: places.take(number) for number in range(3)}
    assert places.full
    assert places.change([one])
    assert places.cluster.workers == 1
    assert places.take(3) is None
    for number, place in taken.items():
        if place is not None and place.host == two:
            places.leave(number)
    assert places.full  # by the trial on the machine that stayed
    assert places.change([])
    assert places.cluster.workers == 0 and places.take(3) is None
    assert places.change([one, two])
    again = places.take(3)
    assert again is not None and again.host == two
    assert not places.change([one, two])


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.25, 0.4, 1.0, 2.0]),
    st.sampled_from(["auto", "any"]),
    st.sampled_from(["spread", "pack"]),
)
def test_no_machine_is_ever_given_more_than_it_has(
    machines: list[tuple[int, int]], cpus: int, gpus: float, device: str, placement: str
) -> None:
    if device == "any" and not gpus:
        device = "auto"
    wanted = asked(cpus=cpus, gpus=gpus, device=device, placement=placement)
    hosts = [host(f"h{at}", cpu=c, gpu=g) for at, (c, g) in enumerate(machines)]
    try:
        places = Slots(hosts, wanted)
    except InsufficientResources:
        return
    used: dict[str, Counter[str]] = {each.id: Counter() for each in hosts}
    taken = 0
    while (place := places.take(taken)) is not None:
        taken += 1
        used[place.host.id].update(dict(place.resources.bundle))
    assert taken == places.cluster.workers
    for each in hosts:
        for name, amount in used[each.id].items():
            assert amount <= each.resources[name] + 1e-6
