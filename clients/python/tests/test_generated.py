"""Clients that generators make of the OpenAPI document: each generates one and fetches it."""

import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import docx
import pytest
import requests

import service as services

CLIENTS = Path(__file__).parents[2]
CONFIGURATION = CLIENTS / "python" / "openapi_client.yml"
TYPESCRIPT = CLIENTS / "typescript"
RECEIVER = CLIENTS / "receivers" / "receiver.ts"
SOURCE = "org-id/documents/protocol.pdf"


def run(*command, folder):
    # The generators and their formatter are beside this Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, text=True, timeout=300,
        stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def openapi(api_url, tmp_path):
    """The OpenAPI document of the running service, as a file."""
    path = tmp_path / "openapi.json"
    path.write_bytes(requests.get(f"{api_url}/api/v1/openapi.json", timeout=10).content)
    return path


@pytest.fixture
def node(tmp_path):
    """A folder for programs of Node's, with the packages of `clients/typescript`."""
    modules = os.environ.get("ARTOS_NODE_MODULES")
    if modules is None:
        raise RuntimeError("ARTOS_NODE_MODULES is not set: run ./scripts/test clients")
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "node_modules").symlink_to(modules)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(TYPESCRIPT / name, folder)
    return folder


def check_file(content, title):
    """Looks whether these bytes are a Word document with that section."""
    paragraphs = [one.text for one in docx.Document(io.BytesIO(content)).paragraphs]
    assert any(title in text for text in paragraphs), paragraphs


def test_a_python_client_generates_a_document(api_url, token, openapi, tmp_path, monkeypatch):
    # A warning of the generator is about something that a client will lack.
    run(
        sys.executable, "-m", "openapi_python_client", "generate", "--path", openapi,
        "--config", CONFIGURATION, "--output-path", tmp_path / "made", "--fail-on-warning",
        folder=tmp_path,
    )
    monkeypatch.syspath_prepend(tmp_path / "made")
    made = importlib.import_module("document_client")
    models = importlib.import_module("document_client.models")

    def operation(name):
        return importlib.import_module(f"document_client.api.documents.documents_{name}")

    client = made.AuthenticatedClient(base_url=api_url, token=token, timeout=30)
    request = models.GenerateDocument(document_type="CSR", file_paths=[SOURCE])
    accepted = operation("generate").sync(client=client, body=request, idempotency_key="generated")
    assert isinstance(accepted, models.Accepted), accepted
    again = operation("generate").sync(client=client, body=request, idempotency_key="generated")
    assert again.task_id == accepted.task_id
    known = made.types.UNSET
    while True:
        answer = operation("status").sync_detailed(
            accepted.task_id, client=client, prefer="wait=20", if_none_match=known
        )
        assert answer.status_code in (200, 304), answer
        known = answer.headers["etag"]
        if answer.status_code == 200 and answer.parsed.status != models.Status.GENERATING:
            break
    assert answer.parsed.status == models.Status.COMPLETE, answer.parsed
    document = operation("document").sync(answer.parsed.document_id, client=client).document
    assert document.sections
    file = operation("file").sync(answer.parsed.document_id, client=client)
    check_file(file.payload.read(), document.sections[0].title)
    # What is refused comes as what is refused, not as an exception.
    refused = operation("status").sync("00000000-0000-7000-8000-000000000000", client=client)
    assert isinstance(refused, models.Problem) and refused.code == "not_found", refused


def test_a_typescript_client_generates_a_document(api_url, token, openapi, node):
    run("node_modules/.bin/openapi-typescript", openapi, "--output", "api.ts", folder=node)
    shutil.copy(TYPESCRIPT / "generate.ts", node)
    # The compiler checks every field that the program reads against the OpenAPI document.
    run("node_modules/.bin/tsc", folder=node)
    made = json.loads(run("node", "generate.js", api_url, token, SOURCE, folder=node))
    content = (node / f"{made['name']}.docx").read_bytes()
    assert len(content) == made["size"]
    check_file(content, made["sections"][0])


def test_the_typescript_receiver_takes_what_the_service_signs(
    api_url, payload, headers, submit_generation, node
):
    shutil.copy(RECEIVER, node)
    run("node_modules/.bin/tsc", folder=node)
    port = services.free_port()
    url = f"http://127.0.0.1:{port}/"
    made = requests.post(f"{api_url}/api/v1/webhooks", headers=headers, json={"url": url}, timeout=10)
    assert made.status_code == 201, made.text
    process = subprocess.Popen(
        ["node", "receiver.js", str(port), made.json()["secret"]],
        cwd=node, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )
    endpoint = f"{api_url}/api/v1/webhooks/{made.json()['endpoint_id']}"
    # Whatever happens, the line that is waited for below ends.
    watch = threading.Timer(60, process.kill)
    watch.start()
    try:
        listening = process.stdout.readline()
        assert listening.startswith("listening"), listening
        assert requests.post(url, json={"type": "document.complete"}, timeout=10).status_code == 401
        task_id = submit_generation(payload)
        # Tasks of tests that ran before may end as well.
        events = (line.split() for line in process.stdout)
        event = next(event for event in events if task_id in event)
        assert event == ["document.complete", task_id, "Complete"]
    finally:
        watch.cancel()
        process.kill()
        process.wait()
        assert requests.delete(endpoint, headers=headers, timeout=10).status_code == 204
