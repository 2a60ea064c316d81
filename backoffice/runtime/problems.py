"""Say what hinders the start, in a sentence, with what to do about it."""


class ServiceProblem(Exception):
    """The installation cannot start or continue for a reason the person at the terminal can remove."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".strip()
