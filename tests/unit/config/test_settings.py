"""The environment's variables: what they mean, and that all problems are reported at once."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from entrypoints.config.environment import load_settings, with_new_names
from entrypoints.config.errors import SettingsError
from entrypoints.config.http_settings import ENVELOPE_BYTES
from entrypoints.config.settings import Settings, is_secret
from entrypoints.processes import parameters

SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "me",
    "KAFKA_SASL_PASSWORD": "secret",
}

WATCH = "PUBLISH_TIMEOUT_SECONDS + 1.25 * DB_STATEMENT_TIMEOUT_SECONDS"
GRACE = "PUBLISH_TIMEOUT_SECONDS + 10 and 1.25 * DB_STATEMENT_TIMEOUT_SECONDS + 12"


def problems(**environ: str) -> list[str]:
    """Load a wrong environment; return the problems."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.problems


@pytest.fixture
def some_file(tmp_path: Path) -> str:
    """The path of a file that exists."""
    path = tmp_path / "some.pem"
    path.write_text("from a file")
    return str(path)


def test_defaults_are_those_of_the_legacy_service() -> None:
    """Under the same names."""
    settings = load_settings({})
    assert (settings.port, settings.kafka_broker) == (3000, "kafka:9092")
    assert (settings.kafka_topic, settings.kafka_dlq_topic) == ("user-activity-events", "user-activity-events-dlq")
    assert settings.kafka_consumer_group == "user-activity-consumer-group"
    assert (settings.db_host, settings.db_port, settings.db_user, settings.db_name) == (
        "postgres",
        5432,
        "postgres",
        "eventsdb",
    )
    assert settings.db_password.get_secret_value() == "postgres"


def test_empty_variable_counts_as_unset() -> None:
    """Compose sets unset variables to an empty text, also the one that names a file."""
    assert load_settings(dict.fromkeys(load_settings({}).shown(), "") | {"DB_PASSWORD_FILE": ""}) == load_settings({})


@pytest.mark.parametrize(("text", "path"), [("/", ""), ("/api", "/api"), ("/a/b/", "/a/b")])
def test_path_prefix_loses_its_last_slash(text: str, path: str) -> None:
    """Proxies are configured with one or without."""
    assert load_settings({"ROOT_PATH": text}).root_path == path


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("ROOT_PATH", value) for value in ("api", "https://a/b", "//a", "/a b", "/a?b", "/" + "a" * 128)),
        *(("TRUSTED_PROXIES", value) for value in ("proxy", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.1,", "::1::")),
    ],
)
def test_malformed_proxy_setting_is_refused(variable: str, value: str) -> None:
    """The error names the variable."""
    with pytest.raises(SettingsError, match=variable):
        load_settings({variable: value})


def test_foreign_variables_are_ignored() -> None:
    """An environment has those of other programs, too."""
    assert load_settings({"PATH": "/bin", "KAFKA_HOME": "/kafka", "port": "1"}) == load_settings({})


OLD_NAMES_AND_VALUES = {
    "STORM_LETTERS_IN_A_ROW": ("DLQ_MAX_CONSECUTIVE", "7", 7),
    "STORM_SHARE": ("DLQ_MAX_RATIO", "0.25", 0.25),
    "STORM_RECORDS": ("DLQ_RATIO_MIN_RECORDS", "9", 9),
    "STORM_WINDOW_SECONDS": ("DLQ_RATIO_WINDOW_SECONDS", "30", 30.0),
}


@pytest.mark.parametrize(("old", "example"), OLD_NAMES_AND_VALUES.items())
def test_old_name_sets_the_renamed_setting(old: str, example: tuple[str, str, object]) -> None:
    """Both names may be set to the same value."""
    new, text, value = example
    assert getattr(load_settings({old: text}), new.lower()) == value
    assert getattr(load_settings({old: text, new: text}), new.lower()) == value
    assert getattr(load_settings({old: "", new: text}), new.lower()) == value
    assert with_new_names({old: text, "PATH": "/bin"}) == {new: text, "PATH": "/bin"}


def test_old_and_new_name_with_different_values_are_refused() -> None:
    """The problem names both."""
    assert problems(STORM_SHARE="0.5", DLQ_MAX_RATIO="0.4", PORT="x")[0] == (
        "DLQ_MAX_RATIO is '0.4', but its old name STORM_SHARE is '0.5': give only DLQ_MAX_RATIO"
    )


def test_settings_are_immutable() -> None:
    """The values read at the start apply until the end."""
    with pytest.raises(ValidationError, match="frozen"):
        load_settings({}).port = 1


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("CORS_ORIGINS", "*", "*"),
        ("CORS_ORIGINS", "https://a.example , http://[::1]:8080", "https://a.example,http://[::1]:8080"),
        ("CORS_ORIGINS", "capacitor://localhost", "capacitor://localhost"),
        ("KAFKA_BROKER", " a:1 , b_2.example:65535,[::1]:3", "a:1,b_2.example:65535,[::1]:3"),
        ("KAFKA_CREATE_TOPICS", "false", False),
        ("KAFKA_PARTITIONS", "12", 12),
        ("RETRY_BUDGET_SECONDS", "0.5", 0.5),
        ("KAFKA_ASSIGNOR", "kafkajs", "kafkajs"),
        ("KAFKA_ASSIGNOR", "KafkaJS", "kafkajs"),
        ("LOG_LEVEL", "INFO", "info"),
        ("LOG_LEVEL", "Warning", "warning"),
        ("LOG_FORMAT", "JSON", "json"),
        ("EVENT_LOG", "Postgres", "postgres"),
        ("DB_SSLMODE", "Verify-Full", "verify-full"),
        ("KAFKA_SECURITY_PROTOCOL", "ssl", "SSL"),
        ("KAFKA_CREATE_TOPICS", "FALSE", False),
        ("DATA_DIR", "/var/lib/x", Path("/var/lib/x")),
    ],
)
def test_text_becomes_a_value_of_the_setting_type(variable: str, text: str, value: object) -> None:
    """Of the setting's own type."""
    assert getattr(load_settings({variable: text}), variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("EVENT_LOG", "rabbit"),
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("CORS_ORIGINS", "https://App.example.com"),
        ("CORS_ORIGINS", "https://app.example.com:443"),
        ("CORS_ORIGINS", "http://localhost:80"),
        ("CORS_ORIGINS", "https://a.example https://b.example"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "https://a.example,"),
        ("CORS_ORIGINS", "null"),
        ("KAFKA_BROKER", "kafka"),
        ("KAFKA_BROKER", "kafka:9092,"),
        ("KAFKA_BROKER", "kafka:9092 other:9092"),
        ("KAFKA_BROKER", "kafka:0"),
        ("KAFKA_BROKER", "kafka:65536"),
        ("KAFKA_BROKER", "kafka:9092/"),
        ("KAFKA_BROKER", "http://kafka:9092"),
        ("KAFKA_BROKER", "PLAINTEXT://kafka:9092"),
        ("KAFKA_BROKER", "me@kafka:9092"),
        ("KAFKA_BROKER", ":9092"),
        ("KAFKA_BROKER", "::1:9092"),
        ("KAFKA_BROKER", "[kafka]:9092"),
        ("KAFKA_TOPIC", "a/b"),
        ("KAFKA_TOPIC", "x" * 250),
        ("KAFKA_PARTITIONS", "0"),
        ("KAFKA_ASSIGNOR", "cooperative"),
        ("KAFKA_SESSION_TIMEOUT_SECONDS", "5"),
        ("KAFKA_MAX_MESSAGE_BYTES", "65535"),
        ("KAFKA_SSL_CAFILE", "/nonexistent/ca.pem"),
        ("DB_SSLMODE", "prefer"),
        ("DB_POOL_SIZE", "3"),
        ("DB_STATEMENT_TIMEOUT_SECONDS", "nan"),
        # PostgreSQL would take less than a millisecond for no limit at all.
        ("DB_LOCK_TIMEOUT_SECONDS", "0.0001"),
        ("RETRY_BUDGET_SECONDS", "0"),
        ("RETRY_BUDGET_SECONDS", "inf"),
        ("RETRY_BUDGET_SECONDS", "nan"),
        ("DLQ_MAX_RATIO", "nan"),
        ("MAX_BODY_BYTES", "1023"),
        ("MAX_BATCH_EVENTS", "10001"),
        ("MAX_BATCH_BYTES", "67108865"),
        ("LOG_LEVEL", "trace"),
        ("DB_MIGRATE", "perhaps"),
    ],
)
def test_wrong_value_is_reported_with_its_variable(variable: str, text: str) -> None:
    """The problem quotes the value."""
    (problem,) = problems(**{variable: text})
    assert problem.startswith(f"{variable}: ")
    assert repr(text)[:200] in problem


def test_every_number_has_bounds() -> None:
    """An excessive one would fail later: in a field of Kafka or PostgreSQL, or for lack of memory."""
    properties = Settings.model_json_schema()["properties"]
    schemas = {name: schema.get("anyOf", [schema])[0] for name, schema in properties.items()}
    numbers = {name: schema for name, schema in schemas.items() if schema.get("type") in {"integer", "number"}}
    assert len(numbers) > 20
    assert [name for name, schema in numbers.items() if "maximum" not in schema] == []
    assert [name for name, schema in numbers.items() if not {"minimum", "exclusiveMinimum"} & set(schema)] == []


def test_largest_numbers_fit_their_destination() -> None:
    """32 bits for bytes and partitions, 16 for replicas, 64 for milliseconds."""
    most = {
        name.upper(): str(schema.get("anyOf", [schema])[0]["maximum"])
        for name, schema in Settings.model_json_schema()["properties"].items()
        if name.startswith("kafka_") and "maximum" in schema.get("anyOf", [schema])[0]
    }
    events, letters = parameters.topics(load_settings(most))
    assert max(events.max_message_bytes, letters.max_message_bytes) < 2**31
    assert (events.partitions or 0) < 2**31
    assert (events.replication or 0) < 2**15
    assert events.retention_ms < 2**63


def test_all_problems_are_reported_at_once() -> None:
    """Sorted by name, one line each, for one variable or two."""
    wrong = problems(PORT="x", KAFKA_TOPIC="a", KAFKA_DLQ_TOPIC="a", DB_PASSWORD="1", DB_PASSWORD_FILE="/nonexistent")
    assert [line.split(" ", 1)[0] for line in wrong] == [
        "DB_PASSWORD",
        "DB_PASSWORD_FILE:",
        "KAFKA_DLQ_TOPIC:",
        "PORT:",
    ]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"KAFKA_TOPIC": "same", "KAFKA_DLQ_TOPIC": "same"},
            "KAFKA_DLQ_TOPIC: must be another topic than KAFKA_TOPIC (it is 'same')",
        ),
        (
            {"KAFKA_REPLICATION_FACTOR": "2", "KAFKA_MIN_ISR": "3"},
            "KAFKA_MIN_ISR: must not exceed KAFKA_REPLICATION_FACTOR, which is 2 (it is '3')",
        ),
        (
            {"DB_STATEMENT_TIMEOUT_SECONDS": "10", "DB_LOCK_TIMEOUT_SECONDS": "10"},
            "DB_LOCK_TIMEOUT_SECONDS: must be below DB_STATEMENT_TIMEOUT_SECONDS (it is '10')",
        ),
        (
            {"KAFKA_MAX_MESSAGE_BYTES": "100000", "MAX_BODY_BYTES": "67233"},
            "MAX_BODY_BYTES: must leave 32768 bytes of KAFKA_MAX_MESSAGE_BYTES: at most 67232 (it is '67233')",
        ),
        (
            {"PUBLISH_TIMEOUT_SECONDS": "20", "SHUTDOWN_GRACE_SECONDS": "29"},
            f"SHUTDOWN_GRACE_SECONDS: must be at least 30, for {GRACE} (it is '29')",
        ),
        (
            {"DB_STATEMENT_TIMEOUT_SECONDS": "20"},
            f"SHUTDOWN_GRACE_SECONDS: must be at least 37, for {GRACE}",
        ),
        (
            {"WATCHDOG_SECONDS": "22"},
            f"WATCHDOG_SECONDS: must be at least 22.5, for {WATCH} (it is '22')",
        ),
    ],
)
def test_contradicting_values_are_refused(environ: dict[str, str], problem: str) -> None:
    """The problem names the variable to change and its limit."""
    assert problems(**environ) == [problem]


def test_values_at_their_limits_are_accepted() -> None:
    settings = load_settings(
        {
            "KAFKA_REPLICATION_FACTOR": "3",
            "KAFKA_MIN_ISR": "3",
            "KAFKA_MAX_MESSAGE_BYTES": "100000",
            "MAX_BODY_BYTES": str(100_000 - 2 * ENVELOPE_BYTES),
            "PUBLISH_TIMEOUT_SECONDS": "20",
            "DB_STATEMENT_TIMEOUT_SECONDS": "14.4",
            "WATCHDOG_SECONDS": "38",
            "SHUTDOWN_GRACE_SECONDS": "30",
        }
    )
    assert settings.max_body_bytes == 67_232


@pytest.mark.parametrize("missing", ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
def test_sasl_without_a_credential_is_refused(missing: str) -> None:
    """Otherwise the login would fail much later."""
    assert problems(**SASL | {missing: ""}) == [
        f"{missing}: is needed, since KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT"
    ]


@pytest.mark.parametrize(
    ("given", "told", "partner"),
    [
        ("KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE", "KAFKA_SSL_CERTFILE"),
        ("KAFKA_SSL_KEYFILE", "KAFKA_SSL_KEYFILE", "KAFKA_SSL_CERTFILE"),
        ("DB_SSLCERT", "DB_SSLKEY", "DB_SSLCERT"),
        ("DB_SSLKEY", "DB_SSLKEY", "DB_SSLCERT"),
    ],
)
def test_certificate_without_key_or_reverse_is_refused(some_file: str, given: str, told: str, partner: str) -> None:
    """Either without the other is a mistake."""
    switch = {"DB_SSLMODE": "require", "KAFKA_SECURITY_PROTOCOL": "SSL"}
    (problem,) = problems(**switch, **{given: some_file})
    assert problem.startswith(f"{told}: goes together with {partner}")


@pytest.mark.parametrize("given", ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_credentials_without_sasl_are_refused(given: str, protocol: str) -> None:
    """They would be ignored, and the operator would not know."""
    (problem,) = problems(**{given: SASL[given], "KAFKA_SECURITY_PROTOCOL": protocol})
    assert problem.startswith(f"{given}: would be ignored, since KAFKA_SECURITY_PROTOCOL is {protocol}")


@pytest.mark.parametrize(
    ("given", "switch"),
    [
        *((f"KAFKA_SSL_{file}", "KAFKA_SECURITY_PROTOCOL is PLAINTEXT") for file in ("CAFILE", "CERTFILE", "KEYFILE")),
        *((f"DB_SSL{file}", "DB_SSLMODE is disable") for file in ("ROOTCERT", "CERT", "KEY")),
    ],
)
def test_certificates_without_tls_are_refused(some_file: str, given: str, switch: str) -> None:
    """The operator believes that the connection is encrypted."""
    assert f"{given}: would be ignored, since {switch} (it is {some_file!r})" in problems(**{given: some_file})


def test_rule_ignores_settings_that_are_wrong_themselves() -> None:
    """Only the wrong value is reported."""
    assert [line.partition(":")[0] for line in problems(KAFKA_MAX_MESSAGE_BYTES="x", MAX_BODY_BYTES="200000000")] == [
        "KAFKA_MAX_MESSAGE_BYTES"
    ]


@pytest.mark.parametrize("content", ["from a file", "from a file\n", "from a file\r\n"])
def test_secret_is_read_from_a_file(tmp_path: Path, content: str) -> None:
    """Without the line break at its end."""
    path = tmp_path / "password"
    path.write_bytes(content.encode())
    settings = load_settings(SASL | {"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": str(path)})
    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "from a file"


def test_secret_file_is_read_at_each_access(tmp_path: Path) -> None:
    """A missing or empty file counts as an outage of the dependency."""
    path = tmp_path / "password"
    path.write_text("first")
    secret = load_settings({"DB_PASSWORD_FILE": str(path)}).db_password
    path.write_text("second")
    assert (secret.get_secret_value(), str(secret)) == ("second", "**********")
    path.write_text("")
    with pytest.raises(OSError, match="is empty"):
        secret.get_secret_value()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        secret.get_secret_value()


def test_secret_given_twice_is_refused(some_file: str) -> None:
    """By value and by file."""
    assert problems(DB_PASSWORD="secret", DB_PASSWORD_FILE=some_file) == [
        "DB_PASSWORD and DB_PASSWORD_FILE are both set: give one of them"
    ]


@pytest.mark.parametrize("content", [None, b"\xff", b"\n"])
def test_unreadable_secret_file_is_reported(tmp_path: Path, content: bytes | None) -> None:
    """With the variable and the reason."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    (problem,) = problems(DB_PASSWORD_FILE=str(path))
    assert problem.startswith("DB_PASSWORD_FILE: cannot be read: ")


def test_secrets_alone_may_come_from_files() -> None:
    """Each of them may."""
    assert [name for name in Settings.model_fields if is_secret(name)] == ["kafka_sasl_password", "db_password"]
    assert load_settings({"PORT_FILE": "/nonexistent"}) == load_settings({})


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    """Not by `config`, not in a text form of the settings, and not in a problem."""
    path = tmp_path / "password"
    path.write_text("s3cret-file")
    environ = SASL | {"KAFKA_SASL_PASSWORD": "s3cret", "DB_PASSWORD_FILE": str(path)}
    settings = load_settings(environ)
    shown = settings.shown()
    assert (shown["DB_PASSWORD"], shown["KAFKA_SASL_PASSWORD"]) == ("**********", "**********")
    told: list[Any] = [settings, shown, settings.model_dump_json()]
    told.append(problems(**environ | {"DB_PASSWORD": "s3cret", "PORT": "x", "KAFKA_SASL_MECHANISM": "x"}))
    assert not [text for text in told if "s3cret" in f"{text!r}{text}"]


def test_shown_settings_can_be_loaded_again() -> None:
    """They are a valid environment, except for the secrets."""
    shown = load_settings({"KAFKA_PARTITIONS": "3", "KAFKA_CREATE_TOPICS": "no"}).shown()
    assert shown["KAFKA_PARTITIONS"] == "3"
    assert shown["KAFKA_MIN_ISR"] == ""
    assert load_settings(shown).shown() == shown


@pytest.mark.parametrize("stated", ["*", "LOGIN", "order.created,shop:cart_add-1", "A" * 64])
def test_event_types_are_a_list_of_names(stated: str) -> None:
    """Or any."""
    assert load_settings({"EVENT_TYPES": stated}).event_types == stated


def test_event_types_are_shown_as_they_are_read() -> None:
    """Without spaces and repetitions; the legacy service's by default."""
    assert load_settings({"EVENT_TYPES": " b , a,b"}).shown()["EVENT_TYPES"] == "b,a"
    assert load_settings({}).shown()["EVENT_TYPES"] == "LOGIN,LOGOUT,PRODUCT_VIEW"


@pytest.mark.parametrize("stated", [",", "a,", "1a", "a b", "*,a", "x" * 65, "a/b"])
def test_wrong_event_types_are_refused(stated: str) -> None:
    """With the rule for a name."""
    (problem,) = problems(EVENT_TYPES=stated)
    assert problem.startswith("EVENT_TYPES: must be * or a comma list of types, each of which must begin with a letter")


def test_settings_of_events_are_checked_all_at_once(some_file: str) -> None:
    """A folder must be one."""
    wrong = problems(EVENT_TYPES="a b", EVENT_SCHEMAS=some_file, SCHEMA_CHECK="never")
    assert [problem.split(":")[0] for problem in wrong] == ["EVENT_SCHEMAS", "EVENT_TYPES", "SCHEMA_CHECK"]


def test_schema_check_needs_schemas(tmp_path: Path) -> None:
    """It would check nothing."""
    assert problems(SCHEMA_CHECK="both") == [
        "SCHEMA_CHECK: would be ignored, since EVENT_SCHEMAS is not set (it is 'both')"
    ]
    assert load_settings({"SCHEMA_CHECK": "BOTH", "EVENT_SCHEMAS": str(tmp_path)}).schema_check == "both"
