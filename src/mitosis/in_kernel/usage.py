"""What the kernel has used so far."""

from __future__ import annotations

import sys
import time
from typing import Any


def measure_usage() -> dict[str, Any]:
    """CPU seconds of this process and its finished children, and the largest resident set in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return {"cpu_s": time.process_time(), "peak_memory_bytes": None}
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return {
        "cpu_s": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "peak_memory_bytes": max(own.ru_maxrss, children.ru_maxrss) * unit_bytes,
    }
