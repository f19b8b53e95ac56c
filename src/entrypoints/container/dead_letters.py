"""Dead letters: the use cases of people, and the consumer's work."""

from dependency_injector.providers import Resource, Selector, Singleton

from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.producer import Producer
from adapters.kafka.replay_publisher import KafkaReplayPublisher
from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.dead_letters.jobs import PostgresReplayJobs
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.replay_publisher import PostgresReplayPublisher
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.sessions.engine import create_engine
from adapters.records import codec, letters, replays
from adapters.system import new_id, utc_now
from application.dead_letters.auto_replay import AutoReplay
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.forget_letters import ForgetLetters
from application.dead_letters.index_letters import IndexLetters
from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.rebuild_index import RebuildIndex
from application.dead_letters.replays.replay_worker import ReplayWorker
from application.dead_letters.replays.tools import Tools
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.container.ports import CONSUMER_DRAIN_SECONDS, Ports
from entrypoints.processes import parameters
from entrypoints.processes.dead_letter_tasks import DeadLetterTasks
from entrypoints.processes.resources import closed, disposed, opened

_LETTER_SESSIONS = 4
"""Database sessions of a consumer's work on dead letters, which takes none of those for events."""


class DeadLetters(Ports):
    """What is done with dead letters once they are in the DLQ."""

    # Use cases of dead letters.
    letter_records = Singleton(
        LetterRecords, Ports.oversize_letters, Singleton(letters.reader, Ports.topic), points_to=letters.points_to
    )
    browse_letters = Singleton(
        BrowseLetters, Ports.dead_letter_index, Ports.event_store, Singleton(codec.parser, Ports.any_rules)
    )
    change_letters = Singleton(ChangeLetters, Ports.dead_letter_index, Ports.replay_jobs)
    edit_letter = Singleton(EditLetter, Ports.dead_letter_index, Singleton(codec.parser, Ports.event_rules))
    control_jobs = Singleton(ControlJobs, Ports.replay_jobs)
    letter_use_cases = Singleton(
        LetterUseCases, browse_letters, change_letters, edit_letter, control_jobs, Ports.audit_log
    )
    rebuild_index = Singleton(RebuildIndex, Ports.letter_reader, letter_records, Ports.dead_letter_index)

    # The consumer's work on dead letters, with clients of its own: it must not slow the work on events.
    letter_engine = Resource(
        disposed,
        create_engine,
        Ports.database,
        application_name="user-events-dead-letters",
        pool_size=_LETTER_SESSIONS,
    )
    letter_index = Singleton(PostgresDeadLetterIndex, letter_engine, Ports.topic)
    letter_jobs = Singleton(PostgresReplayJobs, letter_engine, Ports.topic)
    letter_store = Singleton(
        PostgresEventStore, letter_engine, Ports.event_types, settle=Ports.database.provided.limits.batch
    )
    letter_group = Singleton(parameters.dead_letter_group, Ports.settings)
    letter_source = Selector(
        Ports.event_log,
        kafka=Resource(
            closed,
            KafkaEventSource,
            Ports.brokers,
            topic=Ports.dlq_topic,
            group=letter_group,
            assignor=Ports.setting.kafka_assignor,
            session_timeout=Ports.setting.kafka_session_timeout_seconds,
        ),
        postgres=Resource(closed, PostgresEventSource, letter_engine, Ports.dlq_topic, letter_group),
    )
    replay_producer = Resource(
        opened,
        Producer,
        Ports.brokers,
        max_record_bytes=Ports.largest_letter_bytes,
        deadline=Ports.setting.publish_timeout_seconds,
        drain_limit=CONSUMER_DRAIN_SECONDS,
    )
    replay_publisher = Selector(
        Ports.event_log,
        kafka=Singleton(KafkaReplayPublisher, replay_producer, Ports.topic),
        postgres=Resource(closed, PostgresReplayPublisher, letter_engine, Ports.topic),
    )
    replay_tools = Singleton(
        Tools,
        letter_jobs,
        replay_publisher,
        Ports.log_reader,
        letter_store,
        Singleton(replays.reader, Ports.decode),
        Ports.group,
    )
    dead_letter_tasks = Singleton(
        DeadLetterTasks,
        Singleton(
            IndexLetters,
            letter_source,
            letter_index,
            Singleton(
                LetterRecords,
                Singleton(PostgresOversizeLetters, letter_engine),
                Singleton(letters.reader, Ports.topic),
                points_to=letters.points_to,
            ),
        ),
        Singleton(ReplayWorker, replay_tools, new_id),
        Singleton(AutoReplay, letter_index, letter_jobs, letter_store, Ports.pace.provided.backoff),
        Singleton(ForgetLetters, letter_index, utc_now, Singleton(parameters.letter_retention, Ports.settings)),
        replays_by_itself=Ports.setting.auto_replay,
    )
