"""What a process and its children do to the network and to files, seen from outside by strace.

Audit hooks of Python see nothing of a library in C++; the system's own record of calls does.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STRACE = shutil.which("strace")
_NETWORK = "connect,bind,sendto,sendmsg,sendmmsg"
_FILES = (
    "open,openat,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,"
    "rename,renameat,renameat2,truncate"
)
_CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)$")
_TEXT = re.compile(r'(?:AT_FDCWD<(?P<here>[^>]*)>, |\d+<(?P<folder>/[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
# The system's cache of names is asked for users too; a lookup of a host goes on to a name server, which is seen.
_LOCAL = ("sa_family=AF_NETLINK", "sa_family=AF_UNSPEC", 'sun_path="/var/run/nscd/socket"')
_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND")


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What was seen.

    Args:
        status: How the process ended.
        shown: Its two streams.
        network: Calls that address another process or host, as strace writes them; a lookup is one.
        written: Absolute paths that were made, opened for writing, renamed or linked.
    """

    status: int
    shown: str
    network: list[str]
    written: set[Path]


def can_trace() -> bool:
    """Whether strace is there and may look at processes."""
    return (
        STRACE is not None
        and subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True).returncode == 0
    )


def trace(
    words: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path,
    env: Mapping[str, str],
    given: str = "",
    expected_status: int = 0,
) -> Traced:
    """Runs a command to its end and says what it did.

    Args:
        words: The command.
        log: Where strace writes.
        cwd: Where it runs.
        env: Its environment, nothing else.
        given: Its standard input.
        expected_status: How it must end.
    """
    assert STRACE is not None
    options = ["-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", f"trace={_NETWORK},{_FILES}"]
    done = subprocess.run(
        [STRACE, *options, "-e", "signal=none", "-o", log, *map(str, words)],
        cwd=cwd,
        env=dict(env),
        input=given,
        capture_output=True,
        text=True,
    )
    shown = done.stdout + done.stderr
    assert done.returncode == expected_status, f"{words}\n{shown}"
    network, written = [], set()
    for line in log.read_text(encoding="utf-8", errors="backslashreplace").splitlines():
        call = _CALL.match(line)
        if call is None:  # the second half of a call that another thread interrupted
            continue
        name, arguments = call["name"], call["arguments"]
        if name in _NETWORK.split(","):
            if "sa_family=" in arguments and not any(local in arguments for local in _LOCAL):
                network.append(line)
            continue
        if name in ("open", "openat") and not any(flag in arguments for flag in _WRITING):
            continue
        if arguments.endswith(" = -1 EEXIST (File exists)"):
            continue
        if "O_TMPFILE" in arguments:  # it has no name; a call that gives it one is seen
            continue
        for text in _TEXT.finditer(arguments):
            start = text["here"] or text["folder"] or str(cwd)
            written.add(Path(os.path.normpath(Path(start) / text["path"])))
    return Traced(status=done.returncode, shown=shown, network=network, written=written)
