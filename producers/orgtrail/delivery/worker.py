"""A thread that repeats one step and survives exceptions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from orgtrail.delivery.real_threads import original

_AFTER_AN_ERROR_S = 1.0


class Worker:
    """Repeats ``step`` in a thread until it is stopped.

    ``step`` returns the number of seconds to wait before the next step. ``wake`` ends a wait
    early. ``at_end`` runs last, in the thread.

    The thread sets ``idle`` before it calls ``ready``. Work that arrives before the flag is set is
    seen by ``ready``, and work that arrives later wakes the thread, so no wake-up is lost.
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
        # Used as an event: it is normally held, so acquiring it with a timeout sleeps until wake
        # releases it.
        self._wake = original("allocate_lock")()
        self._wake.acquire()
        self._ended = original("allocate_lock")()
        self._ended.acquire()
        self._thread: int | None = None
        self.started = False
        """Whether the thread was started; it may have ended since."""
        self._stopping = False
        self.idle = False
        """Whether the thread is waiting and must be woken for new work."""

    def start(self) -> bool:
        """Start the thread; return ``False`` if the interpreter cannot start new threads."""
        if self.started:
            return True
        try:
            self._start_thread(self._run, ())
        except RuntimeError:
            return False
        self.started = True
        return True

    def wake(self) -> None:
        """End a wait; safe to call from any thread and from signal handlers."""
        self.idle = False
        # RuntimeError: the lock is already released, so the thread is not waiting.
        with suppress(RuntimeError):
            self._wake.release()

    def is_this_thread(self) -> bool:
        """Whether the caller runs on this worker's thread, for example in a callback."""
        return bool(self._thread == self._ident())

    def stop(self, seconds: float) -> bool:
        """Stop the thread and wait for it; return whether it ended within ``seconds``."""
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
                    if pause > 0 and not self._stopping:
                        self._wait(pause)
                except BaseException as error:
                    self._report(error)
                    self._sleep(_AFTER_AN_ERROR_S)
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
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        self.idle = True
        self._wake.acquire(timeout=seconds)
        self.idle = False

    def _report(self, error: BaseException) -> None:
        # The service's logging handler may raise too.
        with suppress(BaseException):
            self._on_error(error)
