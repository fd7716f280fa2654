"""Expressions of topics mean the same to the program and to the client, which has another engine for them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.edges.kafka.config import KafkaSettings, consumer_config, selects, subscription
from consumer.settings.kafka import checked_patterns
from tests.unit import posix

_WORDS = ("a", "b", "Z", "0", "7", "shop", "_", "-", r"\.", ".", r"\-")
_CLASSES = ("[ab]", "[a-c]", "[0-9]", "[^a]", "[^0-9.]", "[-a]", "[a-]", "[A-Za-z0-9_]", "[.]", "[^-z]")
_REPEATED = ("", "", "*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "{2,3}")


ATOMS = st.sampled_from(_WORDS + _CLASSES)


def _repeated(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(pieces, st.sampled_from(_REPEATED)).map("".join)


def _branched(pieces: st.SearchStrategy[str], begins: tuple[str, ...], ends: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Alternatives of pieces."""
    middle = st.lists(pieces, min_size=1, max_size=3).map("".join)
    branch = st.tuples(st.sampled_from(begins), middle, st.sampled_from(ends)).map("".join)
    return st.lists(branch, min_size=1, max_size=3).map("|".join)


def _grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Groups, which are repeated if they hold neither beginning nor end."""
    return _repeated(_branched(inner, ("",), ("",)).map("({})".format))


PLAIN = st.recursive(_repeated(ATOMS), _grouped, max_leaves=3)
HELD = _branched(PLAIN, ("", "", "^"), ("", "", "$"))
EXPRESSIONS = _branched(PLAIN | HELD.map("({})".format), ("", "", "^"), ("", "", "$")).map("^{}".format)
# of this and that language, whole and in parts
_ODD = r"""
^ $ | ( ) (? (?: [ ] [^ { } {,2} : ! < = , [[:digit:]] \d \w \W \s \b \B \< \> \` \' \A \Z \1 \x61 \_ \\
*? ++ ?? ** {2}{2} [\w] [a-Z] []a] [a&&b] [_-a]
"""
PIECES = (*_WORDS, *_CLASSES, *_REPEATED, *_ODD.split())
# short ones, since groups that repeat groups are tried in each way
NAMES = st.text("abzZ07.-_", min_size=1, max_size=5) | st.tuples(
    st.sampled_from(("shop", "a", ".")), st.sampled_from("a0-_")
).map("".join)


def settings(*topics: str, dead: tuple[str, ...] = ()) -> KafkaSettings:
    """These topics alone."""
    return KafkaSettings(bootstrap_servers="", group="g", topics=topics, dead=dead)


@given(EXPRESSIONS, st.lists(NAMES, min_size=1, max_size=6))
def test_the_client_takes_what_the_program_takes(expression: str, names: list[str]) -> None:
    """Anywhere in a name, as the older protocols look for it, and of a whole name, as brokers do by KIP-848."""
    checked_patterns([expression])
    reads, passes = settings(expression), settings("^.*", dead=(expression,))
    (asked,) = subscription(reads)
    refused = str(consumer_config(passes)["topic.blacklist"]).split(",")
    for name in names:
        assert selects(reads, name) is bool(re.match(expression, name))
        assert posix.finds(asked, name) is selects(reads, name)
        assert bool(re.fullmatch(asked, name)) is selects(reads, name)
        if "," not in expression:
            assert any(posix.finds(one, name) for one in refused) is not selects(passes, name)


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join),
    st.lists(NAMES, min_size=1, max_size=6),
)
def test_so_it_does_of_all_that_passes_the_check(text: str, names: list[str]) -> None:
    """Whatever stands there; the check refuses more than it would have to."""
    expression = f"^{text}"
    try:
        checked_patterns([expression])
    except ValueError:
        return
    reads = settings(expression)
    for name in names:
        assert posix.finds(subscription(reads)[0], name) is selects(reads, name)
        assert selects(reads, name) is bool(re.match(expression, name))


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        (r"^shop\.orders_\d+$", "[0-9]"),
        (r"^shop\.\w+$", "[A-Za-z0-9_]"),
        (r"^shop\.\W+$", "[^A-Za-z0-9_]"),
        (r"^shop\b", "another meaning"),
        (r"^\<shop", "another meaning"),
        (r"^(a)\1", "another meaning"),
        ("^(?i)shop", "( and )"),
        ("^(?:a|b)", "( and )"),
        ("^shop(?!x)", "( and )"),
        ("^shop.*?x", "the second"),
        ("^shop.++", "the second"),
        ("^a{2}{3}", "the second"),
        ("^[[:alpha:]]", "ranges"),
        (r"^[\w]", "ranges"),
        ("^[a-Z]", "ranges"),
        ("^[]a]", "ranges"),
        ("^a{,2}", "{n,m}"),
        ("^a{", "{n,m}"),
        ("^a}", "{n,m}"),
        ("^a{256}", "255"),
        ("^a^b", "beginning"),
        ("^a$b", "end"),
        ("^(^.){2}", "not repeated"),
        ("^((a$)|b)*", "not repeated"),
        ("^(a|)", "empty"),
        ("^()", "empty"),
        ("^", "empty"),
        ("^a||b", "empty"),
        ("^a b", "letters"),
        ("^é", "letters"),
        ("^(a", "unterminated"),
        ("^a)", "unbalanced"),
        ("^a|*", "nothing to repeat"),
        ("^[z-a]", "bad character range"),
        ("^a{3,2}", "min repeat"),
    ],
)
def test_what_the_two_read_differently_is_refused(expression: str, remedy: str) -> None:
    """With what to write instead, before anything is read."""
    with pytest.raises(ValueError, match=re.escape(remedy)) as caught:
        checked_patterns([expression])
    assert repr(expression) in str(caught.value)


def test_a_comma_can_not_be_told_to_the_client_of_what_is_no_source() -> None:
    """It takes a list of them in one text."""
    checked_patterns(["^a{1,2}$"])
    with pytest.raises(ValueError, match="comma"):
        checked_patterns(["^a{1,2}$"], listed=True)


@pytest.mark.parametrize(
    ("topic", "is_read"),
    [
        ("connect-configs", False),
        ("prod-connect-offsets", False),
        ("connect_status", False),
        ("connect.configs", False),
        ("_schemas", False),
        ("__consumer_offsets", False),
        ("shop.public.connect_status", True),
        ("shop.public.reconnect_status", True),
        ("device_connect_status", True),
        ("shop.public.connect-status", True),
    ],
)
def test_topics_of_kafka_and_its_companions_are_no_tables(topic: str, is_read: bool) -> None:
    """Neither by an expression that means all, nor for the member; a table may have nearly such a name."""
    every, named = settings("^.*"), settings("^.*", topic)
    assert selects(every, topic) is is_read
    assert any(re.search(hidden, topic) for hidden in _hidden(every)) is not is_read
    # who names a topic wants it
    assert selects(named, topic)
    assert not any(re.search(hidden, topic) for hidden in _hidden(named))


def _hidden(of: KafkaSettings) -> list[str]:
    return str(consumer_config(of)["topic.blacklist"]).split(",")
