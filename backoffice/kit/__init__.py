"""What everything stands on; imports none of our apps.

Money, ids, states with history, verbs, idempotency, gates, outbox, actors, approvals, encryption, clock, truths, and the bases of
admin and API.
"""
