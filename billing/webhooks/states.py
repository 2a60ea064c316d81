"""States of an inbound event, with its allowed moves."""

from django.db import models

from backoffice.kit.states import machine


class NoticeState(models.TextChoices):
    """RECEIVED and RETRY wait, PROCESSING is leased, DEAD waits for a person; the rest is done."""

    RECEIVED = "received", "received"
    PROCESSING = "processing", "being processed"
    RETRY = "retry", "to be tried again"
    PROCESSED = "processed", "processed"
    IGNORED = "ignored", "of no concern"
    STALE = "stale", "older than what we know"
    COALESCED = "coalesced", "answered with another"
    DEAD = "dead", "given up"


N = NoticeState
WAITING = (N.RECEIVED, N.RETRY)
IN_BETWEEN = (N.RECEIVED, N.PROCESSING, N.RETRY)
DONE = (N.PROCESSED, N.IGNORED, N.STALE, N.COALESCED)
NOTICE = machine(
    "inbound_event",
    "billing_inboundevent",
    NoticeState,
    {
        "": [N.RECEIVED],
        N.RECEIVED: [N.PROCESSING],
        N.RETRY: [N.PROCESSING],
        N.PROCESSING: [*DONE, N.RETRY, N.DEAD],
        **{done: [N.RECEIVED] for done in (*DONE, N.DEAD)},
    },
    column="state",
)
