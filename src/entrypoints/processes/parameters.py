"""Settings → the parameters of the adapters and of the consumer: addresses, TLS, topics, sizes and time limits."""

import ssl
from dataclasses import replace
from datetime import timedelta

from adapters.kafka.connection import Brokers
from adapters.kafka.topic_settings import Topic
from adapters.kafka.topics import LETTER_MARGIN_BYTES
from adapters.postgres.sessions.database import Database, Limits
from application.consume.dlq_limits import DlqLimits
from application.consume.pace import Pace
from entrypoints.config.database_settings import BATCH_PER_STATEMENT
from entrypoints.config.errors import SettingsError
from entrypoints.config.http_settings import ENVELOPE_BYTES
from entrypoints.config.settings import AFTER_BATCH_SECONDS, Settings

_SECONDS_PER_HOUR = 3_600
_FOR_EVER = -1


def database(settings: Settings) -> Database:
    """Return the address of the database; raises `SettingsError` when a certificate cannot be used."""
    return Database(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password.get_secret_value(),
        password_source=settings.db_password.get_secret_value,
        name=settings.db_name,
        tls=_database_tls(settings),
        limits=Limits(
            lock=settings.db_lock_timeout_seconds,
            statement=settings.db_statement_timeout_seconds,
            batch=BATCH_PER_STATEMENT * settings.db_statement_timeout_seconds,
        ),
    )


def brokers(settings: Settings) -> Brokers:
    """Return the address of the cluster; raises `SettingsError` when a certificate cannot be used."""
    password = settings.kafka_sasl_password
    return Brokers(
        bootstrap=settings.kafka_broker,
        security_protocol=settings.kafka_security_protocol,
        tls=_kafka_tls(settings),
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=None if password is None else password.get_secret_value,
    )


def topics(settings: Settings) -> tuple[Topic, Topic]:
    """Return the intended topic of the events and that of the dead letters."""
    events = Topic(
        name=settings.kafka_topic,
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication_factor,
        min_isr=settings.kafka_min_isr,
        retention_ms=settings.kafka_retention_hours * _SECONDS_PER_HOUR * 1_000,
        max_message_bytes=settings.kafka_max_message_bytes,
    )
    dead_letters = replace(
        events,
        name=settings.kafka_dlq_topic,
        retention_ms=_FOR_EVER,
        max_message_bytes=largest_letter_bytes(settings),
        is_ordered=False,
    )
    return events, dead_letters


def largest_event_bytes(settings: Settings) -> int:
    """Return the size of the largest record that the publisher sends, which is below the topic's limit."""
    return settings.kafka_max_message_bytes - ENVELOPE_BYTES


def largest_letter_bytes(settings: Settings) -> int:
    """Return the size of the largest dead letter for the topic; larger ones are kept in the database."""
    return settings.kafka_max_message_bytes + LETTER_MARGIN_BYTES


def pace(settings: Settings) -> Pace:
    """Return the consumer's limits: sizes of batches, retries, and the time for its in-flight batches after a stop."""
    return Pace(
        batch_size=settings.batch_size,
        retry_budget=settings.retry_budget_seconds,
        finish=settings.shutdown_grace_seconds - AFTER_BATCH_SECONDS,
    )


def dlq_limits(settings: Settings) -> DlqLimits:
    """Return the numbers of dead letters above which a partition is halted."""
    return DlqLimits(
        max_consecutive=settings.dlq_max_consecutive,
        max_ratio=settings.dlq_max_ratio,
        ratio_min_records=settings.dlq_ratio_min_records,
        ratio_window=settings.dlq_ratio_window_seconds,
    )


def log_retention_seconds(settings: Settings) -> float:
    """Return how long the embedded log keeps records that every group has read."""
    return settings.log_retention * _SECONDS_PER_HOUR


def dead_letter_group(settings: Settings) -> str:
    """Return the group that reads the DLQ for the index of dead letters."""
    return f"{settings.kafka_consumer_group}.dead-letters"


def letter_retention(settings: Settings) -> timedelta | None:
    """Return how long the index keeps dead letters that have ended; None: for ever."""
    days = settings.retain_dead_letters_days
    return None if days is None else timedelta(days=days)


def _kafka_tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context = _context(settings, "kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")
    context.check_hostname = settings.kafka_ssl_check_hostname
    return context


def _database_tls(settings: Settings) -> ssl.SSLContext | None:
    """Check as much as libpq does for the same `sslmode`: with a root certificate `require` checks the authority."""
    mode = settings.db_sslmode
    if mode == "disable":
        return None
    context = _context(settings, "db_sslrootcert", "db_sslcert", "db_sslkey")
    context.check_hostname = mode == "verify-full"
    if mode == "require" and settings.db_sslrootcert is None:
        context.verify_mode = ssl.CERT_NONE
    return context


def _context(settings: Settings, authorities: str, certificate: str, key: str) -> ssl.SSLContext:
    """Create a context from the files that these settings name."""
    files = {name: getattr(settings, name) for name in (authorities, certificate, key)}
    try:
        context = ssl.create_default_context(cafile=files[authorities])
        if files[certificate] is not None:
            # Without an empty password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files[certificate], files[key], password="")
    except OSError as error:
        given = ", ".join(f"{name.upper()}={path}" for name, path in files.items() if path is not None)
        raise SettingsError([f"{given} cannot be used: {error}"]) from error
    return context
