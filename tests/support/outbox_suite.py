"""What a store of the outbox does, whatever the database: one suite for SQLite and PostgreSQL."""

from __future__ import annotations

import time

import pytest

from orgtrail import Actor, ProducerSettings
from orgtrail.outbox import TABLE, Outbox
from orgtrail.outbox.store import Store

TOPIC = "audit.events.v1"


class StoreSuite:
    """A subclass has the fixtures ``database`` and ``connection`` (one that commits nothing)."""

    @pytest.fixture
    def store(self, database):
        made = []

        def make(**options):
            given = {"lease_s": 15, "keep_s": 0} | options
            made.append(Store(database, TABLE, given.pop("topic", TOPIC), **given))
            return made[-1]

        make().create()
        yield make
        for one in made:
            one.close()

    @pytest.fixture
    def emit(self, store, connection):
        outbox = Outbox(ProducerSettings(topic=TOPIC))

        def commit(*orgs, **details):
            ids = [
                outbox.emit(connection, "user.login", org_id=o, actor=Actor(id="u"), **details)
                for o in orgs
            ]
            connection.commit()
            return ids

        return commit

    @pytest.fixture
    def rows(self, connection):
        def ask(columns):
            found = connection.execute(f"SELECT {columns} FROM {TABLE} ORDER BY position")
            found = [tuple(row) for row in found.fetchall()]
            connection.commit()
            return found

        return ask

    def test_rows_come_in_order_with_what_was_emitted(self, store, emit):
        ids = emit("acme", "acme", "other")
        found = store().take(10)
        assert [row.event_id for row in found] == ids
        envelope = found[0].envelope
        assert (envelope.key, envelope.event, envelope.source) == ("acme", "user.login", "orgtrail")

    def test_one_relay_at_a_time_has_an_organization(self, store, emit):
        emit("a", "b")
        assert {row.envelope.key for row in store().take(10)} == {"a", "b"}
        second = store()
        assert second.take(10) == []
        emit("a", "c")
        assert [row.envelope.key for row in second.take(10)] == ["c"]

    def test_of_two_that_ask_at_the_same_moment_one_gets_it(self, store, emit):
        emit("a", "b")
        first, second = store(), store()
        names = first._waiting(10)
        assert second._waiting(10) == names == ["a", "b"]
        assert sorted(first._lease(names)) == names
        assert second._lease(names) == []

    def test_what_the_first_settled_is_not_taken_again(self, store, emit):
        emit("a", "a")
        first, second = store(), store()
        taken = first.take(10)
        (more,) = emit("a")
        first.settle([row.position for row in taken], {})
        assert [row.event_id for row in second.take(10)] == [more]

    def test_a_lease_ends_by_itself_and_can_be_extended(self, store, emit):
        ids = emit("a", "a")
        dead, heir = store(lease_s=3), store()
        dead.take(10)
        time.sleep(1.6)
        dead.extend()
        time.sleep(1.6)
        assert heir.take(10) == []
        time.sleep(1.6)
        assert [row.event_id for row in heir.take(10)] == ids

    def test_one_that_lost_its_lease_does_not_release_the_heirs(self, store, emit):
        emit("a")
        dead, heir, third = store(lease_s=1), store(), store()
        dead.take(10)
        time.sleep(1.2)
        assert heir.take(10)
        dead.settle([], {})
        dead.extend()
        assert third.take(10) == []

    def test_settling_deletes_and_releases(self, store, emit, rows):
        emit("a", "a")
        first = store()
        one, two = first.take(10)
        first.settle([one.position], {})
        assert rows("position") == [(two.position,)]
        assert store().take(10) == [two]

    def test_a_refused_row_stays_with_its_reason_and_holds_nobody_up(self, store, emit, rows):
        emit("a", "a")
        first = store()
        one, two = first.take(10)
        first.settle([], {one.position: "too large"})
        assert rows("refused") == [("too large",), (None,)]
        assert store().take(10) == [two]

    def test_delivered_rows_may_be_kept_for_a_time(self, store, emit, rows):
        emit("a", "b")
        keeping = store(keep_s=4)
        keeping.settle([row.position for row in keeping.take(10)], {})
        assert len(rows("position")) == 2
        assert keeping.take(10) == []
        assert keeping.clean() == 0
        time.sleep(5.1)
        assert keeping.clean() == 2
        assert rows("position") == []

    def test_cleaning_touches_neither_waiting_nor_refused_rows(self, store, emit, rows):
        emit("a", "a", "a")
        one, two, _ = store().take(10)
        store().settle([one.position], {two.position: "no"})
        store(keep_s=0).clean()
        assert len(rows("position")) == 2

    def test_organizations_take_turns_and_share(self, store, emit):
        emit(*["big"] * 20, "small", "tiny")
        first = store()
        taken = first.take(6)
        keys = [row.envelope.key for row in taken]
        assert sorted(keys) == ["big", "big", "small", "tiny"]
        first.settle([row.position for row in taken], {})
        assert len(first.take(6)) == 6

    def test_more_organizations_than_a_batch_all_get_their_turn(self, store, emit):
        emit(*[name for name in "abcdefg" for _ in range(4)])
        first, seen = store(), []
        for _ in range(4):
            taken = first.take(2)
            seen += [row.envelope.key for row in taken]
            first.settle([row.position for row in taken], {})
        assert set(seen) == set("abcdefg")

    def test_a_batch_is_bounded_in_bytes(self, store, emit, monkeypatch):
        emit("a", "a", "b", metadata={"note": "x" * 900})
        monkeypatch.setattr("orgtrail.outbox.store._BYTES", 1_500)
        first = store()
        taken = first.take(10)
        assert [row.envelope.key for row in taken] == ["a", "a"]
        first.settle([row.position for row in taken], {})
        monkeypatch.setattr("orgtrail.outbox.store._BYTES", 1)
        assert [row.envelope.key for row in first.take(10)] == ["b"]

    def test_another_topics_rows_are_left_and_told(self, store, emit):
        emit("a")
        for topic in ("audit.a", "audit.z"):
            other = store(topic=topic)
            assert other.take(10) == []
            assert other.other_topic() == TOPIC
        assert store().other_topic() is None

    def test_a_row_that_is_not_ours_has_no_envelope(self, store, emit, connection):
        emit("a")
        connection.execute(f"UPDATE {TABLE} SET ce_time = 'yesterday'")
        connection.commit()
        assert store().take(10)[0].envelope is None

    def test_nothing_is_there_before_the_commit_nor_after_a_rollback(self, store, connection):
        outbox = Outbox(ProducerSettings(topic=TOPIC))
        outbox.emit(connection, "user.login", org_id="a", actor=Actor(id="u"))
        assert store().take(10) == []
        connection.rollback()
        assert store().take(10) == []
