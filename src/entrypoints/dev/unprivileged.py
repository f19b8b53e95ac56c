"""Run a program that refuses root: as the current user, or for root as another account that can reach its files."""

import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Preferred first; accounts are looked up, never created.
ACCOUNTS = ("postgres", "nobody")
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group by number, who own the files that the program creates."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a program as the chosen account: behind `prefix`, or by switching to `switch_to` before the exec."""

    prefix: tuple[str, ...] = ()
    switch_to: Account | None = None

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end and return its exit status and output."""
        with self._popen(command, subprocess.PIPE) as process:
            output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start the command and append its output to the log."""
        started: Future[subprocess.Popen[bytes]] = Future()

        # The kernel sends the death signal when the thread that started the child ends, so that thread has to outlive
        # the child; one of a pool would not.
        def start_and_wait() -> None:
            try:
                with log.open("ab") as output:
                    process = self._popen(command, output)
            except OSError as error:
                started.set_exception(error)
                return
            started.set_result(process)
            process.wait()

        threading.Thread(target=start_and_wait, name=f"waits for {Path(command[0]).name}", daemon=True).start()
        return started.result()

    def reaches(self, path: Path) -> bool:
        """Whether the account may pass through all parent folders and enter this folder or run this program."""
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
            # The account may have no permission for the caller's folder.
            cwd="/",
            env=ENVIRONMENT,
            # Ctrl-C in a terminal signals the launcher alone, which stops its children in order.
            start_new_session=True,
            user=self.switch_to.uid if self.switch_to else None,
            group=self.switch_to.gid if self.switch_to else None,
            extra_groups=[] if self.switch_to else None,
        )


def account_for(data: Path) -> Account | None:
    """Return the owner for `data`: the current user, or for root its present owner or one of `ACCOUNTS`, if any."""
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


def launch_for(account: Account, paths: Sequence[Path]) -> Launch | None:
    """Return the least privileged way to run as the account and reach all paths; None if there is none."""
    return next((way for way in _ways(account) if all(map(way.reaches, paths))), None)


def _ways(account: Account) -> Iterator[Launch]:
    ourselves = account.uid == os.geteuid()
    if setpriv := shutil.which("setpriv"):
        # The kernel signals the child when the launcher is killed. setpriv requests that after the change of ids, which
        # would clear the request, and before the exec, which keeps it.
        prefix: tuple[str, ...] = (setpriv, "--pdeathsig=INT")
        if ourselves:
            yield Launch(prefix)
        else:
            prefix += (f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups")
            yield Launch(prefix)
            # Other users cannot enter a checkout below /root or in a mktemp folder, whose mode must not be changed.
            # The first capability is enough for that; containers often grant root only the second. Without the secure
            # bit, access(2), by which PostgreSQL finds its own files, ignores capabilities of other users than root.
            for capability in ("+dac_read_search", "+dac_override"):
                caps = ("--securebits=+no_setuid_fixup", f"--inh-caps={capability}", f"--ambient-caps={capability}")
                yield Launch((*prefix, *caps))
    # Without setpriv a killed launcher leaves its child behind; the next start finds and stops it.
    yield Launch(switch_to=None if ourselves else account)
