"""Names are compared part by part, the same from both sides, and what cannot be compared says so."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.screening.matching.compare import compare
from fraud.screening.matching.index import Listed, NameIndex
from fraud.screening.matching.matcher import EntryFacts, Matcher, Query, unscreenable
from fraud.screening.matching.names import read_name
from fraud.screening.matching.parts import likeness

LISTED = [
    "Zoltan Krabbenhoft Vasquelle",
    "Mohammed Abdelrahman Tazouti",
    "Marquessa Overseas Trading Ltd",
    "محمد عبد الرحمن تازوتي",
    "Gul Agha",
]
WEIGH = NameIndex([Listed(n, text) for n, text in enumerate(LISTED)]).rarity.weigh
MATCHER = Matcher([EntryFacts(n, "unknown", [(text, False)]) for n, text in enumerate(LISTED)])
NAMES = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from("zoltan Krabbenhöft al Mohammed muhamad abd-el-Rahman J. Ltd محمد Юрий bin ibn o'Brien 王".split()), max_size=7).map(" ".join),
)  # fmt: skip


@given(NAMES)
def test_any_text_reads_as_a_name_and_its_reading_reads_the_same(text: str) -> None:
    name = read_name(text)
    assert all(part.isascii() and part.isalnum() and part == part.lower() for part in name.parts)
    if name.parts and not name.problem:
        assert read_name(" ".join(name.parts)).parts == name.parts
    assert name.problem or sum(map(len, name.parts)) >= 3


@given(NAMES, NAMES)
def test_the_score_is_the_same_from_both_sides_and_between_0_and_100(one: str, other: str) -> None:
    there, back = compare(read_name(one), read_name(other), WEIGH), compare(read_name(other), read_name(one), WEIGH)
    assert there.score == back.score
    assert 0 <= there.score <= 100


@given(NAMES)
def test_a_name_that_can_be_compared_is_its_own_best_match(text: str) -> None:
    name = read_name(text)
    if not name.problem:
        assert compare(name, name, WEIGH).score == 100


@given(st.text("abcdefghiklmopstuy", min_size=1, max_size=12), st.text("abcdefghiklmopstuy", min_size=1, max_size=12))
def test_likeness_of_parts_is_symmetric(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one) == 1


@pytest.mark.parametrize(
    "altered",
    [
        "Zoltan Krabenhoft Vasquelle",  # a letter lost
        "Zotlan Krabbenhoft Vasquelle",  # two letters swapped
        "Vasquelle, Zoltan Krabbenhoft",  # another order
        "ZOLTÁN KRABBENHÖFT VASQUELLE",  # diacritics
        "Zoltan Krabbenhoft",  # a part dropped
        "Zoltan Maria Krabbenhoft Vasquelle",  # a part added
        "Z. Krabbenhoft Vasquelle",  # an initial
        "Zoltan KrabbenhoftVasquelle",  # two parts in one word
        "zoltankrabbenhoftvasquelle",  # all in one word
        "Zoltan Krabben hoft Vasquelle",  # one part in two words
        "Mouhamad Abd-el-Rahman Tazuti",  # another romanisation
        "محمد عبدالرحمن تازوتي",  # another script
        "Мохаммед Абдельрахман Тазути",
        "Marquessa Overseas Trading Limited",  # the legal form in full
        "Marquessa Overseas Tradnig",
    ],
)
def test_an_altered_name_is_found(altered: str) -> None:
    found = MATCHER.match(Query([altered]), 80)
    assert found, altered
    assert found[0].factors[0].sentence


@pytest.mark.parametrize(
    "clean",
    [
        "Gul Ahmed",
        "Mohammed",
        "Overseas Trading Ltd",
        "Zoltan Nagy",
        "Vasquez Zoltan",
        "Agha Khan",
        "Abdelrahman Salim",
        "Tazmania Ltd",
        "محمد",
    ],
)
def test_a_name_that_shares_one_common_part_is_no_hit(clean: str) -> None:
    assert MATCHER.match(Query([clean]), 80) == []


SHARED = Matcher(
    EntryFacts(n, "unknown", [(text, False)])
    for n, text in enumerate(
        ["LOPEZ AISPURO, Armando", "Zoltan Krabbenhoft Vasquelle", "IRAN PARAK", "JAK-A", "TYURINE, Vladimir", "MAHDAWI, Hasan"]
        + [
            f"LOPEZ {letters}ORENA, Armando"
            for letters in ("B", "C", "D", "F", "G", "H", "J", "K", "L", "M", "N", "P", "R", "S", "T", "V")
        ]
    )
)


@pytest.mark.parametrize(
    ("clean", "why"),
    [
        ("Armando López", "a given name and a surname that many share, and the list has another surname"),
        ("Erin Price", "two parts that both merely resemble"),
        ("Jack Atwal", "an initial answers a surname, and the given name only resembles"),
        ("مهدي حسنی", "letters without vowels, and no part agrees closely"),
    ],
)
def test_chance_alone_is_no_hit(clean: str, why: str) -> None:
    assert SHARED.match(Query([clean]), 80) == [], why


def test_what_few_share_still_hits_with_a_part_left_out_and_a_vague_likeness_says_so() -> None:
    assert SHARED.match(Query(["Zoltan Krabbenhoft"]), 80)
    assert SHARED.match(Query(["Armando Lopez Aispuro"]), 80)[0].score > 95
    assert likeness("teterin", "tyurine") < likeness("teterin", "tetorin"), "a repeated consonant counts"
    told = [factor.sentence for match in SHARED.match(Query(["Erin Price"]), 60) for factor in match.factors]
    assert any("no part agrees closely" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no_letters"), ("--- 12", "no_letters"), ("Li", "too_short"), ("王小明", "script_not_comparable"), ("김정은", "script_not_comparable"),
        ("สมชาย", "script_not_comparable"), ("x" * 501, "too_long"), ("Юрий", ""), ("محمد", ""), ("Łukasz", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_why(text: str, problem: str) -> None:
    assert unscreenable([text]) == problem


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        ("JSC Kwarzimov Instruments", "Kwarzimov Instruments Joint Stock Company"),
        ("OAO Kwarzimov Instruments", "Open Joint Stock Company Kwarzimov Instruments"),
        ("Kwarzimov Instruments PJSC", "Публичное акционерное общество Kwarzimov Instruments"),
        ("ООО Кварзимов", "Общество с ограниченной ответственностью «Кварзимов»"),
        ("SRL Pro Kwarz", "Societatea cu Răspundere Limitată PRO KWARZ"),
        ("Kwarz Handel GmbH", "Kwarz Handel Gesellschaft mit beschränkter Haftung"),
    ],
)
def test_a_legal_form_in_full_is_its_letters(written: str, listed: str) -> None:
    matcher = Matcher([EntryFacts(1, "entity", [(listed, False)])])
    assert [one.score >= 88 for one in matcher.match(Query([written], "entity"), 60)] == [True]


def test_who_is_called_nothing_but_a_legal_form_keeps_it() -> None:
    assert read_name("Joint Stock Company").parts == ("joint", "stock", "company")


def test_one_comparable_name_is_enough() -> None:
    assert unscreenable(["王小明", "Wang Xiaoming"]) == ""
    assert unscreenable([]) == "no_letters"


def test_birth_date_country_kind_and_identifier_are_factors_of_their_own() -> None:
    entry = EntryFacts(1, "person", [("Zoltan Krabbenhoft Vasquelle", False)], ("1961-04-17",), ("HU",), ("HU55887712",))
    matcher = Matcher([entry])

    def judged(**more: object) -> tuple[float, dict[str, float]]:
        match = matcher.match(Query(["Zoltan Krabenhoft Vasquele"], **{"kind": "person", **more}), 60)[0]  # type: ignore[arg-type]
        return match.score, {factor.code: factor.points for factor in match.factors}

    alone, _ = judged()
    assert judged(birth_on=date(1961, 4, 17), countries=["HU"])[1]["birth_date"] == 6
    assert judged(birth_on=date(1999, 1, 1))[0] == alone - 15
    assert judged(countries=["FR"])[0] == alone - 3
    assert judged(kind="entity")[0] == alone - 20
    assert judged(identifiers=["HU55887712"])[0] == 100
    assert matcher.match(Query(["Somebody Else"], identifiers=["HU55887712"]), 80)[0].factors[0].code == "identifier"


def test_an_index_of_a_difference_scores_as_the_whole_list_does() -> None:
    listed = [Listed(n, f"{first} {last}") for n, (first, last) in enumerate([(a, b) for a in "Ali Omar Hassan Yusuf".split() for b in "Tazouti Zerrifi Ali".split()])]  # fmt: skip
    whole = NameIndex(listed)
    difference = NameIndex(listed[-2:], whole.rarity)
    name = read_name("Yusef Zerifi")
    found = {one.listed.entry: one.comparison.score for one in whole.search(name, 50)}
    assert {one.listed.entry: one.comparison.score for one in difference.search(name, 50)}.items() <= found.items()
    assert found
