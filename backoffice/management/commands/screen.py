"""Compare a name with the screening lists."""

from argparse import ArgumentParser
from datetime import date, datetime
from typing import Any

from backoffice.kit.actors import system
from backoffice.kit.commands import OperatorCommand
from backoffice.kit.errors import InputError, Refusal
from fraud.screening.operations import look_up


class NoAnswer(Refusal):
    code = "screening_failed"
    sentence = "There is no answer, which is not a clean one: {why}"


class Command(OperatorCommand):
    help = "Compare a name with the screening lists: hits with scores and why. Exit 1 when there is no answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--birth-date", metavar="YYYY-MM-DD")
        parser.add_argument("--country", action="append", default=[], metavar="CC", help="ISO code; may be given again")
        parser.add_argument("--kind", choices=["person", "entity", "unknown"], default="unknown")

    def run(self, *, name: str, birth_date: str | None, country: list[str], kind: str, at: datetime, **_: Any) -> dict[str, Any]:
        answer = look_up(name=name, birth_on=_day(birth_date), countries=country, kind=kind, actor=system("screen"), at=at)
        if answer["result"] == "failed":
            raise NoAnswer(why=answer["sentence"])
        return answer

    def human(self, answer: dict[str, Any]) -> None:
        self.stdout.write(answer["sentence"] or f"{answer['result']} (threshold {answer['threshold']:g})")
        for hit in answer["hits"]:
            self.stdout.write(
                f"{hit['score']:6.2f}  {hit['name']}  [{hit['list']} {hit['entry']}]{'  strong' if hit['strong'] else ''}"
            )
            for factor in hit["why"]:
                self.stdout.write(f"        {factor['points']:+7.2f}  {factor['sentence']}")


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(detail="--birth-date is a day such as 1957-03-10.") from None
