"""Wait longer after each answer."""

import time

import pytest
import requests

import program


@pytest.fixture
def generate_with_backoff():
    names = program.run("exponential_backoff", requests=requests, time=time)
    return names["generate_with_backoff"]


def test_it_returns_the_task_when_the_document_is_complete(
    generate_with_backoff, api_url, token, payload, get_status
):
    task_id = generate_with_backoff(api_url, token, payload)
    assert get_status(task_id)["status"] == "Complete"


def test_it_raises_the_reason_of_a_failure(
    generate_with_backoff, api_url, token, failing_payload
):
    with pytest.raises(Exception) as raised:
        generate_with_backoff(api_url, token, failing_payload)
    assert str(raised.value) == "Failed: Missing required section: Safety Analysis"
