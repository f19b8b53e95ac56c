"""The three ways in which the outside world says no; each class decides the fate of what was tried."""


class Rejected(Exception):
    """An event is refused, most probably for ever: the event's fault if another one is taken at that moment."""


class Unavailable(Exception):
    """Not now: the outcome is unknown, and the same call may succeed later. Never a reason to dead-letter an event."""


class Declined(Unavailable):
    """The store answered no, or nothing in time: most probably not now, but it may be one event's fault.

    It is that event's if it is declined alone, again and again, while others are taken.
    """


class WrongDeployment(Exception):
    """The service does not fit what it was deployed against; a person has to act, so the process stops loudly."""
