"""The index of dead letters, the jobs that replay them, and the audit log."""

from alembic import op

from adapters.postgres.schema.adoption import refuse_foreign

revision = "0008"
down_revision = "0007"


_TABLES = (
    "dead_letters",
    "dead_letter_attempts",
    "dead_letter_edits",
    "dead_letter_jobs",
    "dead_letter_job_items",
    "audit_log",
    "audit_log_letters",
)


def upgrade() -> None:
    refuse_foreign(op.get_bind(), *_TABLES)
    _dead_letters()
    _attempts()
    _audit_log()
    _audit_log_letters()
    _edits()
    _append_only()
    _jobs()
    _job_items()


def _dead_letters() -> None:
    op.execute("""
        CREATE TABLE dead_letters (
            id TEXT COLLATE "C" PRIMARY KEY,
            state TEXT NOT NULL DEFAULT 'dead',
            topic TEXT,
            partition INT,
            "offset" BIGINT,
            "timestamp" BIGINT,
            dlq_partition INT NOT NULL,
            dlq_offset BIGINT NOT NULL,
            kind TEXT NOT NULL,
            error_class TEXT,
            message TEXT,
            sqlstate TEXT,
            fingerprint TEXT NOT NULL,
            event_id UUID,
            user_id TEXT,
            event_type TEXT,
            attempts INT NOT NULL,
            failed_replay INT NOT NULL,
            failed_edit INT NOT NULL,
            replays INT NOT NULL,
            edits INT NOT NULL DEFAULT 0,
            first_failed_at TIMESTAMPTZ NOT NULL,
            failed_at TIMESTAMPTZ NOT NULL,
            changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
            key BYTEA,
            value BYTEA,
            headers JSON NOT NULL
        )
    """)
    op.execute("CREATE INDEX dead_letters_failed_at_id_idx ON dead_letters (failed_at, id)")
    op.execute("CREATE INDEX dead_letters_fingerprint_failed_at_idx ON dead_letters (fingerprint, failed_at)")
    op.execute("CREATE INDEX dead_letters_user_id_failed_at_idx ON dead_letters (user_id, failed_at)")
    # What is rare is found as quickly as what is not.
    for column in ("state", "kind", "error_class"):
        op.execute(f"CREATE INDEX dead_letters_{column}_failed_at_id_idx ON dead_letters ({column}, failed_at, id)")
    op.execute("CREATE INDEX dead_letters_event_id_idx ON dead_letters (event_id)")


def _attempts() -> None:
    op.execute("""
        CREATE TABLE dead_letter_attempts (
            dlq_partition INT NOT NULL,
            dlq_offset BIGINT NOT NULL,
            letter_id TEXT COLLATE "C" NOT NULL,
            replays INT NOT NULL,
            edit INT NOT NULL,
            kind TEXT NOT NULL,
            error_class TEXT,
            message TEXT,
            sqlstate TEXT,
            attempts INT NOT NULL,
            failed_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (dlq_partition, dlq_offset)
        )
    """)
    op.execute("CREATE INDEX dead_letter_attempts_letter_id_idx ON dead_letter_attempts (letter_id)")


def _audit_log() -> None:
    op.execute("""
        CREATE TABLE audit_log (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            wanted JSON NOT NULL,
            counts JSON NOT NULL,
            reason TEXT NOT NULL
        )
    """)


def _audit_log_letters() -> None:
    op.execute("""
        CREATE TABLE audit_log_letters (
            letter_id TEXT COLLATE "C" NOT NULL,
            audit_id BIGINT NOT NULL REFERENCES audit_log (id),
            PRIMARY KEY (letter_id, audit_id)
        )
    """)


def _edits() -> None:
    op.execute("""
        CREATE TABLE dead_letter_edits (
            letter_id TEXT COLLATE "C" NOT NULL,
            number INT NOT NULL,
            audit_id BIGINT NOT NULL REFERENCES audit_log (id),
            key BYTEA,
            value BYTEA NOT NULL,
            event_id UUID NOT NULL,
            user_id TEXT NOT NULL,
            event_type TEXT NOT NULL,
            PRIMARY KEY (letter_id, number)
        )
    """)


def _append_only() -> None:
    op.execute("""
        CREATE FUNCTION audit_log_is_append_only() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit log is append-only';
        END
        $$
    """)
    for table in ("audit_log", "audit_log_letters", "dead_letter_edits"):
        op.execute(f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()
        """)


def _jobs() -> None:
    op.execute("""
        CREATE TABLE dead_letter_jobs (
            id UUID PRIMARY KEY,
            audit_id BIGINT NOT NULL REFERENCES audit_log (id),
            action TEXT NOT NULL,
            terms JSON NOT NULL,
            state TEXT NOT NULL,
            why TEXT,
            letters INT NOT NULL,
            created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
            started_at TIMESTAMPTZ,
            ended_at TIMESTAMPTZ,
            worker UUID,
            lease_until TIMESTAMPTZ
        )
    """)
    op.execute("CREATE INDEX dead_letter_jobs_audit_id_idx ON dead_letter_jobs (audit_id)")


def _job_items() -> None:
    op.execute("""
        CREATE TABLE dead_letter_job_items (
            job_id UUID NOT NULL REFERENCES dead_letter_jobs (id),
            place INT NOT NULL,
            letter_id TEXT COLLATE "C" NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting',
            replay INT NOT NULL,
            edit INT NOT NULL,
            needs_new_id BOOLEAN NOT NULL,
            fingerprint TEXT NOT NULL,
            partition INT,
            "offset" BIGINT,
            why TEXT,
            changed_at TIMESTAMPTZ,
            PRIMARY KEY (job_id, place)
        )
    """)
    op.execute("CREATE INDEX dead_letter_job_items_state_idx ON dead_letter_job_items (job_id, state, place)")
    op.execute("CREATE UNIQUE INDEX dead_letter_job_items_letter_id_idx ON dead_letter_job_items (letter_id, job_id)")
