"""Variables that look like ours."""

import pytest

from entrypoints.config.misspelt import misspelt


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("KAFKA_BROKERS", "KAFKA_BROKER"),
        ("KAFKA_BROKER_LIST", "KAFKA_BROKER"),
        ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKER"),
        ("KAFKA_TOPICS", "KAFKA_TOPIC"),
        ("KAFKA_GROUP_ID", "KAFKA_CONSUMER_GROUP"),
        ("KAFKA_USERNAME", "KAFKA_SASL_USERNAME"),
        ("KAFKA_SSL_CA_FILE", "KAFKA_SSL_CAFILE"),
        ("kafka_broker", "KAFKA_BROKER"),
        ("DB_PASS", "DB_PASSWORD"),
        ("DB_PASSWORD_FILES", "DB_PASSWORD_FILE"),
        ("DB_USERNAME", "DB_USER"),
        ("DB_HOSTNAME", "DB_HOST"),
        ("POSTGRES_HOST", "DB_HOST"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("BATCHSIZE", "BATCH_SIZE"),
        ("DLQ_MAX_CONSECUTIVES", "DLQ_MAX_CONSECUTIVE"),
    ],
)
def test_variable_that_resembles_a_setting_is_found(variable: str, meant: str) -> None:
    """By a typing error, or by the name that another program gives to it."""
    assert misspelt({"PATH": "/bin", variable: "x"}) == {variable: meant}


@pytest.mark.parametrize(
    "environ",
    [
        {"KAFKA_ADVERTISED_LISTENERS": "x", "KAFKA_LOG_DIRS": "/x", "KAFKA_LOG_RETENTION_HOURS": "1"},
        {
            "KAFKA_NUM_PARTITIONS": "4",
            "KAFKA_DEFAULT_REPLICATION_FACTOR": "3",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        },
        {"DB_NAMESPACE": "x", "DB_ROOT_PASSWORD": "x"},
        {"KAFKA_HOME": "/opt/kafka", "KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_OPTS": "", "KAFKA_LOG4J_OPTS": "x"},
        {
            "KAFKA_BROKER_ID": "1",
            "KAFKA_NODE_ID": "1",
            "KAFKA_JMX_PORT": "9",
            "KAFKA_VERSION": "4",
            "KAFKA_LISTENERS": "x",
        },
        {"KAFKA_PORT": "tcp://10.0.0.1:9092", "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1", "KAFKA_SERVICE_HOST": "10.0.0.1"},
        {"POSTGRES_PORT": "tcp://10.0.0.1:5432", "DB_SERVICE_PORT": "5432", "DB_PORT_5432_TCP_PROTO": "tcp"},
        {"DB_DIALECT": "postgres", "DB_CONNECTION": "pgsql", "DATABASE_URL": "postgres://", "PGHOST": "x"},
        {"HOSTNAME": "x", "HOSTTYPE": "x", "XDG_DATA_DIRS": "x", "LOGNAME": "me", "REPORT": "x", "LOG_DIR": "/var/log"},
        {"KAFKA_BROKERS": "a:1", "KAFKA_BROKER": "b:1"},
        {"POSTGRES_PASSWORD": "x", "DB_PASSWORD_FILE": "/run/secrets/x"},
        {"KAFKA_BROKERS": ""},
        {"KAFKA_BROKER": "a:1", "DB_PASSWORD_FILE": "/x", "KAFKA_SASL_PASSWORD_FILE": "/x"},
    ],
    ids=" ".join,
)
def test_foreign_and_known_variables_are_not_reported(environ: dict[str, str]) -> None:
    """Nor is a misspelt one beside the right one."""
    assert misspelt(environ) == {}
