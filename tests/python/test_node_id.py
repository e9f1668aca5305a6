"""NodeId: a str that holds a node id and nothing else."""

import copy
import ipaddress
import json
import pickle
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from noex_cluster import ClusterError, InvalidNodeIdError, NodeId

VALID = [
    "app1@192.168.1.1:4369",
    "worker-1@localhost:4370",
    "node_2@[::1]:4369",
    "api-server@api.example.com:4369",
    "a@h:1",
    f"{'a' * 64}@h:65535",
]
INVALID = [
    "",
    "app1",
    "app1@host",
    "192.168.1.10:4369",
    "seed1:192.168.1.10:4369",
    "1app@host:4369",
    "app@host:99999",
    "app@host:0",
    "app@host:-1",
    "app@host:x",
    "@host:1",
    "app@:1",
    f"{'a' * 65}@h:1",
    "a b@h:1",
    "a@h h:1",
    "a@[::1:5",
    "é@h:1",
    "a@h:1\0",
    "a\0@h:1",
    "a@h:1\n",
    "\ud800@h:1",
]
NAMES = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from(string.ascii_letters),
    st.text(string.ascii_letters + string.digits + "_-", max_size=63),
)
HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,20}[a-z0-9])?){0,3}", fullmatch=True),
)
PORTS = st.integers(1, 65535)


@pytest.mark.parametrize("text", VALID)
def test_a_valid_id_is_its_text(text: str) -> None:
    node_id = NodeId.parse(text)
    assert node_id == text
    assert type(node_id) is NodeId
    assert isinstance(node_id, str)
    assert hash(node_id) == hash(text)
    assert {text: 1}[node_id] == 1
    assert f"{node_id}" == str(node_id) == text
    assert NodeId.is_valid(text)
    assert NodeId.try_parse(text) == NodeId(text) == node_id


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_id_is_refused_everywhere(text: str) -> None:
    assert not NodeId.is_valid(text)
    assert NodeId.try_parse(text) is None
    for make in (NodeId, NodeId.parse):
        with pytest.raises(InvalidNodeIdError) as caught:
            make(text)
        assert caught.value.value == text
        assert caught.value.reason
        assert caught.value.reason in str(caught.value)
        assert isinstance(caught.value, ClusterError)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [None, 5, 1.5, b"a@h:1", ["a@h:1"], object()])
def test_what_is_no_text_is_no_id(value: object) -> None:
    assert not NodeId.is_valid(value)
    assert NodeId.try_parse(value) is None
    with pytest.raises(InvalidNodeIdError, match="expected 'name@host:port'") as caught:
        NodeId.parse(value)  # type: ignore[arg-type]
    assert caught.value.value == repr(value)


def test_the_message_says_what_would_be_right() -> None:
    with pytest.raises(InvalidNodeIdError) as caught:
        NodeId.parse("app@host:99999")
    assert str(caught.value) == f"Invalid node id 'app@host:99999': {caught.value.reason}"
    assert "1 to 65535" in caught.value.reason


def test_a_hostile_text_does_not_reach_the_terminal() -> None:
    with pytest.raises(InvalidNodeIdError) as caught:
        NodeId.parse("\x1b[2J" + "x" * 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_the_parts() -> None:
    node_id = NodeId.create("app1", "192.168.1.10", 4369)
    assert node_id == "app1@192.168.1.10:4369"
    assert (node_id.name, node_id.host, node_id.port) == ("app1", "192.168.1.10", 4369)


def test_ipv6_has_one_form() -> None:
    forms = ["a@[::1]:5000", "a@::1:5000", "a@[0:0:0:0:0:0:0:1]:5000"]
    assert {NodeId.parse(form) for form in forms} == {"a@[::1]:5000"}
    assert NodeId.create("a", "::1", 5000) == NodeId.create("a", "[::1]", 5000) == "a@[::1]:5000"
    assert NodeId("a@[::1]:5000").host == "::1"


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("1a", "h", 1),
        ("a", "", 1),
        ("a", "h", 0),
        ("a", "h", 65536),
        ("a", "h", 2**70),
        ("a", "h\0x", 1),
        ("a", "h", "1"),
        ("a", "h", True),
        ("a", None, 1),
        (5, "h", 1),
    ],
)
def test_create_refuses_invalid_parts(name: str, host: str, port: int) -> None:
    with pytest.raises(InvalidNodeIdError):
        NodeId.create(name, host, port)


@given(NAMES, HOSTS, PORTS)
@example("a", "::102:304", 1)
@example("a", "::ffff:102:304", 1)
def test_create_and_parse_agree(name: str, host: str, port: int) -> None:
    node_id = NodeId.create(name, host, port)
    assert NodeId.parse(node_id) == node_id
    assert (node_id.name, node_id.port) == (name, port)
    assert same_host(node_id.host, host)


def same_host(one: str, other: str) -> bool:
    """Python and the library write some IPv6 hosts differently, such as ::1.2.3.4; a mapped IPv4 address is IPv4."""

    def plain(host: str) -> object:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host
        return getattr(address, "ipv4_mapped", None) or address

    return plain(one) == plain(other)


@given(st.text())
def test_every_text_is_an_id_or_refused(text: str) -> None:
    parsed = NodeId.try_parse(text)
    assert NodeId.is_valid(text) == (parsed is not None)
    if parsed is not None:
        assert NodeId.parse(parsed) == parsed
    else:
        with pytest.raises(InvalidNodeIdError):
            NodeId.parse(text)


def test_it_travels() -> None:
    node_id = NodeId("a@h:1")
    for other in (pickle.loads(pickle.dumps(node_id)), copy.copy(node_id), copy.deepcopy(node_id)):
        assert other == node_id
        assert type(other) is NodeId
    assert json.dumps(node_id) == '"a@h:1"'
    assert repr(node_id) == "NodeId('a@h:1')"
