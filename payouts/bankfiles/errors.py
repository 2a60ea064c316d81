"""What a bank file can be refused for. Sentences carry facts of form, never an IBAN, a name or an amount's owner."""

from __future__ import annotations

from backoffice.kit.errors import InputError


class UnreadableFile(InputError):
    """The file cannot be used, as a whole: nothing of it may be booked.

    `code` is one of: empty_file, file_too_large, wrong_charset, doctype_refused, too_complex, truncated, malformed, unknown_format,
    missing_field, bad_amount, bad_date, bad_value, control_sum_mismatch, unsupported_format.
    `place` says where: "line 12", "Stmt[2]/Ntry[31]", or "" for the file as a whole.
    """

    code = "unreadable_file"
    sentence = "{detail}"

    def __init__(self, code: str, sentence: str, place: str = "") -> None:
        super().__init__(detail=f"{sentence} ({place})" if place else sentence)
        self.code = code
        self.place = place


class UnsupportedFormat(UnreadableFile):
    """The file is recognised, but this product does not read that format (yet)."""

    def __init__(self, sentence: str, place: str = "") -> None:
        super().__init__("unsupported_format", sentence, place)
