# SPDX-License-Identifier: Apache-2.0
"""What a server costs: CPU time and memory of a process and all its descendants."""

import os
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.05
# New processes are looked for less often than memory is read: it takes longer, and they live long.
SAMPLES_PER_LOOK = 4


def children(pid):
    """The processes that any thread of pid started."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                yield from map(int, file.read().split())
        except OSError:
            continue  # it has ended


def tree(pid):
    found = [pid]
    for process in found:
        found.extend(children(process))
    return found


def stat_ticks(pid):
    """User and system time of a process and of those of its children that it has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def cpu_seconds(pid):
    return sum(stat_ticks(process) for process in tree(pid)) / TICKS


def pss_bytes(pid):
    """Proportional set size: pages shared by several processes are counted once in their sum."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except PermissionError:
        raise
    except OSError:
        pass  # it has ended
    return 0


class MemoryPeak:
    """Samples the memory of a server while the block runs: `bytes` is the largest sum, None when the
    kernel does not let this user see it."""

    def __init__(self, pid):
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.bytes = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        samples = 0
        try:
            while True:
                if samples % SAMPLES_PER_LOOK == 0:
                    processes = tree(self._pid)
                samples += 1
                self.bytes = max(self.bytes, sum(map(pss_bytes, processes)))
                if self._stop.wait(SAMPLE_SECONDS):
                    return
        except PermissionError:
            self.bytes = None


class CpuTime:
    """CPU seconds of a server over the block."""

    # What a server still does when the client has got everything.
    SETTLE_SECONDS = 0.1

    def __init__(self, pid):
        self._pid = pid
        self.seconds = 0.0

    def __enter__(self):
        self._start = cpu_seconds(self._pid)
        return self

    def __exit__(self, *_):
        time.sleep(self.SETTLE_SECONDS)
        self.seconds = cpu_seconds(self._pid) - self._start
