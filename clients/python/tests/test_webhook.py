"""Webhooks: the documented handler, and the receiver of this repository."""

import importlib.util
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

import program

RECEIVER = Path(__file__).parents[2] / "receivers" / "receiver.py"
WITHIN_SECONDS = 30


class App:
    """What the documented handler expects of its web framework."""

    def __init__(self):
        self.handlers, self.events = {}, queue.Queue()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                app.handlers[self.path](event)
                self.send_response(204)
                self.end_headers()
                app.events.put(event)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def post(self, path):
        return lambda handler: self.handlers.setdefault(path, handler)


class Requests:
    """The documented call leaves out the token, and names a host that is not ours."""

    def __init__(self, headers, port):
        self.headers, self.port, self.answer = headers, port, None

    def post(self, url, json):
        path = json["webhook"].removeprefix("https://myapp.com")
        body = {**json, "webhook": f"http://127.0.0.1:{self.port}{path}"}
        self.answer = requests.post(url, json=body, headers=self.headers, timeout=10)
        return self.answer


@pytest.fixture
def app():
    made = App()
    yield made
    made.server.shutdown()


def test_the_documented_handler_gets_its_three_fields(app, api_url, payload, headers):
    client = Requests(headers, app.server.server_port)
    program.run("webhook", requests=client, api_url=api_url, payload=payload, app=app)
    assert client.answer.status_code == 202
    task_id = client.answer.json()["task_id"]
    event = app.events.get(timeout=WITHIN_SECONDS)
    assert event["task_id"] == task_id
    assert event["document_id"] == task_id
    assert event["status"] == "Complete"


def test_our_receiver_takes_what_the_service_signs_and_nothing_else(
    api_url, payload, failing_payload, headers, submit_generation, capsys
):
    spec = importlib.util.spec_from_file_location("receiver", RECEIVER)
    receiver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(receiver)
    server = receiver.serve(0, "")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    made = requests.post(f"{api_url}/api/v1/webhooks", headers=headers, json={"url": url}, timeout=10)
    assert made.status_code == 201, made.text
    server.secret = made.json()["secret"]
    endpoint = f"{api_url}/api/v1/webhooks/{made.json()['endpoint_id']}"
    try:
        forged = requests.post(url, json={"type": "document.complete"}, timeout=10)
        assert forged.status_code == 401
        ids = {submit_generation(payload), submit_generation(failing_payload)}
        deadline = time.monotonic() + WITHIN_SECONDS
        while len(server.seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert {f"msg_{one.replace('-', '')}" for one in ids} <= server.seen
        attempts = requests.get(f"{endpoint}/attempts", headers=headers, timeout=10).json()
        assert all(one["outcome"] in ("delivered", "sending") for one in attempts["attempts"])
    finally:
        assert requests.delete(endpoint, headers=headers, timeout=10).status_code == 204
        server.shutdown()
