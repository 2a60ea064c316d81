"""A password hash that costs nothing: its format is the real one, so that the server of a test reads it."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """The real hasher with one round. Tests sign hundreds of people in; half a second each was a sixth of the suite."""

    iterations = 1
