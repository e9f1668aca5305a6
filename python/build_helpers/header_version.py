"""The version of the package, for its build: what the public C header states, and nothing else does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PARTS = ("MAJOR", "MINOR", "PATCH")
HEADER = "capi/include/noex_cluster.h"
ABOVE = Path(__file__).resolve().parents[1]  # of a checkout or of a source distribution


def dynamic_metadata(settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, str]:
    del settings, project  # there is nothing to choose
    text = next(header.read_text() for place in ("native", "..") if (header := ABOVE / place / HEADER).is_file())
    numbers = [re.search(rf"^#define NOEX_VERSION_{part} +(\d+)$", text, re.MULTILINE) for part in PARTS]
    if None in numbers:
        raise ValueError(f"{HEADER} states no version")
    return {"version": ".".join(number[1] for number in numbers if number)}
