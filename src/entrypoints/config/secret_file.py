"""A secret that stands in a file, which may be rotated while the process runs."""

from pathlib import Path

from pydantic import SecretStr


class SecretFile(SecretStr):
    """Read anew whenever it is asked for; its content at first only tells whether there is anything to mask."""

    def __init__(self, path: Path) -> None:
        """Raise `OSError` where nothing can be read from `path`."""
        self._path = path
        super().__init__(self.get_secret_value())

    def get_secret_value(self) -> str:
        """Read the file; raises `OSError` while it is missing or empty, as in the middle of being replaced."""
        try:
            # Editors and `echo` end a file with a line break that is no part of the secret.
            secret = self._path.read_text().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise OSError(f"{self._path}: {error}") from error
        if not secret:
            raise OSError(f"{self._path} is empty")
        return secret
