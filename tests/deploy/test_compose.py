"""examples/deploy/docker: the files are well-formed and say what they should, and the very containers that they
describe form a mesh, stay one when one is replaced, and leave politely.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from containers import BUILD, COMMAND, ROOT, Container, Recipe, http_get, until, why_not
from images import Image, read_compose, read_image, seconds, tmpfs
from name_server import NameServer
from network import Network
from scenes import free_ports

HERE = ROOT / "examples" / "deploy" / "docker"
COMPOSE = read_compose(HERE / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
IMAGES = {path.name.split(".")[0]: read_image(path) for path in HERE.glob("*.Dockerfile")}
TOOLS = Path(sys.executable).parent
needs_containers = pytest.mark.skipif(bool(reason := why_not()), reason=reason)
WITHOUT_SECRET = {"PATH": os.environ["PATH"], "HTTP_PORT": str(free_ports(1)[0])}


def image_of(service: str) -> Image:
    return IMAGES[Path(SERVICES[service]["build"]["dockerfile"]).name.split(".")[0]]


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    """Against the schema of the specification of compose, as that package brings it."""
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_is_valid() -> None:
    done = check_schema(HERE / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("wrong", ["replica: 3", "stop_grace_period: 15", "secrets: cluster_secret"])
def test_the_schema_refuses_what_is_wrong(wrong: str, tmp_path: Path) -> None:
    """The test above can fail."""
    name, value = wrong.split(": ")
    text = (HERE / "compose.yaml").read_text()
    broken = re.sub(r"^  seed:\n", f"  seed:\n    {name}: {value}\n", text, count=1, flags=re.MULTILINE)
    (tmp_path / "compose.yaml").write_text(broken)
    done = check_schema(tmp_path / "compose.yaml")
    assert done.returncode == 1, done.stdout + done.stderr


def test_the_dockerfiles_are_without_fault() -> None:
    files = sorted(HERE.glob("*.Dockerfile"))
    done = subprocess.run([TOOLS / "hadolint", *files], capture_output=True, text=True, check=False)
    assert (len(files), done.returncode, done.stdout) == (3, 0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_started_without_a_shell_and_not_as_root(name: str) -> None:
    image = IMAGES[name]
    assert all(image.forms.values()), "not a list: signals would end at a shell"
    assert image.stop_signal == "SIGTERM"
    assert image.user == "65532:65532"
    assert image.health, "there is no health check"
    assert image.ports == [4369, 8080]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_made_of_what_there_is(name: str) -> None:
    """What is copied is in the tree, or what `./dev package` makes, and passes the ignore file."""
    ignored = (HERE / f"{name}.Dockerfile.dockerignore").read_text().split("\n")
    passed = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    header = (ROOT / "capi" / "include" / "noex_cluster.h").read_text()
    version = ".".join(re.findall(r"^#define NOEX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))
    made = {
        f"dist/noex_cluster-{version}-cp311-cp311-manylinux_2_34_x86_64.whl",
        f"dist/noex-cluster-{version}.tgz",
        f"dist/noex_cluster-{version}-linux-x86_64.tar.gz",
        f"dist/noex_cluster-{version}.tar.gz",
    }
    for source in IMAGES[name].copied:
        assert any(source.startswith(f"{folder}/") for folder in passed), source
        pattern = re.escape(source).replace(r"\*", "[^/]*").replace(r"\$\{VERSION\}", re.escape(version))
        found = [path for path in made if re.fullmatch(pattern, path)]
        assert len(found) == 1 if source.startswith("dist/") else (ROOT / source).is_file(), f"{source}: {found}"


def test_the_archive_has_a_command_that_a_slim_image_can_start() -> None:
    """Where `./dev package` puts it; and debian:bookworm-slim has no other libraries than these."""
    script = (ROOT / "dev").read_text()
    assert '--prefix "$work/c/noex_cluster-$version"' in script
    assert re.search(r'tar -C "\$work/c".*\n *"noex_cluster-\$version"', script)
    assert re.search(r"^CMAKE_INSTALL_BINDIR:\w+=bin$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    image = (HERE / "command.Dockerfile").read_text()
    assert "COPY --from=package /package/noex_cluster-*/bin/noex-cluster " in image
    needed = subprocess.run(["readelf", "--dynamic", COMMAND], capture_output=True, text=True, check=True).stdout
    libraries = set(re.findall(r"\(NEEDED\).*\[(.*)\]", needed))
    assert libraries <= {"libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "ld-linux-x86-64.so.2"}
    assert "libc.so.6" in libraries


def test_the_npm_package_is_installed_as_the_image_does(tmp_path: Path) -> None:
    """The very command of the Dockerfile, with its paths moved to here."""
    image, dist, folder = IMAGES["server"], tmp_path / "dist", tmp_path / "srv"
    dist.mkdir()
    folder.mkdir()
    pack = ["npm", "pack", "--silent", "--pack-destination", dist, ROOT / "node"]
    subprocess.run(pack, check=True, capture_output=True, cwd=tmp_path)
    [command] = [command.replace("/dist", str(dist)) for command in image.runs if "npm install" in command]
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, cwd=folder)
    (folder / "server.mjs").write_text((HERE / "server.mjs").read_text())
    done = subprocess.run(image.command, cwd=folder, capture_output=True, text=True, check=False, env=WITHOUT_SECRET)
    assert (done.returncode, done.stderr) == (1, "cannot start: CLUSTER_SECRET_FILE is not set\n")


def test_without_a_secret_a_worker_does_not_start() -> None:
    command = [sys.executable, HERE / "worker.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=WITHOUT_SECRET)
    assert (done.returncode, done.stderr) == (1, "cannot start: CLUSTER_SECRET_FILE is not set\n")


def test_the_version_is_the_tree_s() -> None:
    header = (ROOT / "capi" / "include" / "noex_cluster.h").read_text()
    version = ".".join(re.findall(r"^#define NOEX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))
    assert f"ARG VERSION={version}\n" in (HERE / "command.Dockerfile").read_text()
    for path in HERE.glob("*.Dockerfile"):
        assert f":{version} ." in path.read_text(), f"the command at the top of {path.name}"
    assert {service["image"].split(":")[1] for service in SERVICES.values()} == {version}


def test_the_compose_file_fits_together() -> None:
    secrets = COMPOSE["secrets"]
    for name, service in SERVICES.items():
        build = service["build"]
        assert (HERE / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
        assert set(service["secrets"]) <= set(secrets)
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        [named] = [value for key, value in service["environment"].items() if key.endswith("SECRET_FILE")]
        assert named == f"/run/secrets/{service['secrets'][0]}"
        assert seconds(service["stop_grace_period"]) > 1 + 5, f"{name}: the flush of the goodbyes, and requests"
        for text in service.get("ports", []):
            assert int(text.split(":")[-1]) in image_of(name).ports
        seeds = service["environment"].get("NOEX_SEEDS") or service["environment"]["CLUSTER_SEEDS"]
        for seed in seeds.split(","):
            assert re.sub(r"^\w+@|:4369$", "", seed) in SERVICES, seed


# ---------------------------------------------------------------------------------------------------------------------
# The containers themselves


class Project:
    """`docker compose up`, on a network of hosts: one for each container, and one that answers for names."""

    def __init__(self, network: Network, names: NameServer, place: Path) -> None:
        self.network, self.names, self.place = network, names, place
        self.containers: dict[str, list[Container]] = {name: [] for name in SERVICES}
        self.started: list[Container] = []
        self.secret = place / "cluster_secret"
        self.secret.write_text("the secret of the containers\n")

    def start(self, name: str, command: Sequence[str] = ()) -> Container:
        """Another command stands in the place of both of the image's."""
        service, image = SERVICES[name], image_of(name)
        host = self.network.add_host()
        if len(service["networks"]) > 1:  # the other one comes first, and no other member is in it
            addresses = [f"addr add {address}/24 dev eth0\n" for address in ("10.99.0.2", host.address)]
            host.run("ip", "-batch", "-", text="".join(["addr flush dev eth0\n", *addresses]))
        user, group = (int(number) for number in image.user.split(":"))
        # A container's name is the beginning of its id: hexadecimal, so often a digit first.
        hostname = f"{len(self.network.hosts):012x}"
        recipe = Recipe(
            command=command or [*image.entrypoint, *image.command],
            env={**image.env, **{key: str(value) for key, value in service["environment"].items()}},
            hostname=hostname,
            user=user,
            group=group,
            folder=image.folder,
            read_only=service["read_only"],
            files={f"/run/secrets/{secret}": (self.secret, 0o444) for secret in service["secrets"]},
            writable={place: int(options["mode"], 8) for place, options in map(tmpfs, service.get("tmpfs", []))},
            names=f"nameserver {self.names.address}\noptions timeout:1 attempts:2 ndots:0\n",
        )
        container = Container(host, recipe, self.place)
        self.started.append(container)
        self.containers[name].append(container)
        self.publish()
        return container

    def close(self) -> None:
        for container in self.started:
            container.end()

    def publish(self) -> None:
        """The name of a service has the addresses of its containers."""
        for name, containers in self.containers.items():
            alive = [container for container in containers if container.process.poll() is None]
            self.names.answers[name] = [container.host.address for container in alive]

    def check(self, name: str, container: Container) -> tuple[bool, str]:
        """The health check of the image, once, and what it said."""
        limit = seconds(image_of(name).health_flags["timeout"])
        try:
            done = container.execute(image_of(name).health, limit)
        except subprocess.TimeoutExpired:
            return False, f"not within {limit} s"
        return done.returncode == 0, done.stdout + done.stderr

    def wait_healthy(self, name: str, container: Container) -> None:
        until(lambda: self.check(name, container)[0], lambda: f"{self.check(name, container)}\n{container.output}", 20)

    def everyone(self) -> list[Container]:
        return [container for containers in self.containers.values() for container in containers]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with ExitStack() as stack:
        network = stack.enter_context(Network(0))
        names = stack.enter_context(NameServer(network.add_host()))
        project = Project(network, names, tmp_path)
        stack.callback(project.close)
        yield project


@needs_containers
def test_the_containers_are_a_mesh(project: Project) -> None:
    replicas = [name for name in SERVICES for _ in range(SERVICES[name].get("deploy", {}).get("replicas", 1))]
    for name in reversed(replicas):  # the seed last: there is no order
        project.start(name)
    [seed], workers, [server] = (project.containers[name] for name in ("seed", "worker", "server"))
    assert len(workers) == 3

    # Who they are: the seed by its name, the others by the address in the network that they share.
    ids = {seed: "seed@seed:4369", server: f"server-{server.recipe.hostname}@{server.host.address}:4369"}
    ids |= {worker: f"worker-{worker.recipe.hostname}@{worker.host.address}:4369" for worker in workers}
    seed.line("running as seed@seed:4369")
    for container in (*workers, server):
        container.line("running as", ids[container])
    for one in project.everyone():
        for other in project.everyone():
            assert one is other or one.line("up", ids[other])
        assert "down" not in one.output
        assert "rror" not in one.output

    def seen() -> dict[str, str]:
        return dict(json.loads(http_get(project.network.hosts[0], server.host.address, 8080, "/")[1])["nodes"])

    assert seen() == {node: "connected" for container, node in ids.items() if container is not server}
    for name, containers in project.containers.items():
        for container in containers:
            project.wait_healthy(name, container)

    for container in (*workers, server):
        status, metrics = http_get(project.network.hosts[0], container.host.address, 8080, "/metrics")
        assert status == 200
        assert 'noex_cluster_members{state="connected"} 4\n' in metrics
        assert metrics.endswith("# EOF\n")

    # Nobody is root, may become it, or writes anywhere but where it is said.
    for container in project.everyone():
        assert container.execute(["id", "-u"]).stdout == "65532\n"
        assert container.execute(["touch", "/srv/file"]).returncode == 1
        status = Path(f"/proc/{container.pid}/status").read_text()
        assert "CapBnd:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert "NSpid:\t" in status
        assert re.search(r"^NSpid:.*\t1$", status, re.MULTILINE), "it is not the first process"

    # One fewer: it says goodbye within its time.
    gone = workers.pop()
    assert gone.stop(seconds(SERVICES["worker"]["stop_grace_period"])) < 3
    for container in (seed, *workers, server):
        container.line("down", ids[gone], "graceful_shutdown")

    # The seed is killed and comes back at another address: the same node for all.
    marks = {container: container.mark() for container in (*workers, server)}
    project.containers["seed"].remove(seed)
    seed.kill()
    replaced = project.start("seed")
    replaced.line("running as seed@seed:4369")
    for container in (*workers, server):
        container.line("down", "seed@seed:4369", "connection_closed", mark=marks[container])
        container.line("up", "seed@seed:4369", mark=marks[container])
        replaced.line("up", ids[container])
    assert seen()["seed@seed:4369"] == "connected"
    assert len(seen()) == 3 + 1, "the one that left, and nobody twice"

    # All of them go at once.
    everyone = project.everyone()
    with ThreadPoolExecutor(len(everyone)) as pool:
        grace = seconds(SERVICES["seed"]["stop_grace_period"])
        took = list(pool.map(lambda container: container.stop(grace), everyone))
    assert max(took) < 3


@needs_containers
def test_a_health_check_fails_where_nothing_runs(project: Project) -> None:
    """The one above can fail."""
    for name in SERVICES:
        container = project.start(name, ["sleep", "60"])
        container.wait_set_up()
        assert not project.check(name, container)[0]


@needs_containers
def test_a_shell_as_the_first_process_keeps_the_signal(project: Project) -> None:
    """Why the commands are lists: what the guide says of `CMD python worker.py`."""
    seed, worker = project.start("seed"), project.start("worker", ["/bin/sh", "-c", "python worker.py"])
    seed.line("up", worker.host.address)
    with pytest.raises(AssertionError, match="did not end within 2 s of SIGTERM"):
        worker.stop(2)
    worker.kill()
    seed.line("down", worker.host.address, "connection_closed")


def test_hosts_are_told_apart() -> None:
    """Two containers of a service never get one id, and the name begins with a letter whatever the host's name is."""
    for program, prefix in ((HERE / "worker.py", "worker-"), (HERE / "server.mjs", "server-")):
        assert re.search(rf"{prefix}\$?\{{(socket\.get)?hostname\(\)\}}", program.read_text())
