"""A stand-in of the Hugging Face hub on this machine: the routes that huggingface_hub uses to push and pull models."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import yaml

#: Who may write; another token may read alone, and no token reads public repositories.
TOKEN, READER = "hf_writer", "hf_reader"
LICENCES = {"apache-2.0", "mit", "cc-by-4.0"}


@dataclass
class Repository:
    """Files by commit; the newest commit is last."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.newest]


@dataclass
class Hub:
    """What the stand-in holds, and what it was asked."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: re.Pattern[str] | None = None
    """Requests that fail with 500, such as "POST .*/commit/"."""
    flipped: str = ""
    """Name of a file whose bytes are damaged on their way."""


@contextlib.contextmanager
def hub_server() -> Iterator[Hub]:
    """Serves an empty hub on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._route()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _route(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.broken is not None and self.hub.broken.match(self.hub.asked[-1]):
            return self._fail(500, "", "it broke")
        for pattern, answer in self.ROUTES.items():
            found = re.fullmatch(pattern, f"{self.command} {path}")
            if found:
                return answer(self, *found.groups())
        self._fail(404, "EntryNotFound", f"no route {path}")

    @property
    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _repository(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self._token not in (TOKEN, READER)):
            self._fail(401 if not self._token else 404, "RepoNotFound", "Repository not found")
            return None
        return found

    def _may_write(self) -> bool:
        if self._token == TOKEN:
            return True
        self._fail(401 if not self._token else 403, "", "You do not have the rights")
        return False

    def _validate(self) -> None:
        header = yaml.safe_load(json.loads(self.body)["content"].split("---")[1])
        if header.get("license", "mit") not in LICENCES:
            return self._send({"errors": [{"message": '"license" must be one of them'}], "warnings": []}, 400)
        self._send({"errors": [], "warnings": []})

    def _create(self) -> None:
        if not self._may_write():
            return
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.hub.repositories
        if not known:
            self.hub.repositories[name] = Repository(private=asked.get("visibility") == "private")
        self._send({"url": f"{self.hub.address}/{name}", "name": name, "id": name}, 409 if known else 200)

    def _info(self, name: str, revision: str = "main") -> None:
        repository = self._repository(name)
        if repository is None:
            return
        commit = repository.newest if revision == "main" else revision
        if commit not in repository.commits:
            return self._fail(404, "RevisionNotFound", "Invalid rev id")
        siblings = [{"rfilename": file, "size": len(content), "blobId": "0" * 40, **_lfs(file, content)}
                    for file, content in repository.commits[commit].items()]  # fmt: skip
        self._send({"id": name, "sha": commit, "private": repository.private, "siblings": siblings, "tags": []})

    def _preupload(self, name: str) -> None:
        if self._repository(name) is not None and self._may_write():
            files = [{"path": file["path"], "uploadMode": "lfs" if _is_lfs(file["path"]) else "regular",
                      "shouldIgnore": False} for file in json.loads(self.body)["files"]]  # fmt: skip
            self._send({"files": files})

    def _batch(self, name: str) -> None:
        if self._may_write():
            objects = [{**each, "actions": {"upload": {"href": f"{self.hub.address}/lfs/{each['oid']}"}}}
                       for each in json.loads(self.body)["objects"]]  # fmt: skip
            self._send({"transfer": "basic", "objects": objects})

    def _upload(self, digest: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == digest
        self.hub.uploads[digest] = self.body
        self._send({})

    def _commit(self, name: str) -> None:
        repository = self._repository(name)
        if repository is None or not self._may_write():
            return
        files = dict(repository.files)
        for line in map(json.loads, self.body.splitlines()):
            value: Any = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = hashlib.sha1(self.body + str(len(repository.commits)).encode()).hexdigest()
        repository.commits[commit] = files
        self._send({"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit, "success": True})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name)
        if repository is None:
            return
        content = repository.commits[repository.newest if revision == "main" else revision][file]
        digest = hashlib.sha256(content).hexdigest()
        if file == self.hub.flipped:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(content, ETag=f'"{digest}"', **{"X-Repo-Commit": revision, "X-Linked-Size": str(len(content))})

    def _fail(self, status: int, code: str, text: str) -> None:
        self._send({"error": text}, status, **({"X-Error-Code": code} if code else {}), **{"X-Error-Message": text})

    def _send(self, content: object, status: int = 200, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    ROUTES: ClassVar = {
        r"POST /api/validate-yaml": _validate,
        r"POST /api/repos/create": _create,
        r"GET /api/models/([^/]+/[^/]+)": _info,
        r"GET /api/models/([^/]+/[^/]+)/revision/(.+)": _info,
        r"POST /api/models/([^/]+/[^/]+)/preupload/main": _preupload,
        r"POST /api/models/([^/]+/[^/]+)/commit/main": _commit,
        r"POST /([^/]+/[^/]+)\.git/info/lfs/objects/batch": _batch,
        r"PUT /lfs/(\w+)": _upload,
        r"(?:GET|HEAD) /([^/]+/[^/]+)/resolve/([^/]+)/(.+)": _resolve,
    }


def _is_lfs(file: str) -> bool:
    return file.endswith(".safetensors")


def _lfs(file: str, content: bytes) -> dict[str, Any]:
    if not _is_lfs(file):
        return {}
    return {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
