"""How the worker's process handles memory. Measured in docs/benchmarks.md, "Where memory goes"."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3


def tune_memory() -> None:
    """Call once, before any thread starts."""
    # Fetched records go by their reference counts: looking for cycles took a quarter of the CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    # Batches are made in one thread and freed in another; a heap for each thread, and one of
    # Arrow's own, would each keep the largest batch that they ever held.
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        # Fixed, where it would grow: whole columns go back to the system when they are freed.
        mallopt(_M_MMAP_THRESHOLD, 1 << 17)
