"""`python -m tools.kafka`: Apache Kafka in the foreground, for `make kafka`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from tools.kafka import KafkaCluster, KafkaFailed, KafkaNotAvailable, probe


def main() -> int:
    """Run a cluster until Ctrl-C or SIGTERM; return 0 then, 1 if it cannot run, 2 if it was called wrongly."""
    arguments = _parser().parse_args()
    ports = range(arguments.port, arguments.port + arguments.brokers)
    taken = [port for port in ports if not probe.is_free(port)]
    if taken:
        return _fail(f"port {taken[0]} is taken; stop what listens there or choose another with --port")
    # Each layout has data of its own: none can read another's.
    directory = arguments.directory / f"{'zookeeper' if arguments.legacy else 'kraft'}-{arguments.brokers}"
    # SIGTERM ends the waiting below as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = KafkaCluster(directory, brokers=arguments.brokers, legacy=arguments.legacy, ports=ports)
    sys.stderr.write(f"Starting Kafka {cluster.version}; the first time its jars are downloaded.\n")
    try:
        with cluster:
            sys.stderr.write(f"Kafka is up, its data and logs are in {directory}. Ctrl-C stops it.\n")
            sys.stdout.write(f"export KAFKA_BROKER={cluster.bootstrap}\n")
            sys.stdout.flush()
            cluster.wait()
    except KeyboardInterrupt:
        sys.stderr.write("Kafka has stopped.\n")
    except (KafkaFailed, KafkaNotAvailable) as error:
        return _fail(str(error))
    return 0


def _fail(reason: str) -> int:
    sys.stderr.write(f"Kafka cannot run: {reason}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    environ = os.environ
    parser = argparse.ArgumentParser(prog="python -m tools.kafka", description="Apache Kafka on 127.0.0.1.")
    parser.add_argument(
        "--brokers", type=int, default=environ.get("BROKERS", "1"), help="how many [BROKERS, %(default)s]"
    )
    parser.add_argument(
        "--legacy",
        action="store_true",
        default=environ.get("LEGACY", "").lower() in {"1", "true", "yes"},
        help="the last release line with ZooKeeper [LEGACY]",
    )
    parser.add_argument("--port", type=int, default=9092, help="of the first broker [%(default)s], counting up")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(environ.get("DATA_DIR", ".data"), "kafka"),
        help="for data and logs, kept between runs [DATA_DIR/kafka, %(default)s]",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
