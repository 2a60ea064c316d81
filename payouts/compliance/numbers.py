"""Registration, VAT, tax and legal entity numbers: which kinds there are and how each is checked, by python-stdnum."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from stdnum import lei
from stdnum.be import nn
from stdnum.be import vat as be_vat
from stdnum.de import handelsregisternummer, idnr
from stdnum.de import vat as de_vat
from stdnum.es import nif
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.fr import siren, siret, tva
from stdnum.gb import utr
from stdnum.gb import vat as gb_vat
from stdnum.it import codicefiscale, iva
from stdnum.jp import cn
from stdnum.nl import bsn, btw
from stdnum.us import ein, ssn, tin

from backoffice.kit.errors import InputError


class InvalidNumber(InputError):
    code = "invalid_number"
    sentence = "This is not a valid {what}. Check it against the document it stands on."


def _shaped(pattern: str) -> Callable[[str], str]:
    """Return a check for a number that has a published shape and no check digit."""
    shape = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        compact = re.sub(r"[\s.-]", "", text).upper()
        if not shape.fullmatch(compact):
            raise InvalidNumber(what="number")
        return compact

    return check


# kind → (what people call it, check that answers the compact number)
KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "lei": ("legal entity identifier (LEI)", lei.validate),
    "eu_vat": ("EU VAT number", eu_vat.validate),
    "fr_siren": ("SIREN", siren.validate),
    "fr_siret": ("SIRET", siret.validate),
    "fr_vat": ("French VAT number", tva.validate),
    "de_register": ("German commercial register number, with the court", handelsregisternummer.validate),
    "de_vat": ("German VAT number", de_vat.validate),
    "de_tax": ("German tax identification number", idnr.validate),
    "es_nif": ("Spanish NIF", nif.validate),
    "it_vat": ("Italian partita IVA", iva.validate),
    "it_tax": ("Italian codice fiscale", codicefiscale.validate),
    "be_enterprise": ("Belgian enterprise number", be_vat.validate),
    "be_national": ("Belgian national number", nn.validate),
    # KVK numbers carry no check digit: eight digits of the Handelsregister (Handelsregisterbesluit 2008, article 9).
    "nl_kvk": ("KVK number", _shaped(r"\d{8}")),
    "nl_vat": ("Dutch VAT number", btw.validate),
    "nl_bsn": ("Dutch citizen service number", bsn.validate),
    # Companies House: eight characters, two letters for Scotland, Northern Ireland and partnerships.
    "gb_company": ("Companies House number", _shaped(r"\d{8}|[A-Z]{2}\d{6}")),
    "gb_vat": ("UK VAT number", gb_vat.validate),
    "gb_utr": ("UK unique taxpayer reference", utr.validate),
    "us_ein": ("US employer identification number (EIN)", ein.validate),
    "us_ssn": ("US social security number", ssn.validate),
    "us_tin": ("US taxpayer identification number", tin.validate),
    "jp_corporate": ("Japanese corporate number", cn.validate),
    # A police permit for dealing in used goods: twelve digits, the first two name the prefecture's commission.
    "jp_kobutsu": ("Japanese used goods dealer permit number", _shaped(r"\d{12}")),
    "any": ("registration number", _shaped(r"[A-Z0-9/]{3,30}")),
}


def check_number(kind: str, text: str) -> str:
    """Return the compact number. Refuses: InvalidNumber, without repeating what was given."""
    what, check = KINDS[kind]
    try:
        return str(check(text))
    except (ValidationError, InvalidNumber):
        raise InvalidNumber(what=what) from None
