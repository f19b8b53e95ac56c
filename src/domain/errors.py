"""The three ways in which the outside world says no; each class decides the fate of what was tried."""


class Rejected(Exception):
    """The event can never be stored or published: trying again gives the same answer."""


class LimitExceeded(Rejected):
    """A limit was exceeded, the event's or the whole store's: rejected only if the store takes another one."""


class Unavailable(Exception):
    """Not now: the outcome is unknown, and the same call may succeed later. Never a reason to park an event."""


class WrongDeployment(Exception):
    """The service does not fit what it was deployed against; a person has to act, so the process stops loudly."""
