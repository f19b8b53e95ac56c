"""Certificates for servers of tests."""

import shutil
import subprocess
from pathlib import Path

from tests.support.missing import missing


class Certificate:
    """A certificate for a host that vouches for itself, and its key."""

    def __init__(self, folder: Path, host: str) -> None:
        """Make it; without openssl skip with the reason, which in CI is a failure. An address counts as a host."""
        if shutil.which("openssl") is None:
            missing("no openssl to make a certificate with")
        self.path, self.key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        kind = "IP" if host.replace(".", "").isdigit() else "DNS"
        command += ["-subj", "/CN=example", "-addext", f"subjectAltName={kind}:{host}"]
        subprocess.run([*command, "-keyout", self.key, "-out", self.path], check=True, capture_output=True)
