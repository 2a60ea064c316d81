"""manage.py rotate_field_keys: seal every field again with the first key of FIELD_KEYS."""

from datetime import datetime
from typing import Any

from backoffice.kit.actors import system
from backoffice.kit.commands import PARTLY, OperatorCommand
from backoffice.staff.field_keys import rotate_field_keys


class Command(OperatorCommand):
    """Rotate the field keys."""

    help = "Seal every encrypted field again with the first key of FIELD_KEYS. May be killed and started again."

    def run(self, *, at: datetime, **_: Any) -> dict[str, Any]:
        rotation = rotate_field_keys(actor=system("rotate_field_keys"), at=at)
        if not rotation.is_complete:
            self.exit_code = PARTLY
        return {
            "key": rotation.key_id,
            "rotated": rotation.rotated,
            "failed": rotation.failed,
            "failed_rows": rotation.failed_rows,
            "keys_in_use": rotation.keys_in_use,
            "old_keys_removable": rotation.is_complete,
        }
