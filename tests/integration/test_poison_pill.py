"""A poison pill is found and dead-lettered, and does no harm to its neighbours."""

from tests.support.events import an_event
from tests.support.postgres import connect
from tests.support.waiting import eventually
from tests.support.world import World, as_records

POISON = "user-poison"
LOCK = 4711
CRASHES = 7
"""Two in batches and one alone, by which time all before it is stored; then two in batches and two alone."""

# A consumer that stores the record waits here for as long as the test has the lock, and is killed meanwhile.
TRAP = f"""
CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_id = '{POISON}' THEN PERFORM pg_advisory_xact_lock({LOCK}); END IF;
    RETURN NEW;
END $$
"""
IN_THE_TRAP = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND (wait_event_type, wait_event) = ('Lock', 'advisory')
"""


async def test_a_poison_pill_is_dead_lettered_after_three_crashes(world: World) -> None:
    """A supervisor starts the consumer again each time; the neighbours are stored once, and then all goes on."""
    events = [an_event() for _ in range(10)]
    events[4] = an_event(POISON)
    holder = await connect(world.database)
    await holder.execute(f"SELECT pg_advisory_lock({LOCK})")
    await holder.execute(TRAP)
    await holder.execute("CREATE TRIGGER trap BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION trap()")
    await world.make_topic()
    await world.send(*as_records(events))
    consumer = await world.start("consumer")
    crashes = 0

    async def kill_in_the_trap() -> bool:
        nonlocal consumer, crashes
        if trapped := await world.query(IN_THE_TRAP):
            await consumer.kill9()
            # The server would notice only when the wait is over.
            await world.query("SELECT pg_terminate_backend($1, 5000)", trapped[0]["pid"])
            crashes += 1
            assert crashes <= CRASHES
            consumer = await world.start("consumer")
        return sum((await world.committed()).values()) == len(events)

    await eventually(kill_in_the_trap, "all committed", within=180)
    await holder.close()

    assert crashes == CRASHES
    (letter,) = await world.letters()
    headers = dict(letter.headers)
    assert letter.value == as_records(events)[4].value
    assert (headers["dlq.kind"], headers["dlq.error.class"]) == (b"unexpected", b"LethalRecord")
    assert headers["dlq.offset"] == b"4"
    assert await world.ids() == {event.id for event in events} - {events[4].id}
    # Not only at the end: a person has to see why it is slow.
    assert consumer.lines("reading record by record: consumers died here before")
    await consumer.logged("reading in batches again")
    await consumer.ready()
    later = an_event()
    await world.send(*as_records([later]))
    await world.stored({event.id for event in [*events[:4], *events[5:], later]})
