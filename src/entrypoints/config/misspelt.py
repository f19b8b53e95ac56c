"""Environment variables that resemble a setting but are none: a misspelt one has no effect."""

import difflib
from collections.abc import Mapping

from entrypoints.config.environment import OLD_NAMES
from entrypoints.config.settings import variables

_PREFIXES = ("KAFKA_", "DB_")
"""Common prefixes, left out of the comparison, which would otherwise find all of these settings alike."""
_MIN_SIMILARITY_BEHIND_PREFIX, _MIN_SIMILARITY = 0.6, 0.85
_OTHER_NAMES = {
    "KAFKA_BOOTSTRAP_SERVERS": "KAFKA_BROKER",
    "KAFKA_GROUP": "KAFKA_CONSUMER_GROUP",
    "KAFKA_GROUP_ID": "KAFKA_CONSUMER_GROUP",
    "DB_DATABASE": "DB_NAME",
    "DB_HOSTNAME": "DB_HOST",
    "POSTGRES_DB": "DB_NAME",
    "POSTGRES_HOST": "DB_HOST",
    "POSTGRES_PASSWORD": "DB_PASSWORD",
    "POSTGRES_PORT": "DB_PORT",
    "POSTGRES_USER": "DB_USER",
}
"""Names that other programs give to the same settings."""
_FOREIGN_PREFIXES = (
    *("KAFKA_AUTO_", "KAFKA_BROKER_ID", "KAFKA_DEFAULT_", "KAFKA_LOG_", "KAFKA_NUM_"),
    *("DB_NAMESPACE", "DB_ROOT_"),
)
"""Prefixes of settings of brokers and databases that resemble ours."""
_SERVICE_LINK = "tcp://"
"""The start of variables by which Kubernetes and Docker announce a service, such as DB_PORT for a service `db`."""


def misspelt(environ: Mapping[str, str]) -> dict[str, str]:
    """Find the variables that are no settings but resemble one that is not set; return each with that setting."""
    found = {}
    for variable in sorted(environ):
        is_known = variable in variables() or variable in OLD_NAMES or variable.startswith(_FOREIGN_PREFIXES)
        if is_known or not environ[variable] or environ[variable].startswith(_SERVICE_LINK):
            continue
        meant = _OTHER_NAMES.get(variable) or _nearest(variable.upper())
        if meant is not None and not any(environ.get(each) for each in (meant, f"{meant}_FILE")):
            found[variable] = meant
    return found


def _nearest(variable: str) -> str | None:
    for prefix in _PREFIXES:
        if variable.startswith(prefix):
            known = {each.removeprefix(prefix): each for each in variables() if each.startswith(prefix)}
            near = difflib.get_close_matches(variable.removeprefix(prefix), known, 1, _MIN_SIMILARITY_BEHIND_PREFIX)
            return known[near[0]] if near else None
    near = difflib.get_close_matches(variable, variables(), 1, _MIN_SIMILARITY)
    return near[0] if near else None
