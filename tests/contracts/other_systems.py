"""What Python on Windows and macOS lacks, hidden from a process and from those that it starts.

`test_portability` copies this module to a folder on `PYTHONPATH` as `sitecustomize`, which Python
imports at its start.
"""

from __future__ import annotations

import builtins
import errno
import os
import signal
from types import ModuleType
from typing import Any

MODULES = frozenset(
    "fcntl grp posix pty pwd readline resource syslog termios tty uvloop".split()  # noqa: SIM905
)
"""Modules that Windows lacks. The standard library asks for some of them on POSIX, so they are
hidden from `IMPORTERS` only."""
IMPORTERS = frozenset(("__main__", "inkdigits", "uvicorn"))

SIGNALS = (
    *("SIGALRM", "SIGHUP", "SIGPIPE", "SIGPROF", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
    *("ITIMER_PROF", "ITIMER_REAL", "alarm", "pause", "pthread_kill", "pthread_sigmask"),
    *("set_wakeup_fd_inheritable", "setitimer", "sigwait"),
)
CALLS = (
    *("confstr", "ctermid", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg"),
    *("getpgid", "getpriority", "getresuid", "killpg", "mkfifo", "nice", "posix_fadvise"),
    *("posix_spawn", "pread", "pwrite", "register_at_fork", "sched_getaffinity", "sendfile"),
    *("setpriority", "setsid", "setuid", "statvfs", "wait3", "wait4"),
)


KEPT = frozenset(("SIGKILL", "getuid", "sysconf", "wait", "waitpid"))
"""Names that Windows lacks, but without which the standard library and other packages fail here."""


def hide() -> None:
    """Removes from `signal`, `os` and `multiprocessing` what POSIX alone has."""
    from fcntl import F_GETFL, fcntl

    for module, names in ((signal, SIGNALS), (os, CALLS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    import_module = builtins.__import__
    fsync = os.fsync

    def import_visible(name: str, globals: Any = None, *rest: Any, **more: Any) -> ModuleType:
        importer = str((globals or {}).get("__name__", ""))
        if name in MODULES and importer.partition(".")[0] in IMPORTERS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_module(name, globals, *rest, **more)

    def flush_writable(descriptor: int) -> None:
        if fcntl(descriptor, F_GETFL) & 3 == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(descriptor)

    builtins.__import__ = import_visible
    os.fsync = flush_writable  # type: ignore[assignment]

    import multiprocessing
    from multiprocessing import context

    inner: Any = context  # names of its own, which have no types
    for method in set(inner._concrete_contexts) - {"spawn"}:
        del inner._concrete_contexts[method]
    inner._default_context._default_context = inner._concrete_contexts["spawn"]
    multiprocessing.get_all_start_methods = lambda: ["spawn"]


if __name__ == "sitecustomize":
    hide()
