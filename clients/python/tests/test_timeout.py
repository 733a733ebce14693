"""Giving up after a while."""

import time

import pytest

import program


@pytest.fixture
def generate_with_timeout(get_status):
    names = program.run("timeout", get_status=get_status, time=time)
    return names["generate_with_timeout"]


def test_it_returns_the_last_status(generate_with_timeout, submit_generation, payload):
    status = generate_with_timeout(submit_generation(payload))
    assert (status["status"], status["error"]) == ("Complete", None)


def test_it_returns_a_failure_too(generate_with_timeout, submit_generation, failing_payload):
    status = generate_with_timeout(submit_generation(failing_payload))
    assert status["status"] == "Failed"


def test_it_gives_up_after_the_longest_wait(generate_with_timeout, submit_generation, payload):
    task_id = submit_generation(payload)
    with pytest.raises(TimeoutError, match=f"Task {task_id} exceeded 0s timeout"):
        generate_with_timeout(task_id, max_wait=0)


def test_the_longest_wait_is_passed_on(generate_with_timeout, submit_generation, payload):
    names = program.run(
        "proper_timeout",
        payload=payload,
        submit_generation=submit_generation,
        poll_status=generate_with_timeout,
    )
    assert names["result"]["status"] == "Complete"
