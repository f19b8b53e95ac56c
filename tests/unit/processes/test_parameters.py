"""The parameters that the adapters get from the settings, TLS first of all."""

import ssl
import subprocess
from pathlib import Path
from typing import get_args

import aiokafka.conn
import pytest

from adapters.kafka.consumer import assignor
from entrypoints.config import event_log_settings as config
from entrypoints.config.environment import load_settings
from entrypoints.config.errors import SettingsError
from entrypoints.config.settings import Settings
from entrypoints.processes import parameters
from tests.support.certificates import Certificate

HOST = "db.example"
HOSTNAME_MISMATCH = "Hostname mismatch"
SELF_SIGNED = "self.signed certificate"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The certificate of a server."""
    return Certificate(tmp_path_factory.mktemp("tls"), HOST)


@pytest.fixture(scope="module")
def stranger(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The certificate of somebody else who uses the same name."""
    return Certificate(tmp_path_factory.mktemp("stranger"), HOST)


def load(**environ: object) -> Settings:
    """Load settings."""
    return load_settings({name: str(value) for name, value in environ.items()})


def database_tls(mode: str, trusted: Certificate | None = None) -> ssl.SSLContext:
    """Make the context for the database."""
    root = {} if trusted is None else {"DB_SSLROOTCERT": trusted.path}
    context = parameters.database(load(DB_SSLMODE=mode, **root)).tls
    assert context is not None
    return context


def shake_hands(client: ssl.SSLContext, server: Certificate, host: str) -> None:
    """Let a client and a server greet each other in memory; raises what the client would."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server.path, server.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        serving.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_tls_is_off_by_default() -> None:
    """As in the legacy service."""
    settings = load_settings({})
    assert parameters.database(settings).tls is None
    assert parameters.brokers(settings).tls is None


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_every_tls_mode_accepts_the_right_server(certificate: Certificate, mode: str) -> None:
    """With its name and a certificate of a known authority."""
    shake_hands(database_tls(mode, certificate), certificate, HOST)


def test_require_without_authority_checks_nothing(certificate: Certificate) -> None:
    """It encrypts the connection to any server."""
    shake_hands(database_tls("require"), certificate, "other.example")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_root_certificate_makes_every_mode_check_it(certificate: Certificate, stranger: Certificate, mode: str) -> None:
    """As in libpq."""
    with pytest.raises(ssl.SSLCertVerificationError, match=SELF_SIGNED):
        shake_hands(database_tls(mode, certificate), stranger, HOST)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verifying_modes_trust_the_systems_authorities_by_default(certificate: Certificate, mode: str) -> None:
    """A self-signed server is refused."""
    with pytest.raises(ssl.SSLCertVerificationError, match=SELF_SIGNED):
        shake_hands(database_tls(mode), certificate, HOST)


def test_only_full_verification_checks_the_name(certificate: Certificate) -> None:
    """A certificate of a known authority for another server is refused."""
    shake_hands(database_tls("verify-ca", certificate), certificate, "other.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=HOSTNAME_MISMATCH):
        shake_hands(database_tls("verify-full", certificate), certificate, "other.example")


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_broker_name_is_checked_unless_switched_off(certificate: Certificate, protocol: str) -> None:
    """The authority is always checked."""
    sasl = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}
    environ = (sasl if protocol == "SASL_SSL" else {}) | {
        "KAFKA_SECURITY_PROTOCOL": protocol,
        "KAFKA_SSL_CAFILE": certificate.path,
    }
    strict = parameters.brokers(load(**environ)).tls
    assert strict is not None
    shake_hands(strict, certificate, HOST)
    with pytest.raises(ssl.SSLCertVerificationError, match=HOSTNAME_MISMATCH):
        shake_hands(strict, certificate, "other.example")
    lenient = parameters.brokers(load(**environ, KAFKA_SSL_CHECK_HOSTNAME="no")).tls
    assert lenient is not None
    shake_hands(lenient, certificate, "other.example")


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_brokers_without_tls_need_no_context(protocol: str) -> None:
    """With or without a login."""
    sasl = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}
    given = sasl if protocol == "SASL_PLAINTEXT" else {}
    assert parameters.brokers(load(KAFKA_SECURITY_PROTOCOL=protocol, **given)).tls is None


def test_every_assignor_of_the_settings_exists() -> None:
    """The settings list the names themselves, since they import no client of Kafka."""
    assert get_args(config.AssignorName) == get_args(assignor.AssignorName)


def test_login_reaches_the_brokers_parameters() -> None:
    """With the configured mechanism."""
    sasl = {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}
    brokers = parameters.brokers(load(KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT", **sasl))
    assert brokers.options()["sasl_mechanism"] == "SCRAM-SHA-512"
    assert brokers.sasl_password is not None
    assert (brokers.sasl_username, brokers.sasl_password()) == ("u", "p")


def test_client_certificate_is_used(certificate: Certificate) -> None:
    """For the database and for the brokers."""
    own = {"DB_SSLCERT": certificate.path, "DB_SSLKEY": certificate.key}
    assert parameters.database(load(DB_SSLMODE="require", **own)).tls is not None
    own = {"KAFKA_SSL_CERTFILE": certificate.path, "KAFKA_SSL_KEYFILE": certificate.key}
    assert parameters.brokers(load(KAFKA_SECURITY_PROTOCOL="SSL", **own)).tls is not None


def test_unusable_certificate_is_reported(certificate: Certificate) -> None:
    """With the variables and the files."""
    swapped = load(DB_SSLMODE="require", DB_SSLCERT=certificate.key, DB_SSLKEY=certificate.path)
    with pytest.raises(SettingsError, match=f"DB_SSLCERT={certificate.key}, DB_SSLKEY={certificate.path}"):
        parameters.database(swapped)
    with pytest.raises(SettingsError, match=f"KAFKA_SSL_CAFILE={certificate.key}"):
        parameters.brokers(load(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE=certificate.key))


def test_encrypted_key_is_refused_without_asking(certificate: Certificate, tmp_path: Path) -> None:
    """A service has no terminal."""
    encrypted = tmp_path / "encrypted.pem"
    command: list[str | Path] = ["openssl", "ec", "-aes256", "-passout", "pass:secret"]
    command += ["-in", certificate.key, "-out", encrypted]
    subprocess.run(command, check=True, capture_output=True)
    settings = load(DB_SSLMODE="require", DB_SSLCERT=certificate.path, DB_SSLKEY=encrypted)
    with pytest.raises(SettingsError, match="DB_SSLKEY"):
        parameters.database(settings)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_each_connection_to_kafka_reads_the_password(mechanism: str, tmp_path: Path) -> None:
    """With either mechanism, in the client's own code."""
    file = tmp_path / "password"
    file.write_text("first")
    sasl = {"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD_FILE": file}
    options = parameters.brokers(load(KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT", **sasl)).options()
    for password in ("second", "third"):
        file.write_text(password)
        connection = aiokafka.conn.AIOKafkaConnection(
            "127.0.0.1", 1, sasl_mechanism=mechanism, sasl_plain_password=options["sasl_plain_password"]
        )
        with pytest.raises(OSError, match="Connect"):
            await connection.connect()
        assert connection._sasl_plain_password == password
    file.unlink()
    with pytest.raises(FileNotFoundError):
        await aiokafka.conn.AIOKafkaConnection(
            "127.0.0.1", 1, sasl_plain_password=options["sasl_plain_password"]
        ).connect()


def test_parameters_do_not_print_secrets() -> None:
    """Not even when somebody logs them."""
    settings = load(
        DB_PASSWORD="s3cret",
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="u",
        KAFKA_SASL_PASSWORD="s3cret",
    )
    database = parameters.database(settings)
    assert database.password == "s3cret"
    assert "s3cret" not in f"{database!r} {parameters.brokers(settings)!r}"


def test_each_time_limit_is_below_the_next() -> None:
    """So that the innermost one fires first."""
    limits = parameters.database(load(DB_STATEMENT_TIMEOUT_SECONDS=8, DB_LOCK_TIMEOUT_SECONDS=3)).limits
    assert (limits.lock, limits.statement, limits.batch) == (3, 8, 10)


def test_topics_follow_the_settings() -> None:
    """The DLQ keeps dead letters for ever, and its message limit allows for their headers."""
    events, letters = parameters.topics(
        load(KAFKA_PARTITIONS=6, KAFKA_RETENTION_HOURS=2, KAFKA_MAX_MESSAGE_BYTES=700_000, KAFKA_DLQ_TOPIC="dead")
    )
    assert (events.name, events.partitions, events.retention_ms) == ("user-activity-events", 6, 7_200_000)
    assert (letters.name, letters.partitions, letters.retention_ms) == ("dead", 6, -1)
    assert (events.is_ordered, letters.is_ordered) == (True, False)
    assert (events.max_message_bytes, letters.max_message_bytes) == (700_000, 765_536)


def test_accepted_body_fits_a_record_and_a_dead_letter() -> None:
    """Each limit is below the next, also at the limits of the settings."""
    settings = load(KAFKA_MAX_MESSAGE_BYTES=100_000, MAX_BODY_BYTES=67_232)
    largest = parameters.largest_event_bytes(settings)
    assert settings.max_body_bytes < largest < settings.kafka_max_message_bytes
    assert settings.kafka_max_message_bytes < parameters.largest_letter_bytes(settings)


def test_retention_of_the_embedded_log_is_in_hours() -> None:
    """The adapter takes seconds."""
    assert parameters.log_retention_seconds(load(LOG_RETENTION=2)) == 7_200
