"""The stacks as Compose renders them: what they ask of our settings, of Kafka and of each other."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from adapters.schemas.load import load_schemas
from entrypoints.config.environment import load_settings
from entrypoints.config.settings import Settings, variables
from tests.support.compose import ROOT, Service, find_compose, render
from tests.support.missing import missing
from tools.kafka.jars import LEGACY_VERSION, VERSION, KafkaNotAvailable, class_path, find_java

OURS: Final = {"api", "consumer", "migrate", "topics"}
STACKS: Final = ("docker-compose.yml", "docker-compose.zookeeper.yml", "docker-compose.cluster.yml")
KNOWN_VARIABLES: Final = set(variables())


@pytest.fixture(scope="module", params=STACKS)
def stack(request: pytest.FixtureRequest) -> dict[str, Service]:
    """Each stack in turn."""
    compose = find_compose()
    if compose is None:
        missing("neither `docker compose` nor docker-compose to render the stacks with")
        return {}
    return render(compose, request.param)


@pytest.fixture(scope="module")
def ours(stack: dict[str, Service]) -> list[Service]:
    """The services that run our image."""
    return [service for service in stack.values() if service.is_ours]


def test_stack_has_every_process_and_job(ours: list[Service]) -> None:
    """What is started is what the service consists of."""
    assert {service.name for service in ours} == OURS
    assert all(service.definition["command"] == [service.name] for service in ours)


def test_environment_of_our_services_loads_as_settings(ours: list[Service]) -> None:
    """Every service would start with the variables that it is given."""
    for service in ours:
        settings = load_settings(service.process_environment())
        assert settings.db_password.get_secret_value() == "postgres"


def test_environment_of_our_services_names_only_settings(ours: list[Service]) -> None:
    """A misspelt variable would have no effect."""
    for service in ours:
        assert service.environment.keys() <= KNOWN_VARIABLES


def test_folder_of_schemas_is_mounted_for_reading(stack: dict[str, Service]) -> None:
    """One that is here, and holds no schema by default."""
    for name in ("api", "consumer"):
        settings = load_settings(stack[name].process_environment())
        assert settings.event_schemas == ROOT / "schemas"
        assert not load_schemas(settings.event_schemas)
        [volume] = stack[name].definition["volumes"]
        assert volume["read_only"] if isinstance(volume, dict) else volume.endswith(":ro")


def test_grace_period_of_compose_exceeds_our_own(ours: list[Service]) -> None:
    """A process ends by itself before it is killed."""
    for service in ours:
        assert service.stop_grace_seconds > load_settings(service.process_environment()).shutdown_grace_seconds


def test_every_host_that_we_connect_to_is_a_service(stack: dict[str, Service], ours: list[Service]) -> None:
    """The database's and the brokers' names resolve within the stack."""
    for service in ours:
        settings = load_settings(service.process_environment())
        brokers = [address.partition(":")[0] for address in settings.kafka_broker.split(",")]
        if service.name != "migrate":
            assert stack.keys() >= set(brokers)
            assert len(brokers) >= (settings.kafka_replication_factor or 1)
        if service.name != "topics":
            assert settings.db_host in stack


def test_processes_start_after_the_jobs_have_succeeded(stack: dict[str, Service]) -> None:
    """The schema and the topics exist when the first event comes."""
    for name in ("api", "consumer"):
        depends_on = stack[name].definition["depends_on"]
        assert {job: depends_on[job]["condition"] for job in ("migrate", "topics")} == dict.fromkeys(
            ("migrate", "topics"), "service_completed_successfully"
        )


def test_processes_are_healthy_when_they_are_ready(stack: dict[str, Service]) -> None:
    """`docker compose up --wait` returns when events can be published and are stored."""
    for name, port in (("api", Settings.model_fields["port"]), ("consumer", Settings.model_fields["consumer_port"])):
        probe = stack[name].definition["healthcheck"]
        assert f"HTTPConnection('127.0.0.1', {port.default})" in probe["test"][-1]
        assert "'/health/ready'" in probe["test"][-1]
        compile(probe["test"][-1], name, "exec")


def test_ports_are_published_on_loopback_alone(stack: dict[str, Service]) -> None:
    """A stack with well-known passwords is not for the network to see."""
    for service in stack.values():
        assert service.published_on <= {"127.0.0.1"}


def test_every_container_is_bounded_in_memory_and_logs(stack: dict[str, Service]) -> None:
    """Neither a leak nor months of lines take all of the machine."""
    for service in stack.values():
        assert service.definition["mem_limit"], service.name
        logging = service.definition["logging"]
        assert (logging["driver"], logging["options"].keys()) == ("json-file", {"max-size", "max-file"})


def test_processes_may_run_several_times(stack: dict[str, Service]) -> None:
    """A published port or a name can be taken once; what is published is the gateway's, which finds them all."""
    for name in ("api", "consumer"):
        assert not {"ports", "container_name"} & stack[name].definition.keys()
    assert stack["gateway"].published_on == {"127.0.0.1"}
    [mounted] = stack["gateway"].definition["volumes"]
    source = mounted["source"] if isinstance(mounted, dict) else mounted.partition(":")[0]
    assert Path(source) == ROOT / "deploy" / "haproxy.cfg"


def test_kafka_is_the_version_that_the_tests_run_on(stack: dict[str, Service]) -> None:
    """In the compose files as in Maven; Confluent counts four majors ahead."""
    major, minor, _patch = LEGACY_VERSION.split(".")
    images = [str(service.definition.get("image", "")) for service in stack.values()]
    kafka = [image for image in images if "kafka" in image]
    assert kafka
    for image in kafka:
        assert image == f"apache/kafka:{VERSION}" or image.startswith(
            f"confluentinc/cp-kafka:{int(major) + 4}.{minor}."
        )


def test_our_containers_can_write_to_tmp_only(ours: list[Service]) -> None:
    """Nothing that breaks into a process can change what runs."""
    for service in ours:
        assert service.definition["read_only"]
        assert service.definition["tmpfs"] == ["/tmp"]
        assert service.definition["cap_drop"] == ["ALL"]


@pytest.mark.timeout(900)
def test_kafka_image_accepts_the_variables_of_every_node(stack: dict[str, Service], tmp_path: Path) -> None:
    """The program that turns variables into properties in Kafka's image makes a node's storage of them."""
    try:
        java, jars = find_java(), class_path(VERSION)
    except KafkaNotAvailable as unavailable:
        missing(f"no Apache Kafka to test with: {unavailable}")
        return
    for service in stack.values():
        if service.definition.get("image", "").startswith("apache/kafka:"):
            _set_up(service, tmp_path / service.name, [java, "-Xmx128m", "-cp", jars])


def _set_up(node: Service, folder: Path, java: list[str]) -> None:
    folders = {name: folder / name for name in ("default", "mounted", "final")}
    for each in folders.values():
        each.mkdir(parents=True)
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).touch()
    (folders["final"] / "server.properties").touch()
    set_up = subprocess.run(
        [
            *java,
            "kafka.docker.KafkaDockerWrapper",
            "setup",
            *(f"--{name}-configs-dir={folders[name]}" for name in folders),
        ],
        env={**node.environment, "KAFKA_LOG_DIRS": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set_up.returncode == 0, f"{node.name}: {set_up.stdout[-2_000:]}{set_up.stderr[-2_000:]}"
    assert (folder / "data" / "meta.properties").is_file()
