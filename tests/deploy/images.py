"""Dockerfiles and compose files, read as docker reads them, as far as ours go. What is not understood is a failure."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dockerfile
import yaml

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Image:
    """What the last stage of a Dockerfile leaves to whoever starts it."""

    env: dict[str, str] = field(default_factory=lambda: {"PATH": IMAGE_PATH})
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    health_flags: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    stop_signal: str = ""
    ports: list[int] = field(default_factory=list)
    base: str = ""
    stages: int = 0
    copied: list[str] = field(default_factory=list)  # from the context, in any stage
    runs: list[str] = field(default_factory=list)
    forms: dict[str, bool] = field(default_factory=dict)  # ENTRYPOINT, CMD -> whether it is a list


def read_image(path: Path) -> Image:
    image = Image()
    for one in dockerfile.parse_file(str(path)):
        name, words = one.cmd.upper(), list(one.value)
        match name:
            case "FROM":
                image = Image(base=words[0], stages=image.stages + 1, copied=image.copied, runs=image.runs)
            case "ENV":
                image.env |= {words[i]: words[i + 1] for i in range(0, len(words), 2)}
            case "ENTRYPOINT" | "CMD":
                image.forms[name] = one.json
                setattr(image, "entrypoint" if name == "ENTRYPOINT" else "command", words)
            case "HEALTHCHECK":
                image.health = words[1:]
                image.forms[name] = one.json or words[0] == "CMD"
                image.health_flags = dict(flag.removeprefix("--").split("=", 1) for flag in one.flags)
            case "USER":
                image.user = words[0]
            case "WORKDIR":
                image.folder = words[0]
            case "STOPSIGNAL":
                image.stop_signal = words[0]
            case "EXPOSE":
                image.ports = [int(word) for word in words]
            case "COPY" | "ADD":
                image.copied += [] if any(flag.startswith("--from") for flag in one.flags) else words[:-1]
            case "RUN":
                image.runs.append(" ".join(words))
                for flag in one.flags:  # a folder of the context that is there for the command alone
                    mount = dict(part.split("=", 1) for part in flag.removeprefix("--mount=").split(","))
                    assert mount["type"] == "bind", flag
                    files = re.findall(rf"(?<=\s){re.escape(mount['target'])}/(\S+)", image.runs[-1])
                    image.copied += [f"{mount['source']}/{file}" for file in files]
            case "ARG":
                pass
            case _:
                raise AssertionError(f"{path.name}: {one.original}")
    return image


def read_compose(path: Path) -> dict[str, Any]:
    """The file with its references resolved."""
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def tmpfs(text: str) -> tuple[str, dict[str, str]]:
    """A short form: the place, and its options."""
    place, _, options = text.partition(":")
    return place, dict(option.split("=", 1) for option in shlex.split(options.replace(",", " ")))
