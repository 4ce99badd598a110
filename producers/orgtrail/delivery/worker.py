"""A thread that repeats one step and that no exception ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from orgtrail.delivery.real_threads import original

_AFTER_AN_ERROR_S = 1.0


class Worker:
    """Repeats ``step`` until it is stopped.

    ``step`` returns how many seconds to wait before the next one; ``wake`` cuts a wait short.
    ``at_end`` runs last, in the thread.
    ``ready`` is asked after ``idle`` was raised, so that no wake-up is lost in between.
    """

    def __init__(
        self,
        step: Callable[[], float],
        ready: Callable[[], bool],
        on_error: Callable[[BaseException], None],
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._step = step
        self._ready = ready
        self._on_error = on_error
        self._at_end = at_end
        self._start_thread = original("start_new_thread")
        self._ident = original("get_ident")
        # Held while nobody wakes it: acquiring it with a timeout is a sleep that wake ends.
        self._wake = original("allocate_lock")()
        self._wake.acquire()
        self._ended = original("allocate_lock")()
        self._ended.acquire()
        self._thread: int | None = None
        self.started = False
        """Whether the thread runs, or ran."""
        self._stopping = False
        self.idle = False
        """Whether it waits and must be woken for new work."""

    def start(self) -> bool:
        """Start the thread; ``False`` when the interpreter starts no more of them."""
        if self.started:
            return True
        try:
            self._start_thread(self._run, ())
        except RuntimeError:
            return False
        self.started = True
        return True

    def wake(self) -> None:
        """End a wait; safe from any thread and from signal handlers."""
        self.idle = False
        # Released already: it was awake.
        with suppress(RuntimeError):
            self._wake.release()

    def is_this_thread(self) -> bool:
        """Whether the caller runs on this worker's thread, inside a callback."""
        return bool(self._thread == self._ident())

    def stop(self, seconds: float) -> bool:
        """Ask the thread to end and wait for it; whether it did in time."""
        self._stopping = True
        self.wake()
        if not self.started:
            self._at_end()
            return True
        if self.is_this_thread():
            return False
        ended: bool = self._ended.acquire(timeout=max(0.0, seconds))
        if ended:
            self._ended.release()
        return ended

    def _run(self) -> None:
        self._thread = self._ident()
        try:
            while not self._stopping:
                try:
                    pause = self._step()
                except BaseException as error:
                    self._report(error)
                    pause = _AFTER_AN_ERROR_S
                if pause > 0 and not self._stopping:
                    self._wait(pause)
        finally:
            try:
                self._at_end()
            except BaseException as error:
                self._report(error)
            finally:
                self._ended.release()

    def _wait(self, seconds: float) -> None:
        self.idle = True
        if self._ready():
            seconds = min(seconds, 0.001)
        self._wake.acquire(timeout=seconds)
        self.idle = False

    def _report(self, error: BaseException) -> None:
        # A logging handler may fail as well.
        with suppress(BaseException):
            self._on_error(error)
