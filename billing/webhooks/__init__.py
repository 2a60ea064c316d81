"""Inbound events: taken in at the door in one statement, answered by the worker with one look at the object."""
