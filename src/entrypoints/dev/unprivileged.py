"""Run a program that refuses root: as the same user, or, for root, as somebody else who can still reach its files."""

import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Preferred first; accounts are looked up, never created.
ACCOUNTS = ("postgres", "nobody")
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group by number; what the program creates belongs to them."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a program as the chosen account: behind `prefix`, or by switching to `switch_to` before the exec."""

    prefix: tuple[str, ...] = ()
    switch_to: Account | None = None

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end and return its exit status with everything it printed."""
        with self._popen(command, subprocess.PIPE) as process:
            output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start the command and append everything it prints to the log."""
        started: Future[subprocess.Popen[bytes]] = Future()

        # The kernel's death signal comes with the end of the thread that started the child, not only of the process:
        # a worker thread of a pool that is closed would take the child along.
        def live_as_long() -> None:
            try:
                with log.open("ab") as output:
                    process = self._popen(command, output)
            except OSError as error:
                started.set_exception(error)
                return
            started.set_result(process)
            process.wait()

        threading.Thread(target=live_as_long, name=f"waits for {Path(command[0]).name}", daemon=True).start()
        return started.result()

    def reaches(self, path: Path) -> bool:
        """Whether the account gets through every parent folder of this folder or program and may enter or run it."""
        try:
            return self.run(["test", "-x", str(path)]).returncode == 0
        except OSError:
            return False

    def _popen(self, command: Sequence[str], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The caller's folder may be closed to the account.
            cwd="/",
            env=ENVIRONMENT,
            # A terminal's Ctrl-C is for the launcher, which stops its children in order.
            start_new_session=True,
            user=self.switch_to.uid if self.switch_to else None,
            group=self.switch_to.gid if self.switch_to else None,
            extra_groups=[] if self.switch_to else None,
        )


def account_for(data: Path) -> Account | None:
    """Return who is to own `data`: ourselves, or for root its present owner or a known account; None if none exists."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def launch_for(account: Account, paths: Iterable[Path]) -> Launch | None:
    """Return the least privileged way to run as the account that reaches all paths; None if there is none."""
    paths = list(paths)
    return next((way for way in _ways(account) if all(map(way.reaches, paths))), None)


def _ways(account: Account) -> Iterator[Launch]:
    ourselves = account.uid == os.geteuid()
    if setpriv := shutil.which("setpriv"):
        # The kernel signals the child when we are killed without a chance to stop it. setpriv asks for that after it
        # has changed the ids, which would clear the request, and just before the exec, which keeps it.
        prefix: tuple[str, ...] = (setpriv, "--pdeathsig=INT")
        if ourselves:
            yield Launch(prefix)
        else:
            prefix += (f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
            yield Launch(prefix)
            # A checkout below /root or in a mktemp folder is closed to others, and its mode is not ours to change.
            # The first capability suffices to get through; containers often grant root only the second. Without the
            # secure bit access(2), by which PostgreSQL finds itself, would not count a capability of a user not root.
            for capability in ("+dac_read_search", "+dac_override"):
                caps = ("--securebits=+no_setuid_fixup", f"--inh-caps={capability}", f"--ambient-caps={capability}")
                yield Launch((*prefix, *caps))
    # Without setpriv a killed launcher leaves its child behind; the next start finds and stops it.
    yield Launch(switch_to=None if ourselves else account)
