"""What commands print fits a plain terminal."""

from bin.folding import WIDTH, folded


def test_what_follows_the_first_line_stands_below_it() -> None:
    first, *more = folded("ok   plan   ", "word " * 40).splitlines()
    assert first.startswith("ok   plan   word")
    assert more
    assert all(line.startswith(" " * 12 + "word") for line in more)
    assert max(map(len, [first, *more])) <= WIDTH


def test_a_long_word_stays_whole() -> None:
    path = "/a/very/" + "long-" * 20 + "path"
    assert path in folded("at ", f"it is in {path}").splitlines()[-1]


def test_little_text_is_left_alone() -> None:
    assert folded("note ", "nothing") == "note nothing"
