"""The metrics of a real node: a strict parser, Prometheus's own tool, docs/metrics.md, the dashboard, the alerts."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support import ROOT, Node, wait_for

EXAMPLES = ROOT / "examples"
DASHBOARD = EXAMPLES / "grafana" / "noex-cluster.json"
RULES = EXAMPLES / "prometheus" / "noex-cluster.rules.yml"

# Metrics of which the dashboard needs no panel, and why.
NOT_IN_THE_DASHBOARD: dict[str, str] = {}


def promtool() -> str:
    ours = ROOT / ".deps" / "prometheus" / "promtool"
    found = str(ours) if ours.exists() else shutil.which("promtool")
    assert found, "there is no promtool: ./dev test web fetches it"
    return found


def check(*arguments: str | Path, stdin: str = "", cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [promtool(), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The metrics of a node that has a peer, has lost one, and has refused somebody."""
    folder = tmp_path_factory.mktemp("nodes")
    first = Node(folder, "first", NOEX_CLUSTER_SECRET="a secret of the test")
    nodes = [first]
    try:
        for name in ("second", "third"):
            nodes.append(Node(folder, name, "--seed", first.id, NOEX_CLUSTER_SECRET="a secret of the test"))
        first.event("up", node=nodes[1].id)
        first.event("up", node=nodes[2].id)
        nodes[2].kill()
        first.event("down", node=nodes[2].id)
        nodes.append(Node(folder, "stranger", "--seed", first.id))

        def complete() -> str | None:
            metrics = first.ask("/metrics").text
            refused = re.search(r'rejected_total\{kind="missing_signature"\} [1-9]', metrics)
            beaten = re.search(r"beat_lateness_seconds_count [1-9]", metrics)
            return metrics if refused and beaten else None

        yield wait_for("a heartbeat, and a refusal", complete)
    finally:
        for node in nodes:
            node.end()


@pytest.fixture(scope="module")
def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def names_of(families: list[Metric]) -> set[str]:
    """Every name that a query may use."""
    return {sample.name for family in families for sample in family.samples}


def test_the_strict_parser_takes_them(families: list[Metric]) -> None:
    values = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert values["noex_cluster_members", "connected"] == 1
    assert values["noex_cluster_members", "disconnected"] >= 1
    assert values["noex_cluster_node_downs_total", "connection_closed"] >= 1
    assert values["noex_cluster_node_ups_total", "first"] == 2
    assert values["noex_cluster_rejected_total", "missing_signature"] >= 1
    assert len({family.name for family in families}) == len(families), "each family stands in one place"
    for family in families:
        assert family.name.startswith("noex_cluster_")
        assert family.documentation.endswith("."), family.name
        assert family.samples, family.name
        assert not family.unit or family.name.endswith(f"_{family.unit}"), family.name


def test_the_strict_parser_refuses_what_is_wrong(text: str) -> None:
    """What it accepts would say nothing if it accepted everything."""
    for broken in (text.replace("# EOF\n", ""), text + text, text.replace("_total 0\n", " 0\n", 1)):
        with pytest.raises(ValueError):  # noqa: PT011  # its messages are its own
            list(text_string_to_metric_families(broken))


def test_prometheus_takes_them(text: str, tmp_path: Path) -> None:
    """Its tool turns OpenMetrics into blocks of its database, if each sample has a time."""
    now = json.dumps(1_800_000_000.5)
    timed = "".join(
        line if line.startswith("#") else f"{line.rstrip()} {now}\n" for line in text.splitlines(keepends=True)
    )
    (tmp_path / "metrics.txt").write_text(timed)
    check("tsdb", "create-blocks-from", "openmetrics", tmp_path / "metrics.txt", tmp_path / "data")
    listed = check("tsdb", "list", tmp_path / "data")
    samples = int(listed.splitlines()[-1].split()[4])
    assert samples == sum(1 for line in text.splitlines() if not line.startswith("#"))


def test_their_names_and_help_are_in_order(families: list[Metric]) -> None:
    """`promtool check metrics` reads the older format only: prometheus_client writes the same families in it."""

    class Registry:
        def collect(self) -> list[Metric]:
            return families

    assert check("check", "metrics", stdin=generate_latest(Registry()).decode()) == "", "not even a remark"  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------- the documentation


def test_each_metric_is_explained(families: list[Metric]) -> None:
    """docs/metrics.md has a table: name; type, unit and labels, as in "gauge in seconds, by `peer`"; meaning."""
    document = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(
        r"^\| `(noex_cluster_\w+)` \| (\w+)(?: in (\w+))?((?:[,:][^|]*)?) \| ([^|]+) \|$", document, re.MULTILINE
    )
    documented = {name: (kind, unit, set(re.findall(r"`(\w+)`", labels))) for name, kind, unit, labels, _ in rows}
    assert len(documented) == len(rows), "each one once"
    real = {}
    for family in families:
        # Each under the name that is queried; a histogram under that of the family.
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        real[f"{family.name}{suffix}"] = (family.type, family.unit, labels)
    assert documented == real
    assert all(meaning.strip() for *_, meaning in rows)


def test_each_kind_is_explained(families: list[Metric]) -> None:
    document = (ROOT / "docs" / "metrics.md").read_text()
    for family in families:
        for sample in family.samples:
            for label in ("state", "kind", "reason"):
                assert f"`{sample.labels.get(label, 'connected')}`" in document


# ---------------------------------------------------------------------------------------- the dashboard and the alerts


def expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "definition") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bnoex_cluster_\w+", text))


def matchers_in(text: str) -> set[tuple[str, str]]:
    """Values that a query compares the labels state, kind and reason with."""
    found = re.findall(r'\b(state|kind|reason)(?:=|=~|!=|!~)"([^"]+)"', text)
    return {(label, value) for label, values in found for value in values.split("|")}


def test_the_dashboard_asks_for_what_there_is(families: list[Metric]) -> None:
    queries = list(expressions(json.loads(DASHBOARD.read_text())))
    assert len(queries) > 30
    used = set().union(*map(names_in, queries))
    assert used <= names_of(families)
    real = {
        (label, value) for family in families for sample in family.samples for label, value in sample.labels.items()
    }
    assert set().union(*map(matchers_in, queries)) <= real
    assert used, "and it asks for something"


def test_the_dashboard_shows_each_metric(families: list[Metric]) -> None:
    used = names_in(DASHBOARD.read_text())
    missing = {family.name for family in families if not any(sample.name in used for sample in family.samples)}
    assert missing == set(NOT_IN_THE_DASHBOARD)


def test_the_dashboard_can_be_imported() -> None:
    """Nothing in it is of the Grafana that it was made with."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert "id" not in dashboard
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "job", "instance"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert 'job=~"$job", instance=~"$instance"' in target["expr"]


def test_the_dashboards_queries_are_queries(tmp_path: Path) -> None:
    """As rules, promtool parses them."""
    rules = []
    for index, query in enumerate(expressions(json.loads(DASHBOARD.read_text())["panels"])):
        plain = query.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        assert "$" not in plain
        rules.append({"record": f"dashboard:{index}", "expr": plain})
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    assert f"{len(rules)} rules found" in check("check", "rules", file)


def test_the_alerts_ask_for_what_there_is(families: list[Metric]) -> None:
    text = RULES.read_text()
    queries = re.findall(r"^ +expr: (.*)$", text, re.M)
    assert len(queries) >= 10
    used = set().union(*map(names_in, queries))
    assert used <= names_of(families)
    real = {
        (label, value) for family in families for sample in family.samples for label, value in sample.labels.items()
    }
    assert set().union(*map(matchers_in, queries)) <= real
    tested = (Path(__file__).parent / "rules_test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", text):
        assert len(re.findall(rf"\b{alert}\b", tested)) == 2, f"{alert} is tested quiet and firing"


def test_the_alerts_fire_when_they_should() -> None:
    check("check", "config", EXAMPLES / "prometheus" / "prometheus.yml")
    check("check", "rules", RULES)
    check("test", "rules", "rules_test.yml", cwd=Path(__file__).parent)


def test_the_list_of_examples_has_them() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    for file in (DASHBOARD, RULES, EXAMPLES / "prometheus" / "prometheus.yml"):
        assert f"[{file.name}]({file.relative_to(EXAMPLES)})" in readme


def test_alerts_that_say_nothing_would_be_noticed(tmp_path: Path) -> None:
    """The same with a bound that is never reached: their test fails."""
    (tmp_path / "noex-cluster.rules.yml").write_text(RULES.read_text().replace("> 262144", "> 1e12"))
    tests = (Path(__file__).parent / "rules_test.yml").read_text()
    (tmp_path / "rules_test.yml").write_text(tests.replace("../../examples/prometheus/", ""))
    with pytest.raises(AssertionError, match="FAILED"):
        check("test", "rules", "rules_test.yml", cwd=tmp_path)


def test_metrics_of_each_language_are_documented_once() -> None:
    """The page that explains them says how each language hands them out."""
    document = (ROOT / "docs" / "metrics.md").read_text()
    for word in ("getMetrics()", "get_metrics()", "noex_cluster_document", "--http", "examples/grafana"):
        assert word in document, word
