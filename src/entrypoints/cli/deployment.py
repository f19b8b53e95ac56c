"""`user-events migrate` and `topics`: prepare the database and the cluster for a release."""

import json
from dataclasses import asdict

import typer

from adapters.kafka.patches import apply_patches
from adapters.kafka.topics import TopicReport, ensure_topics
from adapters.postgres.schema.migrate import migrate as migrate_database
from entrypoints.cli.run import read_target, run
from entrypoints.processes import parameters
from entrypoints.processes.preparation import retry_while_unavailable

_PATIENCE_SECONDS = 30.0


def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = read_target()

    async def work() -> None:
        await migrate_database(parameters.database(settings))

    run(retry_while_unavailable(work, patience=_PATIENCE_SECONDS))
    typer.echo(f"the schema of {settings.db_name} on {settings.db_host} is up to date", err=True)


def topics(*, as_json: bool) -> None:
    """Create the missing topics in Kafka, check the others, and print them all."""
    settings = read_target()

    async def work() -> list[TopicReport]:
        if settings.event_log == "postgres":
            typer.echo("nothing to do: EVENT_LOG is postgres, whose topics the service creates itself", err=True)
            return []
        apply_patches()
        return await ensure_topics(parameters.brokers(settings), parameters.topics(settings))

    reports = run(retry_while_unavailable(work, patience=_PATIENCE_SECONDS))
    if as_json:
        typer.echo(json.dumps([asdict(report) for report in reports]))
        return
    for report in reports:
        state = "created" if report.is_new else "exists"
        typer.echo(f"{report.name}: {state}, {report.partitions} partitions, replication {report.replication}")
        for warning in report.warnings:
            typer.echo(f"{report.name}: {warning}", err=True)
