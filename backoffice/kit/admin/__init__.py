"""The base of every admin screen: read-only rows, buttons as data, panels, queues, exports. Imports none of our apps."""

from backoffice.kit.admin import display, fields, viewing
from backoffice.kit.admin.buttons import Button, UnknownPermission, declare_permissions
from backoffice.kit.admin.columns import (
    choice_column,
    day_column,
    id_column,
    instant_column,
    link_column,
    money_column,
    number_column,
    person_column,
    reason_column,
    state_column,
)
from backoffice.kit.admin.export import ExportColumn
from backoffice.kit.admin.filters import CurrencyFilter, DayRangeFilter, RailFilter, value_filter
from backoffice.kit.admin.operator import OperatorAdmin
from backoffice.kit.admin.panels import Column, Download, Look, Panel, Table, plug
from backoffice.kit.admin.queues import QUEUES, Queue, queue

__all__ = [
    "QUEUES",
    "Button",
    "Column",
    "CurrencyFilter",
    "DayRangeFilter",
    "Download",
    "ExportColumn",
    "Look",
    "OperatorAdmin",
    "Panel",
    "Queue",
    "RailFilter",
    "Table",
    "UnknownPermission",
    "choice_column",
    "day_column",
    "declare_permissions",
    "display",
    "fields",
    "id_column",
    "instant_column",
    "link_column",
    "money_column",
    "number_column",
    "person_column",
    "plug",
    "queue",
    "reason_column",
    "state_column",
    "value_filter",
    "viewing",
]
