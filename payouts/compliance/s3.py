"""Documents on S3: the storage to name in DOCUMENT_STORAGE, with what django-storages leaves open decided.

Requests are signed (SigV4), wait seconds and not minutes, and never take the anonymous or public way. Credentials come from its options, or
from where boto3 looks: the environment, a profile, the role of the machine.
"""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 2
SIGNATURE = "s3v4"


class S3Documents(S3Storage):  # type: ignore[misc]
    """A bucket of sealed files. A name is written once or replaced whole; nothing in it is public."""

    def get_default_settings(self) -> dict[str, Any]:
        return super().get_default_settings() | {
            "signature_version": SIGNATURE,
            "default_acl": None,
            "file_overwrite": True,
            "transfer_config": TransferConfig(use_threads=False),
        }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # django-storages reads signature and addressing only where it makes this object itself
        self.client_config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            signature_version=self.signature_version,
            s3={"addressing_style": self.addressing_style},
            proxies=self.proxies,
        )
