#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stops one thread of a process, as a core that hangs would stand still; the other threads go on.

Usage: freeze.py PID THREAD

THREAD is its name (/proc/PID/task/*/comm). It stands still when "frozen" is printed, and goes on when this ends.
"""
import ctypes
import os
import signal
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000


def thread_of(pid, name):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as file:
            if file.read().strip() == name:
                return int(task)
    sys.exit(f"process {pid} has no thread {name}")


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    task = thread_of(int(sys.argv[1]), sys.argv[2])
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, task, None, None) != 0:
            sys.exit(f"thread {task}: {os.strerror(ctypes.get_errno())}")
    os.waitpid(task, WALL)
    print("frozen", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
main()
