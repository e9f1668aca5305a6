"""The configuration: documented defaults, names in both spellings, and an error that helps for everything else."""

import contextlib
import dataclasses
import errno
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from noex_cluster import (
    CLUSTER_DEFAULTS,
    Cluster,
    ClusterBindError,
    ClusterConfig,
    ClusterError,
    ClusterNode,
    ClusterNotStartedError,
    InvalidClusterConfigError,
    sync,
)
from noex_cluster._load import native
from support import options

DOCUMENTED = {
    "host": "0.0.0.0",
    "port": 4369,
    "seeds": (),
    "cluster_secret": None,
    "heartbeat_interval_ms": 5000,
    "heartbeat_miss_threshold": 3,
    "reconnect_base_delay_ms": 1000,
    "reconnect_max_delay_ms": 30000,
}
CAMEL_CASE = {
    "nodeName": "app1",
    "host": "127.0.0.1",
    "advertiseHost": "10.0.0.1",
    "port": 5000,
    "seeds": ["app2@192.168.1.2:4369"],
    "clusterSecret": "s",
    "clusterName": "c",
    "heartbeatIntervalMs": 100,
    "heartbeatMissThreshold": 1,
    "reconnectBaseDelayMs": 1,
    "reconnectMaxDelayMs": 2,
    "forgetAfterMs": 3,
    "controlSocket": "/run/app/node.sock",
}
STRINGS = ("node_name", "host", "advertise_host", "cluster_secret", "cluster_name", "control_socket")
NUMBERS = (*(name for name in DOCUMENTED if name.endswith(("_ms", "_threshold"))), "forget_after_ms")


async def refused(**wrong: Any) -> InvalidClusterConfigError:
    """What start() and validate() have against these options; they must agree."""
    wrong = {"node_name": "app1", "host": "127.0.0.1", "port": "auto", **wrong}
    node = ClusterNode()
    with pytest.raises(InvalidClusterConfigError) as caught:
        await node.start(**wrong)
    assert node.get_status() == "stopped"
    with pytest.raises(InvalidClusterConfigError) as validated:
        ClusterConfig(**wrong).validate()
    assert str(validated.value) == str(caught.value)
    assert isinstance(caught.value, ClusterError)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"Invalid cluster configuration: {caught.value.reason}"
    return caught.value


def test_documented_constants() -> None:
    assert CLUSTER_DEFAULTS._asdict() == {
        "HOST": "0.0.0.0",
        "PORT": 4369,
        "HEARTBEAT_INTERVAL_MS": 5000,
        "HEARTBEAT_MISS_THRESHOLD": 3,
        "RECONNECT_BASE_DELAY_MS": 1000,
        "RECONNECT_MAX_DELAY_MS": 30000,
        "PROTOCOL_VERSION": 1,
    }


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_default(name: str) -> None:
    assert getattr(ClusterConfig("app1"), name) == DOCUMENTED[name]
    assert getattr(ClusterConfig("app1", **{name: None}), name) == DOCUMENTED[name], "None counts as absent"
    assert getattr(ClusterConfig.from_dict({"nodeName": "app1", name: None}), name) == DOCUMENTED[name]


def test_a_config_is_frozen_and_a_value() -> None:
    config = ClusterConfig("app1", seeds=["a@h:1"], cluster_secret="hidden")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.host = "::"  # type: ignore[misc]
    assert config == ClusterConfig("app1", seeds=("a@h:1",), cluster_secret="hidden")
    assert hash(config) == hash(ClusterConfig("app1", seeds=["a@h:1"], cluster_secret="hidden"))
    assert config != ClusterConfig("app1", seeds=["a@h:1"], cluster_secret="other")
    assert dataclasses.replace(config, port=5000).port == 5000
    assert pickle.loads(pickle.dumps(config)) == config
    assert ClusterConfig("app1", seeds=(seed for seed in ["a@h:1"])).seeds == ("a@h:1",)


def test_the_secret_is_not_shown() -> None:
    assert "hidden" not in repr(ClusterConfig("app1", cluster_secret="hidden"))


def test_from_dict_takes_both_spellings() -> None:
    config = ClusterConfig.from_dict(CAMEL_CASE)
    config.validate()
    snake_case = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    assert ClusterConfig.from_dict(snake_case) == config
    assert list(snake_case.values()) == [
        "app1",
        "127.0.0.1",
        "10.0.0.1",
        5000,
        ("app2@192.168.1.2:4369",),
        "s",
        "c",
        100,
        1,
        1,
        2,
        3,
        "/run/app/node.sock",
    ]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("nodename", "node_name"),
        ("NodeName", "nodeName"),
        ("heartbeatIntervalMS", "heartbeatIntervalMs"),
        ("heartbeat_interval", "heartbeat_interval_ms"),
        ("seed", "seeds"),
        ("secret", "cluster_secret"),
        ("clusterSecrt", "clusterSecret"),
    ],
)
def test_from_dict_names_the_nearest_option(key: str, meant: str) -> None:
    with pytest.raises(InvalidClusterConfigError, match=f"unknown option '{key}': did you mean '{meant}'"):
        ClusterConfig.from_dict({"nodeName": "app1", key: None})


@pytest.mark.parametrize("key", ["", "_", "port\0", "__class__", 5, "node_Name"])
def test_from_dict_refuses_every_other_key(key: Any) -> None:
    with pytest.raises(InvalidClusterConfigError, match="unknown option"):
        ClusterConfig.from_dict({"node_name": "app1", key: 1})


def test_from_dict_refuses_an_option_twice() -> None:
    with pytest.raises(InvalidClusterConfigError, match="'node_name' and 'nodeName' are the same option"):
        ClusterConfig.from_dict({"node_name": "a", "nodeName": "b"})


@pytest.mark.parametrize("value", [None, "app1", [("nodeName", "app1")]])
def test_from_dict_wants_a_mapping(value: Any) -> None:
    with pytest.raises(InvalidClusterConfigError, match="mapping"):
        ClusterConfig.from_dict(value)


def test_a_missing_name_is_an_error() -> None:
    for config in (ClusterConfig.from_dict({}), ClusterConfig.from_dict({"nodeName": None})):
        with pytest.raises(InvalidClusterConfigError, match="node_name is required"):
            config.validate()


async def test_start_takes_no_unknown_option() -> None:
    with pytest.raises(InvalidClusterConfigError, match="'nodeName': did you mean 'node_name'"):
        await ClusterNode().start(nodeName="app1")  # type: ignore[call-arg]
    with pytest.raises(InvalidClusterConfigError, match="'cluster_secrt': did you mean 'cluster_secret'"):
        ClusterNode(node_name="app1", cluster_secrt=None)  # type: ignore[call-arg]
    with pytest.raises(InvalidClusterConfigError, match="did you mean 'seeds'"):
        sync.ClusterNode().start(node_name="app1", seed=[])  # type: ignore[call-arg]


@pytest.mark.parametrize("config", [{"node_name": "app1"}, "app1", 5])
async def test_start_takes_no_other_object(config: Any) -> None:
    with pytest.raises(InvalidClusterConfigError, match="must be a ClusterConfig"):
        await ClusterNode().start(config)


async def test_single_options_win() -> None:
    async with ClusterNode(ClusterConfig("app1", host="127.0.0.1", port="auto"), node_name="app2") as node:
        assert node.get_local_node_id().name == "app2"
    node = ClusterNode(node_name="app1", host="127.0.0.1", port="auto")
    await node.start(node_name="app3", cluster_secret=None)
    assert node.get_local_node_id().name == "app3"
    await node.stop()
    await node.start(ClusterConfig("app4", host="127.0.0.1", port="auto"))
    assert node.get_local_node_id().name == "app4"
    await node.stop()
    await node.start()
    assert node.get_local_node_id().name == "app1"
    await node.stop()


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("value", [5, True, 1.5, b"hidden", ["hidden"], {}, object()])
async def test_a_text_must_be_a_str(name: str, value: object) -> None:
    error = await refused(**{name: value})
    assert f"{name}: it must be a string, not " in error.reason
    assert "hidden" not in error.reason


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("value", ["a\0b", "\udc80"])
async def test_a_text_must_be_text(name: str, value: str) -> None:
    assert f"invalid {name}: it contains a" in (await refused(**{name: value})).reason


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["5000", 5000.0, float("nan"), True, 10**30, -(10**30), [5000], b"5000"])
async def test_a_number_must_be_an_int(name: str, value: object) -> None:
    assert f"invalid {name}: it must be a whole number, not " in (await refused(**{name: value})).reason


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


async def test_what_is_an_index_is_an_int() -> None:
    ClusterConfig("app1", port=Index(5000)).validate()  # type: ignore[arg-type]
    assert "'0'" in (await refused(port=Index(0))).reason


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"node_name": ""}, "node_name is required"),
        ({"node_name": "123invalid"}, "'123invalid': it must start with a letter"),
        ({"node_name": "a" * 65}, "64 at most"),
        ({"node_name": "app1@host"}, "give the name alone"),
        ({"port": 0}, "port '0': it must be a whole number from 1 to 65535"),
        ({"port": 99999}, "port '99999'"),
        ({"port": -1}, "port '-1'"),
        ({"port": "80"}, "port: it must be a whole number from 1 to 65535, or 'auto'"),
        ({"port": "AUTO"}, "or 'auto' for any free port, not a string"),
        ({"port": 4369.0}, "not the number 4369.0"),
        ({"port": True}, "not True"),
        ({"host": ""}, "host ''"),
        ({"host": "a b"}, "host 'a b'"),
        ({"advertise_host": "0.0.0.0"}, "wildcard"),
        ({"cluster_secret": ""}, "cluster_secret is empty"),
        ({"heartbeat_interval_ms": 99}, "heartbeat_interval_ms '99': it must be a whole number from 100"),
        ({"heartbeat_miss_threshold": 0}, "heartbeat_miss_threshold '0'"),
        ({"reconnect_base_delay_ms": 0}, "reconnect_base_delay_ms '0'"),
        ({"reconnect_max_delay_ms": 0}, "reconnect_max_delay_ms '0'"),
        ({"reconnect_base_delay_ms": 2, "reconnect_max_delay_ms": 1}, "it must not be above reconnect_max_delay_ms"),
        ({"forget_after_ms": 0}, "forget_after_ms '0'"),
        ({"seeds": "a@h:1"}, "seeds: it must be a list of strings such as 'app1@192.168.1.10:4369', not a string"),
        ({"seeds": b"a@h:1"}, "seeds: it must be a list"),
        ({"seeds": {"a@h:1": 1}}, "not a dict"),
        ({"seeds": 5}, "not the number 5"),
        ({"seeds": ["a@h:1", 5]}, "seeds[1]: it must be a string"),
        ({"seeds": [None]}, "seeds[0]: it must be a string"),
        ({"seeds": ["seed1@192.168.1.10"]}, "'seed1@192.168.1.10'"),
        ({"seeds": ["192.168.1.10:4369"]}, "an IP address needs a node name"),
        ({"seeds": ["seed1:192.168.1.10:4369"]}, "'seed1:192.168.1.10:4369'"),
    ],
)
async def test_a_wrong_value_is_named(wrong: dict[str, Any], expected: str) -> None:
    assert expected in (await refused(**wrong)).reason


async def test_a_coroutine_was_not_awaited() -> None:
    async def secret() -> str:
        return "s"

    coroutine = secret()
    with pytest.raises(InvalidClusterConfigError, match="is an 'await' missing"):
        await ClusterNode(**options("app1")).start(cluster_secret=coroutine)  # type: ignore[arg-type]
    coroutine.close()


async def test_empty_seeds_are_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with ClusterNode(**options("app1", seeds=["", " "])) as node:
        assert node.get_nodes() == ()
    assert any("empty" in record.message and record.levelname == "WARNING" for record in caplog.records)


def test_environment_of_the_advertised_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEX_ADVERTISE_HOST", "not a host")
    with pytest.raises(InvalidClusterConfigError, match="NOEX_ADVERTISE_HOST 'not a host'"):
        ClusterConfig("app1").validate()
    ClusterConfig("app1", advertise_host="10.0.0.1").validate()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just("auto"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CAMEL_CASE, "node_name", "x", ""]) | st.text(), ANYTHING, max_size=6))
def test_everything_is_valid_or_refused_as_a_configuration(given_options: dict[str, object]) -> None:
    with contextlib.suppress(InvalidClusterConfigError):
        ClusterConfig.from_dict({"nodeName": "app1", **given_options}).validate()


def test_errors_travel() -> None:
    bind = ClusterBindError(
        "taken", errno=errno.EADDRINUSE, address="127.0.0.1", port=80, code="EADDRINUSE", syscall="bind"
    )
    for error in (InvalidClusterConfigError("reason"), ClusterNotStartedError(), ClusterError("x"), bind):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert isinstance(bind, OSError)
    assert str(bind) == f"[Errno {errno.EADDRINUSE}] taken"


def test_the_module_takes_what_the_package_gives() -> None:
    """Each option reaches the library under its own name."""
    for field in dataclasses.fields(ClusterConfig):
        with pytest.raises(InvalidClusterConfigError, match=field.name):
            native.validate_config({"node_name": "app1", field.name: object()})
    assert isinstance(Cluster, ClusterNode)
