"""Names of event types, and which of them are accepted."""

import pytest

from domain.event_types import LEGACY_TYPES, EventTypes, event_type


@pytest.mark.parametrize("name", ["LOGIN", "a", "order.created", "shop:cart_add-1", "x" * 64])
def test_good_names_pass(name: str) -> None:
    """Letters, digits and some punctuation, in the form that file names and labels take."""
    assert event_type(name) == name


@pytest.mark.parametrize("name", ["", "1a", "_a", "a b", "a/b", "é", "x" * 65, "a\n", "LOGIN\0", None, 1, ["a"], {}])
def test_bad_names_are_refused(name: object) -> None:
    """With what to mend."""
    with pytest.raises(ValueError, match=r"must b(e a string|egin with a letter)"):
        event_type(name)


def test_legacy_types_are_the_default() -> None:
    """In the order of the legacy service, which the message keeps."""
    assert str(LEGACY_TYPES) == "LOGIN,LOGOUT,PRODUCT_VIEW"
    assert LEGACY_TYPES.parse("LOGOUT") == "LOGOUT"
    with pytest.raises(ValueError, match=r"^must be one of LOGIN, LOGOUT, PRODUCT_VIEW$"):
        LEGACY_TYPES.parse("SIGNUP")


def test_list_keeps_its_order_without_repetitions() -> None:
    """Spaces around the names do not count."""
    types = EventTypes.of("b, a,b")
    assert types.names == ("b", "a")
    assert str(types.including([event_type("c"), event_type("a")])) == "b,a,c"


def test_star_accepts_any_good_name() -> None:
    """Names with a schema are still listed."""
    types = EventTypes.of(" * ").including([event_type("a")])
    assert (str(types), types.names, types.parse("order.created")) == ("*", ("a",), "order.created")
    for bad in ("no name", "", None, ["a"]):
        with pytest.raises(ValueError, match=r"^must b"):
            types.parse(bad)


@pytest.mark.parametrize("text", ["", "a,", "*,a", "a b"])
def test_wrong_lists_are_refused(text: str) -> None:
    """An empty list would accept nothing."""
    with pytest.raises(ValueError, match=r"^must be \* or a comma list"):
        EventTypes.of(text)


def test_long_lists_are_cut_in_messages() -> None:
    """An answer names twenty types."""
    types = EventTypes.of(",".join(f"t{index}" for index in range(1_000)))
    with pytest.raises(ValueError, match=r"t19 and 980 more$"):
        types.parse("x")


def test_any_types_that_were_seen_are_remembered_up_to_a_bound() -> None:
    """A name is checked once, and clients cannot fill the memory."""
    types = EventTypes.of("*")
    for index in range(2_000):
        types.parse(f"t{index}")
    assert types.parse("t0") is types.parse(f"t{0}")
    assert (len(types.known), types.names) == (1_000, ())
