"""`noex-cluster keygen`: secrets that are strong, private, and never in the place of another."""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

from support import COMMAND, LOCAL, environment, node_id, once


def test_a_key_is_256_random_bits() -> None:
    texts = [once("keygen").stdout for _ in range(20)]
    keys = [base64.b64decode(text, validate=True) for text in (text.removesuffix("\n") for text in texts)]
    assert all(len(key) == 32 for key in keys)
    assert len(set(keys)) == 20
    ones = sum(bin(byte).count("1") for key in keys for byte in key)
    assert 2300 < ones < 2820, "of 5120 bits about a half"  # 7 standard deviations
    assert all(text == base64.b64encode(key).decode() + "\n" for text, key in zip(texts, keys, strict=True))


def test_a_file_is_for_its_owner_and_is_never_overwritten(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    old = os.umask(0)
    try:
        made = once("keygen", "--out", str(file))
    finally:
        os.umask(old)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert file.stat().st_mode & 0o7777 == 0o600
    text = file.read_text()
    again = once("keygen", "--out", str(file))
    assert again.returncode == 1
    assert "File exists" in again.stderr
    assert file.read_text() == text
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    assert once("keygen", "--out", str(link)).returncode == 1
    assert not (tmp_path / "target").exists()
    assert once("keygen", "--out", str(tmp_path / "no" / "folder")).returncode == 1

    first = start("--name", "first", *LOCAL, "--secret-file", str(file))
    first_id = node_id(first)
    second = start("--name", "second", *LOCAL, "--seed", first_id, NOEX_CLUSTER_SECRET=text.strip())
    second.wait_line(f"up     {first_id}")


def test_an_output_that_is_full_is_noticed() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "keygen"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert done.returncode == 1
    assert "standard output" in done.stderr
