"""Devices bought from consumers: agreed, received, accepted, paid by the ordinary run."""
