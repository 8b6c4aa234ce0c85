from tools.docstrings import Docstring


def test_description_ends_at_the_first_section() -> None:
    read = Docstring.parse(
        """Looks up
        a price.

        Prices are daily.

        Args:
            article: what it is called
            amount (int): how many,
                in pieces

        Returns:
            currency: not a parameter
        """
    )
    assert read.description == "Looks up a price.\nPrices are daily."
    assert read.parameters == {"article": "what it is called", "amount": "how many, in pieces"}


def test_a_colon_in_the_text_starts_no_section() -> None:
    read = Docstring.parse("Note: this is text.\n\nArgs:\n    when: a time: now or later\n    *rest: more")
    assert read.description == "Note: this is text."
    assert read.parameters == {"when": "a time: now or later", "rest": "more"}


def test_nothing_is_nothing() -> None:
    assert Docstring.parse("") == Docstring("", {})
    assert Docstring.parse("Args:\n\n") == Docstring("", {})
