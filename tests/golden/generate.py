"""Writes the fixtures of `cases.py` into ``wire/``: ``python -m tests.golden.generate``.

Bodies and expectations are both written by hand there; this adds only what no hand can: lengths, checksums, base64.
The frames are made from the specification and not by anything that the library has, so that the two can disagree.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from struct import pack
from typing import Any
from zlib import crc32

WIRE = Path(__file__).parent / "wire"
_STATUS = {200: "OK", 429: "Too Many Requests", 400: "Bad Request"}


def frame(event: str, payload: bytes, *, kind: str = "event") -> bytes:
    """Encode one message of an event stream."""
    headers = b"".join(
        pack(">B", len(name)) + name.encode() + b"\x07" + pack(">H", len(value)) + value.encode()
        for name, value in ((f":{kind}-type", event), (":content-type", "application/json"), (":message-type", kind))
    )
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def compact(document: object) -> bytes:
    """Encode JSON as Bedrock does: without spaces, characters as they are."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def chunks(*documents: object) -> bytes:
    """Encode the documents of an InvokeModel stream, each in its own message, with padding of changing length."""
    return b"".join(
        frame(
            "chunk", compact({"bytes": b64encode(compact(document)).decode(), "p": "abcdefghijklmnopqrstuvw"[:number]})
        )
        for number, document in enumerate(documents, 1)
    )


def events(**documents: Mapping[str, Any]) -> bytes:
    """Encode the events of a Converse stream; a name may carry a number, so that an event can come twice."""
    return b"".join(
        frame(name.rstrip("0123456789"), compact({**document, "p": "abcdefghijklmnopqrstuvw"[:number]}))
        for number, (name, document) in enumerate(documents.items(), 1)
    )


def exception(name: str, message: str = "Try later.") -> bytes:
    """Encode an exception message."""
    return frame(name, compact({"message": message}), kind="exception")


def sse(*documents: object, named: bool = False, data_first: bool = False, done: bool = False) -> bytes:
    """Encode server-sent events; ``named`` gives each its ``event`` line, before or after the data."""
    written = []
    for document in documents:
        lines = [b"data: " + compact(document)]
        if named and isinstance(document, dict):
            lines.insert(len(lines) if data_first else 0, b"event: " + str(document["type"]).encode())
        written.append(b"\n".join(lines) + b"\n\n")
    return b"".join(written) + (b"data: [DONE]\n\n" if done else b"")


def write(number: int, name: str, *, body: bytes, headers: Mapping[str, str], status: int, expected: Any) -> None:
    """Write the two files of a fixture."""
    framing = {} if any("stream" in value for value in headers.values()) else {"Content-Length": str(len(body))}
    head = {
        "Date": "Mon, 23 Nov 2026 12:00:00 GMT",
        **({"Content-Type": "application/json"} if "Content-Type" not in headers else {}),
        **headers,
        **(framing or {"Transfer-Encoding": "chunked"}),
        "x-amzn-RequestId": f"00000000-0000-4000-8000-{number:012}",
    }
    lines = [f"HTTP/1.1 {status} {_STATUS[status]}", *(f"{key}: {value}" for key, value in head.items())]
    (WIRE / f"{name}.http").write_bytes("\n".join(lines).encode() + b"\n\n" + body)
    (WIRE / f"{name}.usage.json").write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from tests.golden.cases import CASES, expectation

    for place, case in enumerate(CASES):
        write(
            100 + place,
            case.name,
            body=case.body,
            headers=case.headers,
            status=case.status,
            expected=expectation(case),
        )
