"""A small Grafana for tests: the paths that push and annotate use, with rights, versions and a memory.

It stores what it is sent and adds what a Grafana adds: ids, versions, times and defaults.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "canary-grafana-token"
EDITOR = ("folders:create", "dashboards:create", "alert.rules:create")


@dataclass(slots=True, kw_only=True)
class FakeGrafana:
    """What the server has, and how it behaves."""

    version: str | None = "12.4.1"
    """None: told only to those who are signed in, as Amazon Managed Grafana does."""
    permissions: tuple[str, ...] = EDITOR
    can_save: bool = True
    refuse: str = ""
    """The beginning of a path on which every write is refused with 403."""
    datasources: list[dict[str, Any]] = field(
        default_factory=lambda: [{"uid": "cw", "type": "cloudwatch"}, {"uid": "prom", "type": "prometheus"}]
    )
    folders: dict[str, Any] = field(default_factory=dict)
    boards: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    """Every write that was done, in order."""
    url: str = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer one request of a signed-in caller."""
        if method == "GET":
            found = self._read(path)
            return (200, found) if found is not None else (404, {"message": "not found"})
        if self.refuse and path.startswith(self.refuse):
            return 403, {"message": "You'll need additional permissions"}
        self.writes.append(f"{method} {path}")
        return self._write(path, body)

    def _read(self, path: str) -> Any:
        fixed: dict[str, Any] = {
            "/api/health": {"database": "ok", **({"version": self.version} if self.version else {})},
            "/api/frontend/settings": {"buildInfo": {"version": self.version or "13.1.0"}},
            "/api/folders": [*self.folders.values()],
            "/api/access-control/user/permissions": {key: ["*"] for key in self.permissions},
            "/api/datasources": self.datasources,
        }
        if path in fixed:
            return fixed[path]
        if match := re.fullmatch("/api/folders/(.+)", path):
            folder = self.folders.get(match[1])
            return folder and {**folder, "canSave": self.can_save}
        if match := re.fullmatch("/api/dashboards/uid/(.+)", path):
            return self.boards.get(match[1])
        return self.groups.get(path)

    def _write(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/folders":
            self.folders[body["uid"]] = body
        elif path == "/api/dashboards/db":
            stored = {**body["dashboard"], "id": len(self.boards) + 1, "version": 1}
            self.boards[stored["uid"]] = {"dashboard": stored, "meta": {"folderUid": body["folderUid"]}}
        elif path == "/api/annotations":
            self.annotations.append(body)
            return 200, {"id": len(self.annotations), "message": "Annotation added"}
        else:
            assert "/rule-groups/" in path
            rules = [
                {
                    **rule,
                    "id": number,
                    "updated": "2026-11-25T12:00:00Z",
                    "data": [{**step, "model": {**step["model"], "intervalMs": 1000}} for step in rule["data"]],
                }
                for number, rule in enumerate(body["rules"])
            ]
            self.groups[path] = {**body, "rules": rules}
        return 200, {}

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run the server on a free port; give its address."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = unquote(urlsplit(self.path).path)
                if self.headers.get("Authorization") != f"Bearer {TOKEN}" and path != "/api/health":
                    status, found = 401, {"message": "Invalid API key"}
                else:
                    status, found = fake.answer(self.command, path, body)
                text = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = _handle  # noqa: N815 - the names in http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            self.url = f"http://127.0.0.1:{server.server_port}"
            yield self.url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
