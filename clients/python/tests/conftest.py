"""What every test of a client program starts from."""

import time

import pytest
import requests

import service as services


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """A running document service; each worker of pytest has one."""
    running = services.Service(tmp_path_factory.mktemp("service"))
    yield running
    code = running.stop()
    assert code == 0, f"the service ended with {code}:\n{running.log()}"


@pytest.fixture
def api_url(service):
    return service.url


@pytest.fixture
def token():
    return services.TOKEN


@pytest.fixture
def payload():
    """A request that succeeds: the one the document shows."""
    return {"document_type": "CSR", "file_paths": ["org-id/documents/protocol.pdf"]}


@pytest.fixture
def failing_payload(payload):
    """A request that fails: its source lacks a section."""
    return {**payload, "file_paths": ["org-id/documents/protocol-without-safety.pdf"]}


@pytest.fixture
def headers(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def submit_generation(api_url, headers):
    """Submits a request and returns the id of its task."""

    def submit(payload):
        response = requests.post(
            f"{api_url}/api/v1/documents/generate", headers=headers, json=payload, timeout=10
        )
        if response.status_code != 202:
            raise RuntimeError(f"{response.status_code}: {response.json()['detail']}")
        return response.json()["task_id"]

    return submit


@pytest.fixture
def get_status(api_url, headers):
    """Asks once what became of a task, and remembers the answers in `seen`."""

    def get(task_id):
        response = requests.get(
            f"{api_url}/api/v1/documents/status/{task_id}", headers=headers, timeout=10
        )
        assert response.status_code == 200, response.text
        get.seen.append(response.json())
        return get.seen[-1]

    get.seen = []
    return get


@pytest.fixture
def ended(get_status):
    """Waits until a task has ended, and returns its status."""

    def wait(task_id):
        deadline = time.monotonic() + 60
        while (status := get_status(task_id))["status"] == "Generating":
            assert time.monotonic() < deadline, f"still {status}"
            time.sleep(0.2)
        return status

    return wait
