"""An exception at any line of the sending thread costs nothing but time."""

import sys
import time
from pathlib import Path

from tests.support.mock_broker import ids
from tests.unit.producers.delivery.conftest import emit

import orgtrail.delivery.queue as queue_module
import orgtrail.delivery.sender as sender_module

FILES = {sender_module.__file__, queue_module.__file__}


class InjectedError(Exception):
    """What no code expects."""


class Tracer:
    """Raises at the ``place``-th line of the sender and its queue, once."""

    def __init__(self, place):
        self.left = place
        self.hit = None

    def __call__(self, frame, event, _argument):
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line" and self.hit is None:
            self.left -= 1
            if self.left == 0:
                self.hit = (Path(frame.f_code.co_filename).name, frame.f_lineno)
                raise InjectedError
        return self


def test_a_fault_at_any_line_of_the_loop_loses_nothing(broker, make, monkeypatch, request):
    from orgtrail.delivery.worker import Worker

    monkeypatch.setattr(sender_module, "_FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(sender_module, "_LONGEST_BACKOFF_S", 0.01)
    # The steps run here, under the tracer, and not in a thread.
    monkeypatch.setattr(Worker, "start", lambda _self: True)
    audit = make(broker.address)
    sent, hits, place = [], set(), 1
    sent.append(emit(audit))
    engine = audit._engine
    while True:
        tracer = Tracer(place)
        sent.append(emit(audit))
        deadline = time.monotonic() + 20
        while engine.own_waiting():
            assert time.monotonic() < deadline, tracer.hit
            sys.settrace(tracer)
            try:
                pause = engine._send_step()
            except InjectedError:
                sys.settrace(None)
                engine._send_failed(InjectedError())
                pause = 0
            finally:
                sys.settrace(None)
            time.sleep(min(pause, 0.01))
        if tracer.hit is None:
            # The event arrived before so many lines had run.
            break
        hits.add(tracer.hit)
        # Every line in the long form, every fourth in the short one.
        place += 1 if request.config.getoption("--rounds") > 1 else 4
    assert len(hits) > 15
    assert audit.counters().waiting == 0
    assert list(dict.fromkeys(ids(broker.records(len(sent))))) == sent
