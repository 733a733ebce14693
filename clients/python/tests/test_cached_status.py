"""Asking the server only every ten seconds."""

import time

import pytest
import requests

import program


class Documents(requests.Session):
    """Takes addresses relative to the documents of the API, as the program writes them."""

    def __init__(self, api_url, headers):
        super().__init__()
        self.base = f"{api_url}/api/v1/documents"
        self.headers.update(headers)
        self.calls = 0

    def get(self, path):
        self.calls += 1
        return super().get(self.base + path, timeout=10)


@pytest.fixture
def documents(api_url, headers):
    return Documents(api_url, headers)


@pytest.fixture
def get_cached_status(documents):
    return program.run("cached_status", requests=documents, time=time)["get_cached_status"]


def test_a_second_question_is_answered_from_the_cache(
    get_cached_status, documents, submit_generation, ended, payload
):
    task_id = submit_generation(payload)
    ended(task_id)
    first = get_cached_status(task_id)
    assert first["status"] == "Complete"
    assert get_cached_status(task_id) == first
    assert documents.calls == 1


def test_an_old_answer_is_not_used(get_cached_status, documents, submit_generation, ended, payload):
    task_id = submit_generation(payload)
    before = get_cached_status(task_id)
    assert before["task_id"] == task_id
    ended(task_id)
    assert get_cached_status(task_id, cache_ttl=0)["status"] == "Complete"
    assert documents.calls == 2


def test_a_failure_is_cached_with_its_reason(
    get_cached_status, submit_generation, ended, failing_payload
):
    task_id = submit_generation(failing_payload)
    ended(task_id)
    status = get_cached_status(task_id)
    assert status["error"] == "Missing required section: Safety Analysis"
