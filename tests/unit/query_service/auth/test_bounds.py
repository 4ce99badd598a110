import asyncio

import pytest

from orgtrail_query_service.auth import bounds as module
from orgtrail_query_service.auth.bounds import Bounds
from orgtrail_query_service.problems import Problem


async def hold(bounds, org, until, subject="ada"):
    async with bounds.read(org, subject, 5):
        await until.wait()


async def test_an_organization_waits_for_its_own_reads_alone():
    bounds, end = Bounds(reads_at_once=2), asyncio.Event()
    tasks = [asyncio.create_task(hold(bounds, "acme", end)) for _ in range(3)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1), bounds.read("globex", "bob", 5):
        pass
    end.set()
    await asyncio.gather(*tasks)
    assert not bounds._reads


async def test_who_waits_too_long_is_told_to_try_again(monkeypatch):
    monkeypatch.setattr(module, "_WAIT_S", 0.01)
    bounds, end = Bounds(reads_at_once=1), asyncio.Event()
    task = asyncio.create_task(hold(bounds, "acme", end))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as raised:
        async with bounds.read("acme", "ada", 5):
            pass
    assert raised.value.status == 429
    end.set()
    await task
    async with bounds.read("acme", "ada", 5):
        pass


async def test_who_gives_up_waiting_leaves_no_place_taken():
    bounds, end = Bounds(reads_at_once=1), asyncio.Event()
    first, second = (asyncio.create_task(hold(bounds, "acme", end)) for _ in range(2))
    await asyncio.sleep(0.01)
    second.cancel()
    end.set()
    await asyncio.gather(first, second, return_exceptions=True)
    async with asyncio.timeout(1), bounds.read("acme", "ada", 5):
        pass
    assert not bounds._reads


def test_exports_of_one_organization_are_limited_and_of_others_not():
    bounds = Bounds(exports_at_once=2)
    with bounds.export("acme", "ada"), bounds.export("acme", "ada"):
        with pytest.raises(Problem) as raised, bounds.export("acme", "ada"):
            pass
        assert (raised.value.status, raised.value.kind) == (429, "too-many-exports")
        with bounds.export("globex", "bob"):
            pass
    with bounds.export("acme", "ada"):
        pass
    assert not bounds._exports


async def test_a_person_of_many_organizations_has_no_more_places_than_one():
    bounds, end = Bounds(reads_at_once=2), asyncio.Event()
    tasks = [asyncio.create_task(hold(bounds, org, end)) for org in ("a", "b", "c")]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1), bounds.read("c", "bob", 5):
        pass
    end.set()
    await asyncio.gather(*tasks)
    assert not bounds._reads
    with bounds.export("a", "ada"), bounds.export("b", "ada"), bounds.export("c", "ada"):
        with bounds.export("d", "ada"), pytest.raises(Problem), bounds.export("e", "ada"):
            pass
        with bounds.export("a", "bob"):
            pass


async def test_who_waits_waits_no_longer_than_the_request_may_take():
    bounds, end = Bounds(reads_at_once=1), asyncio.Event()
    task = asyncio.create_task(hold(bounds, "acme", end))
    await asyncio.sleep(0)
    with pytest.raises(Problem):
        async with asyncio.timeout(1), bounds.read("acme", "bob", 0.01):
            pass
    end.set()
    await task
    assert not bounds._reads
