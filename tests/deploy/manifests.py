"""Manifests of Kubernetes, read as the parts of a cluster read them, as far as ours go."""

import copy
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from containers import ROOT

HERE = ROOT / "examples" / "deploy" / "kubernetes"
NAMESPACE = "noex"
Manifest = dict[str, Any]


@functools.cache
def _read(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def documents(path: Path) -> list[Manifest]:
    return copy.deepcopy(_read(path))


def everything() -> list[Manifest]:
    """What `kubectl apply --kustomize` applies."""
    [kustomization] = documents(HERE / "kustomization.yaml")
    assert kustomization["namespace"] == NAMESPACE
    return [manifest for name in kustomization["resources"] for manifest in documents(HERE / name)]


def of_kind(kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in everything() if manifest["kind"] == kind}


def workloads() -> dict[str, Manifest]:
    return of_kind("StatefulSet") | of_kind("Deployment")


def pod_of(workload: Manifest) -> Manifest:
    return dict(workload["spec"]["template"])


def container_of(workload: Manifest) -> Manifest:
    [container] = pod_of(workload)["spec"]["containers"]
    return dict(container)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses what has these labels; an empty one chooses all."""
    assert set(selector) <= {"matchLabels"}, "the tests read no other selector"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def port_number(reference: str | int, container: Manifest) -> int:
    """A port by its number, or by the name that the container gives it."""
    if isinstance(reference, int):
        return reference
    [number] = [port["containerPort"] for port in container["ports"] if port["name"] == reference]
    return int(number)


def environment(
    container: Manifest, fields: Mapping[str, str], maps: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What the kubelet gives a container: whole maps first, then its own entries, which may name earlier ones."""
    result: dict[str, str] = {}
    for source in container.get("envFrom", []):
        result |= maps[source["configMapRef"]["name"]]
    for entry in container.get("env", []):
        if "value" in entry:
            text = re.sub(r"\$\((\w+)\)", lambda found: result.get(found[1], found[0]), entry["value"])
        elif "fieldRef" in entry["valueFrom"]:
            text = fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            reference = entry["valueFrom"]["configMapKeyRef"]
            text = maps[reference["name"]][reference["key"]]
        result[entry["name"]] = text
    return result


def allowed(
    source: tuple[str, Mapping[str, str]], target: tuple[str, Mapping[str, str]], protocol: str, port: int
) -> bool:
    """Whether the policies let a pod (its namespace and labels) connect to another: out of one, and into the other."""
    return _passes("Egress", source, target, protocol, port) and _passes("Ingress", target, source, protocol, port)


def _passes(
    direction: str,
    pod: tuple[str, Mapping[str, str]],
    peer: tuple[str, Mapping[str, str]],
    protocol: str,
    port: int,
) -> bool:
    namespace, labels = pod
    policies = [
        policy["spec"]
        for policy in of_kind("NetworkPolicy").values()
        if namespace == NAMESPACE
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], labels)
    ]
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
    return not policies or any(
        any(_is_peer(one, peer) for one in rule["from" if direction == "Ingress" else "to"])
        and any(one["protocol"] == protocol and _policy_port(one["port"]) == port for one in rule["ports"])
        for rule in rules
    )


def _policy_port(reference: str | int) -> int:
    """Every workload of ours gives a name to the same port: a test sees to that."""
    return port_number(reference, container_of(next(iter(workloads().values()))))


def _is_peer(rule: Mapping[str, Any], peer: tuple[str, Mapping[str, str]]) -> bool:
    namespace, labels = peer
    if "namespaceSelector" in rule:
        names = {"kubernetes.io/metadata.name": namespace}
        return selects(rule["namespaceSelector"], names) and selects(rule.get("podSelector", {}), labels)
    return namespace == NAMESPACE and selects(rule["podSelector"], labels)


def probes(container: Manifest) -> Iterator[tuple[str, Manifest]]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield name, container[name]
