"""Build the tokenizer layer: ``build.py TARGET [--host]``. Standard library and pip only.

TARGET (``python/`` of the layer) gets two packages:

- ``tiktoken``, with the compiled part of every runtime and architecture that the layer serves side by side. Their file
  names differ, so one layer fits all. Its dependencies ``requests`` and ``regex`` are left out: what the meter calls
  needs neither.
- ``bedrock_meter_tokenizer``, which holds the vocabulary of o200k_base in a form that loads fast.

Both downloads are pinned by hash, and the vocabulary is checked against the SHA-256 that OpenAI publishes it with, so
that it does not matter who packaged it. With ``--host`` the compiled part is that of the running interpreter, for tests
and local use.
"""
# ruff: noqa: INP001 - a script

import argparse
import base64
import hashlib
import marshal
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
RUNTIMES = ("3.12", "3.13", "3.14")
ARCHITECTURES = ("x86_64", "aarch64")

ORIGINAL_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""Of tiktoken's own file of the vocabulary: lines ``base64 rank``."""
VOCABULARY = "o200k_base.tokens"
VOCABULARY_SHA256 = "c8cd7e7486eede6ff48e15d6a03148669592b67a7c472a0314e85c5e116a26d1"
"""Of what is built from it, which the library checks."""
_MARSHAL = 2
"""The version of the format: without references, so that the same tokens are always the same bytes."""
# The smallest package that carries all ranks of o200k_base. It is unzipped and never imported, so which of its wheels
# is taken does not matter; this one is named so that every machine takes the same.
VOCABULARY_MEMBER = "quicktok/data/o200k.vocab"
VOCABULARY_WHEEL = ("--python-version", "3.11", "--platform", "manylinux_2_17_x86_64")


class BuildError(Exception):
    """The layer cannot be built as it should be."""


def main() -> None:
    """Read the command line, build."""
    parser = argparse.ArgumentParser(description="Build the tokenizer layer.")
    parser.add_argument("target", type=Path, help="the folder that becomes /opt/python")
    parser.add_argument("--host", action="store_true", help="build for the running interpreter only")
    arguments = parser.parse_args()
    build(arguments.target, host=arguments.host)


def build(target: Path, *, host: bool = False) -> None:
    """Lay both packages below `target`.

    Raises:
        BuildError: The vocabulary is not the one that was calibrated with.
        subprocess.CalledProcessError: pip could not get a package, or its hash is wrong.
    """
    target.mkdir(parents=True, exist_ok=True)
    package = target / "bedrock_meter_tokenizer"
    package.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        [wheel] = download("vocabulary.lock", VOCABULARY_WHEEL, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            ranks = archive.read(VOCABULARY_MEMBER)
    tokens = tokens_of(ranks)
    checked(as_tiktoken(tokens), ORIGINAL_SHA256)
    (package / VOCABULARY).write_bytes(checked(marshal.dumps(tokens, _MARSHAL), VOCABULARY_SHA256))
    (package / "__init__.py").write_text('"""The vocabulary of o200k_base."""\n', encoding="utf-8")
    for selection in [()] if host else wheels_of_lambda():
        with tempfile.TemporaryDirectory() as folder:
            for wheel in download("tiktoken.lock", selection, Path(folder)):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(target)


def wheels_of_lambda() -> list[tuple[str, ...]]:
    """Give pip's selection for each runtime and architecture; glibc 2.28 is older than that of Amazon Linux 2023."""
    return [
        ("--python-version", version, "--platform", f"manylinux_2_28_{architecture}")
        for version in RUNTIMES
        for architecture in ARCHITECTURES
    ]


def download(lock: str, selection: tuple[str, ...], folder: Path) -> list[Path]:
    """Get the one wheel of a lock file; pip checks its hash."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps")
    options = ("--only-binary=:all:", "--require-hashes", *selection, "--dest", str(folder), "-r", str(HERE / lock))
    subprocess.run((*command, *options), check=True)  # noqa: S603 - a fixed command
    return sorted(folder.glob("*.whl"))


def tokens_of(ranks: bytes) -> list[bytes]:
    """Read the carrier's binary table; give the tokens in the order of their ranks, which are 0, 1, 2, ….

    The table is a count (u32), then for each token its length (u16), its bytes and its rank (u32); little-endian.
    """
    (count,) = struct.unpack_from("<I", ranks)
    offset, tokens = 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", ranks, offset)
        token = ranks[offset + 2 : offset + 2 + length]
        (rank,) = struct.unpack_from("<I", ranks, offset + 2 + length)
        tokens.append((rank, token))
        offset += length + 6
    return [token for _, token in sorted(tokens)]


def as_tiktoken(tokens: list[bytes]) -> bytes:
    """Write tokens as tiktoken's file has them."""
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens))


def checked(vocabulary: bytes, expected: str) -> bytes:
    """Give the vocabulary back if it is the right one.

    Raises:
        BuildError: Its SHA-256 is another.
    """
    found = hashlib.sha256(vocabulary).hexdigest()
    if found != expected:
        message = f"the vocabulary has the SHA-256 {found}, not {expected}"
        raise BuildError(message)
    return vocabulary


if __name__ == "__main__":
    main()
