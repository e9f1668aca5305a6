"""examples/deploy/kubernetes: the manifests are valid, fit together, and the very pods that they describe form a mesh,
are found by their probes, are the same nodes after they were replaced, and leave politely.
"""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from containers import COMMAND, ROOT, Container, Recipe, http_get, until, why_not
from images import read_image
from manifests import (
    HERE,
    NAMESPACE,
    Manifest,
    allowed,
    container_of,
    documents,
    environment,
    everything,
    of_kind,
    pod_of,
    port_number,
    probes,
    selects,
    workloads,
)
from name_server import NameServer
from network import Network

DOCKER = ROOT / "examples" / "deploy" / "docker"
IMAGES = {
    "noex-cluster": read_image(DOCKER / "command.Dockerfile"),
    "noex-worker": read_image(DOCKER / "worker.Dockerfile"),
}
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
DOMAIN = f"{NAMESPACE}.svc.cluster.local"
CONFIG_MAPS = {name: manifest["data"] for name, manifest in of_kind("ConfigMap").items()}


# ---------------------------------------------------------------------------------------------------------------------
# The files


def test_every_file_is_applied_or_says_why_not() -> None:
    [kustomization] = documents(HERE / "kustomization.yaml")
    files = {path.name for path in HERE.glob("*.yaml")}
    assert set(kustomization) <= {"apiVersion", "kind", "namespace", "resources", "images"}
    assert files == {*kustomization["resources"], "kustomization.yaml", "podmonitor.yaml"}
    assert "Not in kustomization.yaml" in (HERE / "podmonitor.yaml").read_text()
    used = {container_of(workload)["image"] for workload in workloads().values()}
    assert used == {f"{image['name']}:{image['newTag']}" for image in kustomization["images"]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_manifests_are_valid(version: str) -> None:
    for manifest in everything():
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("wrong", [("replica", 3), ("replicas", "three"), ("podManagementPolicy", 3)])
def test_the_schema_refuses_what_is_wrong(wrong: tuple[str, Any]) -> None:
    """The test above can fail."""
    [workload] = of_kind("StatefulSet").values()
    workload["spec"][wrong[0]] = wrong[1]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(workload, NEWEST, strict=True)


def test_the_monitor_finds_the_pods() -> None:
    """Its kind is not Kubernetes' own: what we use of it are two fields."""
    [monitor] = documents(HERE / "podmonitor.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert set(monitor["spec"]) == {"selector", "podMetricsEndpoints"}
    assert set(endpoint) == {"port", "path", "interval"}
    for workload in workloads().values():
        assert selects(monitor["spec"]["selector"], pod_of(workload)["metadata"]["labels"])
        annotations = pod_of(workload)["metadata"]["annotations"]
        assert annotations["prometheus.io/path"] == endpoint["path"] == "/metrics"
        assert int(annotations["prometheus.io/port"]) == port_number(endpoint["port"], container_of(workload))


def test_selectors_choose_their_pods_and_no_others() -> None:
    labels = {name: pod_of(workload)["metadata"]["labels"] for name, workload in workloads().items()}
    for name, workload in workloads().items():
        for selector in (
            workload["spec"]["selector"],
            *(one["labelSelector"] for one in pod_of(workload)["spec"]["topologySpreadConstraints"]),
            of_kind("PodDisruptionBudget")[name]["spec"]["selector"],
        ):
            assert [other for other in labels if selects(selector, labels[other])] == [name]
    targets = {"noex-cluster-headless": "noex-cluster", "noex-worker": "noex-worker"}
    for name, service in of_kind("Service").items():
        chosen = [other for other in labels if selects({"matchLabels": service["spec"]["selector"]}, labels[other])]
        assert chosen == [targets[name]]
        for port in service["spec"]["ports"]:
            assert port_number(port["targetPort"], container_of(workloads()[chosen[0]])) in (4369, 8080)


def test_the_headless_service_is_one() -> None:
    [workload] = of_kind("StatefulSet").values()
    service = of_kind("Service")[workload["spec"]["serviceName"]]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    seed = CONFIG_MAPS["noex-cluster"]["NOEX_SEEDS"]
    assert seed == f"{workload['spec']['serviceName']}.{DOMAIN}:{service['ports'][0]['port']}"


@pytest.mark.parametrize("name", workloads())
def test_what_a_pod_refers_to_is_there(name: str) -> None:
    pod, container = pod_of(workloads()[name])["spec"], container_of(workloads()[name])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    secret = volumes["secret"]["secret"]
    # The key is the one that the command at the top of kustomization.yaml makes.
    command = (HERE / "kustomization.yaml").read_text()
    assert f"create secret generic {secret['secretName']} --from-file={secret['items'][0]['key']}=" in command
    assert secret["defaultMode"] == 0o440
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "secret"]
    variables = environment(container, fields_of("pod-0", "10.0.0.1"), CONFIG_MAPS)
    [path] = [value for key, value in variables.items() if key.endswith("SECRET_FILE")]
    assert path == f"{mount['mountPath']}/{secret['items'][0]['path']}"
    # The same ports under the same names everywhere: the policies call them by these.
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("cluster", 4369), ("http", 8080)]
    for _, probe in probes(container):
        assert port_number(probe["httpGet"]["port"], container) == 8080


def test_the_command_has_these_options() -> None:
    done = subprocess.run([COMMAND, "run", "--help"], capture_output=True, text=True, check=True)
    container = container_of(workloads()["noex-cluster"])
    for word in container["args"]:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", done.stdout), f"{word} in\n{done.stdout}"
    variables = environment(container, fields_of("pod-0", "10.0.0.1"), CONFIG_MAPS) | IMAGES["noex-cluster"].env
    for variable in variables:
        if variable.startswith("NOEX_"):
            assert f"{variable})" in done.stdout or f"{variable}," in done.stdout, f"{variable} in\n{done.stdout}"


@pytest.mark.parametrize("name", workloads())
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    pod, container = pod_of(workloads()[name])["spec"], container_of(workloads()[name])
    image = IMAGES[container["image"].split(":")[0]]
    user, group = (int(number) for number in image.user.split(":"))
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert "memory" in container["resources"]["limits"]
    assert "cpu" not in container["resources"]["limits"], "a throttled node looks dead"


@pytest.mark.parametrize("name", workloads())
def test_there_is_time_to_leave(name: str) -> None:
    pod, container = pod_of(workloads()[name])["spec"], container_of(workloads()[name])
    waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drained = 5 if name == "noex-worker" else 0
    assert pod["terminationGracePeriodSeconds"] >= waits + drained + 1 + 5, "the goodbyes take a second at most"


def test_the_policies_let_through_what_is_needed_and_nothing_else() -> None:
    seed, worker = ((NAMESPACE, pod_of(workload)["metadata"]["labels"]) for workload in workloads().values())
    names = ("kube-system", {"k8s-app": "kube-dns"})
    prometheus, client = ("monitoring", {"app": "prometheus"}), (NAMESPACE, {"app": "client"})
    stranger = ("default", {"app": "client"})
    for one in (seed, worker):
        for other in (seed, worker):
            assert allowed(one, other, "TCP", 4369)
        assert allowed(one, names, "UDP", 53)
        assert allowed(one, names, "TCP", 53)
        assert allowed(prometheus, one, "TCP", 8080)
        assert not allowed(stranger, one, "TCP", 4369)
        assert not allowed(client, one, "TCP", 4369)
        assert not allowed(prometheus, one, "TCP", 4369)
        assert not allowed(stranger, one, "TCP", 8080)
        assert not allowed(one, stranger, "TCP", 443)
        assert not allowed(one, stranger, "UDP", 53)
    assert allowed(client, worker, "TCP", 8080)
    assert not allowed(client, seed, "TCP", 8080)


# ---------------------------------------------------------------------------------------------------------------------
# The pods themselves


def fields_of(name: str, address: str) -> dict[str, str]:
    return {"metadata.name": name, "metadata.namespace": NAMESPACE, "status.podIP": address}


class Pods:
    """As much of a cluster as the manifests need: pods on hosts, names, probes, and an end with a preStop."""

    def __init__(self, network: Network, names: NameServer, place: Path) -> None:
        self.network, self.names, self.place = network, names, place
        self.kubelet = network.hosts[0]
        self.pods: dict[str, Container] = {}
        self.specs: dict[Container, Manifest] = {}
        self.secret = place / "secret"
        self.secret.write_text("the secret of the pods\n")

    def start(self, workload: Manifest, name: str) -> Container:
        host = self.network.add_host()
        spec, container = pod_of(workload)["spec"], container_of(workload)
        image = IMAGES[container["image"].split(":")[0]]
        context, secure = spec["securityContext"], container["securityContext"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        files, writable = {}, {}
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            if "secret" in volume:
                for item in volume["secret"]["items"]:
                    files[f"{mount['mountPath']}/{item['path']}"] = (self.secret, volume["secret"]["defaultMode"])
            else:
                writable[mount["mountPath"]] = 0o2777  # as fsGroup leaves it
        recipe = Recipe(
            command=[*image.entrypoint, *container.get("args", image.command)],
            env={**image.env, **environment(container, fields_of(name, host.address), CONFIG_MAPS)},
            hostname=name,
            user=context["runAsUser"],
            group=context["runAsGroup"],
            folder=image.folder,
            read_only=secure["readOnlyRootFilesystem"],
            files=files,
            writable=writable,
            # As dnsPolicy ClusterFirst writes it.
            names=f"search {DOMAIN} svc.cluster.local cluster.local\n"
            f"nameserver {self.names.address}\noptions ndots:5 timeout:1 attempts:2\n",
        )
        pod = Container(host, recipe, self.place)
        self.pods[name] = pod
        self.specs[pod] = workload
        self.publish()
        return pod

    def close(self) -> None:
        for pod in self.specs:
            pod.end()

    def publish(self) -> None:
        """The records of the headless service, which does not ask who is ready."""
        service = of_kind("Service")["noex-cluster-headless"]["spec"]
        chosen = {
            name: pod.host.address
            for name, pod in self.pods.items()
            if pod.process.poll() is None
            and selects({"matchLabels": service["selector"]}, pod_of(self.specs[pod])["metadata"]["labels"])
        }
        for name in of_kind("StatefulSet"):
            for index in range(9):
                self.names.answers.pop(f"{name}-{index}.noex-cluster-headless.{DOMAIN}", None)
        for name, address in chosen.items():
            self.names.answers[f"{name}.noex-cluster-headless.{DOMAIN}"] = [address]
        self.names.answers[f"noex-cluster-headless.{DOMAIN}"] = list(chosen.values())

    def probe(self, pod: Container, which: str) -> bool:
        container = container_of(self.specs[pod])
        http = container[which]["httpGet"]
        timeout = container[which].get("timeoutSeconds", 1)
        port = port_number(http["port"], container)
        return 200 <= http_get(self.kubelet, pod.host.address, port, http["path"], timeout)[0] < 400

    def wait_ready(self, pod: Container) -> None:
        container = container_of(self.specs[pod])
        limit = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
        for which in ("startupProbe", "readinessProbe", "livenessProbe"):
            until(lambda: self.probe(pod, which), lambda: f"{which}: {pod.output}", limit)  # noqa: B023  # at once

    def delete(self, pod: Container) -> float:
        """Its end as the kubelet brings it about: preStop, SIGTERM, and no more than the grace period for both."""
        workload = self.specs[pod]
        grace = pod_of(workload)["spec"]["terminationGracePeriodSeconds"]
        hook = container_of(workload).get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
        began = time.monotonic()
        time.sleep(hook["sleep"]["seconds"])
        pod.stop(grace - hook["sleep"]["seconds"])
        self.publish()
        return time.monotonic() - began


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    with ExitStack() as stack:
        network = stack.enter_context(Network(1))
        names = stack.enter_context(NameServer(network.add_host()))
        pods = Pods(network, names, tmp_path)
        stack.callback(pods.close)
        yield pods


@pytest.mark.skipif(bool(reason := why_not()), reason=reason)
def test_the_pods_are_a_mesh(pods: Pods) -> None:
    [stateful], [deployment] = of_kind("StatefulSet").values(), of_kind("Deployment").values()
    seeds = [pods.start(stateful, f"noex-cluster-{index}") for index in range(stateful["spec"]["replicas"])]
    workers = [pods.start(deployment, f"noex-worker-7c9f8b6d5-x{index}") for index in range(2)]
    ids = {
        seed: f"noex-cluster-{index}@noex-cluster-{index}.noex-cluster-headless.{DOMAIN}:4369"
        for index, seed in enumerate(seeds)
    }
    ids |= {worker: f"{worker.recipe.hostname}@{worker.host.address}:4369" for worker in workers}
    for pod, node_id in ids.items():
        pod.line("running as", node_id)
        pods.wait_ready(pod)
        for other in ids.values():
            assert other == node_id or pod.line("up", other)
        assert "down" not in pod.output

    # As `kubectl exec noex-cluster-0 -- noex-cluster members`.
    members = seeds[0].execute(["noex-cluster", "members"])
    assert members.returncode == 0, members.stdout + members.stderr
    assert all(node_id in members.stdout for node_id in ids.values())

    # A rolling update, of one pod: it leaves, and comes back at another address. It is the same node to all, by its id;
    # the first worker's pod is replaced by one of another name, as a Deployment does, and is another node.
    marks = {pod: pod.mark() for pod in ids}
    last = seeds.pop()
    assert pods.delete(last) < 3
    again = pods.start(stateful, "noex-cluster-2")
    assert again.host.address != last.host.address
    again.line("running as", ids[last])
    pods.wait_ready(again)
    for pod in (*seeds, *workers):
        pod.line("down", ids[last], "graceful_shutdown", mark=marks[pod])
        pod.line("up", ids[last], mark=marks[pod])
        again.line("up", ids[pod])

    # A worker: while preStop waits it answers as ever, then it is not ready any more, and then it is gone.
    marks = {pod: pod.mark() for pod in (*seeds, again, workers[1])}
    deleting = threading.Thread(target=pods.delete, args=(workers[0],))
    deleting.start()
    assert pods.probe(workers[0], "readinessProbe")
    deleting.join()
    for pod, mark in marks.items():
        pod.line("down", ids[workers[0]], "graceful_shutdown", mark=mark)
        assert "heartbeat_timeout" not in pod.output

    everyone = [*seeds, again]
    with ThreadPoolExecutor(len(everyone)) as pool:
        assert max(pool.map(pods.delete, everyone)) < 3
    assert os.path.isdir(f"/proc/{workers[1].pid}")
    until(lambda: workers[1].output.count("graceful_shutdown") >= 5, lambda: workers[1].output)
