"""Kills the guest's agent: after so many seconds, or with `woken` once the calendar has been set, as it is after a resume.
Before that it writes into `armed` which boot it does so in.

The kernel drops a SIGKILL that a program sends to PID 1, so what it runs is overwritten: it dies of SIGILL at its next step."""
import os
import sys
import time

ILLEGAL = b"\x0f\x0b"


def ahead():
    return time.time() - time.monotonic()


def wait(when):
    if when != "woken":
        return time.sleep(float(when))
    before = ahead()
    while abs(ahead() - before) < 0.05:
        time.sleep(0.01)


with open("/proc/1/mem", "r+b", buffering=0) as memory, open("/proc/1/maps") as maps:
    code = [line.split()[0] for line in maps if " r-xp " in line and "[" not in line]
    with open("/proc/sys/kernel/random/boot_id") as boot, open("armed", "w") as armed:
        armed.write(boot.read())
        armed.flush()
        os.fsync(armed.fileno())
    wait(sys.argv[1])
    for span in code:
        first, last = (int(address, 16) for address in span.split("-"))
        memory.seek(first)
        memory.write(ILLEGAL * ((last - first) // len(ILLEGAL)))
