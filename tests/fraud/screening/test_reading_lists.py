"""Five formats are read; damaged and hostile files are refused with their place, and nothing of them is kept."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from fraud.screening.reading import ReadEntry, UnreadableList, read_list
from fraud.screening.reading.entries import country_code

UN = """<?xml version="1.0" encoding="UTF-8"?>
<CONSOLIDATED_LIST><INDIVIDUALS><INDIVIDUAL><DATAID>17</DATAID><FIRST_NAME>ZOLTAN</FIRST_NAME><SECOND_NAME>KRABBENHOFT</SECOND_NAME>
<UN_LIST_TYPE>TST</UN_LIST_TYPE><REFERENCE_NUMBER>TSi.001</REFERENCE_NUMBER><NATIONALITY><VALUE>Hungary</VALUE></NATIONALITY>
<INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>Zoli; Zolika K.</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_ALIAS><QUALITY/><ALIAS_NAME/></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>BETWEEN</TYPE_OF_DATE><FROM_YEAR>1960</FROM_YEAR><TO_YEAR>1962</TO_YEAR></INDIVIDUAL_DATE_OF_BIRTH>
<INDIVIDUAL_DOCUMENT><NUMBER>HU 55-88 7712</NUMBER></INDIVIDUAL_DOCUMENT></INDIVIDUAL></INDIVIDUALS>
<ENTITIES><ENTITY><DATAID>18</DATAID><FIRST_NAME>MARQUESSA TRADING</FIRST_NAME>
<ENTITY_ADDRESS><COUNTRY>Democratic People's Republic of Korea</COUNTRY></ENTITY_ADDRESS></ENTITY></ENTITIES></CONSOLIDATED_LIST>"""
SDN = """17,"KRABBENHOFT, Zoltan","individual","SDGT] [IRAQ2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 17 Apr 1961; nationality Hungary; Passport HU5588771 (Hungary); a.k.a. 'ZOLI'."
18,"MARQUESSA TRADING",-0- ,"SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0-
\x1a
"""
EU = """\ufefffileGenerationDate;Entity_LogicalId;Entity_SubjectType_ClassificationCode;Entity_Regulation_Programme;NameAlias_WholeName;BirthDate_BirthDate;Citizenship_CountryIso2Code;Identification_Number
21/11/2026;13;P;TST;Zoltan Krabbenhoft;;;
21/11/2026;13;P;TST;Zoltán Krabbenhöft;;;
21/11/2026;13;P;TST;;1961-04-17;HU;
21/11/2026;14;E;TST;Marquessa Trading;;;RC9908812
"""
OPEN = """"id","schema","name","aliases","birth_date","countries","addresses","identifiers","sanctions","phones","emails","dataset"
"NK-a","Person","Zoltan Krabbenhoft","Zoli K.;Zoltán","1961-04-17;1962","hu;ro","","HU5588771","","","","Test"
"NK-b","Company","Marquessa Trading","","","pa","","","","","","Test"
"""
OWN = "source_id,name,kind,aliases,birth_date,countries\na1,Zoltan Krabbenhoft,person,Zoli K.,1961-04-17,HU\nb2,Marquessa Trading,entity,,,\n"


def read(folder: Path, text: str | bytes, list_format: str, name: str = "list") -> list[ReadEntry]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_list(path, list_format))


@pytest.mark.parametrize(
    ("text", "list_format"), [(UN, "un-xml"), (SDN, "ofac-sdn"), (EU, "eu-csv"), (OPEN, "opensanctions-csv"), (OWN, "csv")]
)
def test_each_format_gives_the_same_neutral_entries(tmp_path: Path, text: str, list_format: str) -> None:
    person, entity = read(tmp_path, text, list_format, "sdn.csv")
    assert (person.kind, entity.kind) == ("person", "entity")
    assert {"zoltan", "krabbenhoft"} <= set(person.name.lower().replace(",", "").split())
    assert person.aliases and person.births[0].startswith(("1960", "1961")) and "HU" in person.countries
    assert "marquessa" in entity.name.lower()
    assert read(tmp_path, gzip.compress(text.encode()), list_format, "sdn.csv")[0].fingerprint() == person.fingerprint()


def test_weak_aliases_several_names_in_one_field_and_spans_of_years_are_understood(tmp_path: Path) -> None:
    person, entity = read(tmp_path, UN, "un-xml")
    assert person.aliases == [("Zoli", True), ("Zolika K.", True)]
    assert person.births == ["1960", "1961", "1962"]
    assert (person.identifiers, entity.countries) == (["HU55887712"], ["KP"])


def test_ofac_reads_the_files_beside_it_and_loses_no_alias(tmp_path: Path) -> None:
    (tmp_path / "ALT.CSV").write_text('17,1,"aka","K. ZOLTAN",-0- \n99,2,"aka","LOST AND FOUND CO",-0- \n')
    (tmp_path / "add.csv").write_text('17,1,-0- ,"Budapest","Hungary",-0- \n')
    (tmp_path / "sdn_comments.csv").write_text("18,\"a.k.a. 'THE MARCHIONESS'.\"\n")
    entries = {entry.source_id: entry for entry in read(tmp_path, SDN, "ofac-sdn", "sdn.csv")}
    assert ("K. ZOLTAN", False) in entries["17"].aliases and ("ZOLI", True) in entries["17"].aliases
    assert ("THE MARCHIONESS", True) in entries["18"].aliases
    assert entries["99"].name == "LOST AND FOUND CO"
    assert (entries["17"].births, entries["17"].programmes) == (["1961-04-17"], ["IRAQ2", "SDGT"])


@pytest.mark.parametrize(
    ("text", "list_format", "said"),
    [
        (UN[:900], "un-xml", "line"),
        (UN.replace("<CONSOLIDATED_LIST>", '<!DOCTYPE l [<!ENTITY a "b">]><CONSOLIDATED_LIST>'), "un-xml", "document type"),
        ("<html></html>", "un-xml", "root element"),
        (UN.replace("ZOLTAN", "").replace("KRABBENHOFT", "").replace("Zoli; Zolika K.", ""), "un-xml", "no name"),
        (UN.replace(">18<", ">17<"), "un-xml", "twice"),
        ("<CONSOLIDATED_LIST/>", "un-xml", "no entry"),
        (b"\x00\x01\x02", "csv", "zero bytes"),
        ("name\nZoltan\n", "csv", "source_id is missing"),
        ("", "csv", "missing"),
        (OWN.replace("HU", "Ruritania"), "csv", "line 2"),
        (OWN.replace("1961-04-17", "sometime"), "csv", "birth_date"),
        (OWN.replace(",entity,", ",robot,"), "csv", "line 3"),
        (OWN + "c3,X,person,,,,,too,many\n", "csv", "line 4"),
        ('source_id,name\na1,"Zoltan\n', "csv", "damaged"),
        ("17,ZOLTAN\n", "ofac-sdn", "twelve cells"),
        (b"\x1f\x8b\x08broken", "csv", "gzip"),
        (gzip.compress(UN.encode())[:-20], "un-xml", "gzip"),
        (OWN, "nothing-known", "no format"),
    ],
)  # fmt: skip
def test_a_damaged_list_is_refused_with_its_place(tmp_path: Path, text: str | bytes, list_format: str, said: str) -> None:
    with pytest.raises(UnreadableList, match=said):
        read(tmp_path, text, list_format, "sdn.csv")


@pytest.fixture(name="django_settings")
def _django_settings(settings: Any) -> Any:
    return settings


def test_a_packed_bomb_stops_at_the_limit(tmp_path: Path, django_settings: Any) -> None:
    django_settings.SCREENING_LIST_MAX_BYTES = 1_000_000
    with pytest.raises(UnreadableList, match="larger"):
        read(tmp_path, gzip.compress(b"<CONSOLIDATED_LIST>" + b" \n" * 2_000_000), "un-xml")


@examples(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_gives_anything_but_entries_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text, list_format = data.draw(
        st.sampled_from([(UN, "un-xml"), (SDN, "ofac-sdn"), (EU, "eu-csv"), (OPEN, "opensanctions-csv"), (OWN, "csv")])
    )
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=6))
    try:
        for entry in read(tmp_path_factory.mktemp("damaged"), bytes(content), list_format, "sdn.csv"):
            assert entry.source_id and entry.name
    except UnreadableList as refusal:
        assert str(refusal).startswith("This is no usable list")


def test_countries_are_known_by_the_names_lists_give_them() -> None:
    named = ["Iran (Islamic Republic of)", "Russia", "Korea, North", "fr", "Côte d’Ivoire", "Atlantis", ""]
    assert [country_code(name) for name in named] == ["IR", "RU", "KP", "FR", "CI", "", ""]
