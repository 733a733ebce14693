"""What to do when a task failed, could not be submitted, or takes too long."""

import logging
import time
from types import SimpleNamespace

import pytest

import program


@pytest.fixture
def logger():
    return logging.getLogger("client")


@pytest.fixture
def notified():
    """The notifications that were sent to the user."""
    return []


def test_a_failure_is_logged_and_the_user_notified(
    submit_generation, ended, get_status, failing_payload, logger, notified, caplog, capsys
):
    task_id = submit_generation(failing_payload)
    ended(task_id)
    program.run(
        "error_handling",
        task_id=task_id,
        get_status=get_status,
        logger=logger,
        should_retry=lambda: False,
        notify_user_of_failure=lambda: notified.append("failure"),
    )
    reason = "Missing required section: Safety Analysis"
    assert f"Generation failed: {reason}" in capsys.readouterr().out
    assert [(one.task_id, one.error) for one in caplog.records] == [(task_id, reason)]
    assert notified == ["failure"]


def test_a_failure_can_be_submitted_again(
    api_url, token, submit_generation, ended, get_status, failing_payload, payload, logger
):
    task_id = submit_generation(failing_payload)
    ended(task_id)
    retried = []
    generate_and_wait = program.define("basic_polling")["generate_and_wait"]
    program.run(
        "error_handling",
        api_url=api_url,
        token=token,
        # The missing section has been supplied meanwhile.
        payload=payload,
        task_id=task_id,
        get_status=get_status,
        logger=logger,
        should_retry=lambda: True,
        generate_and_wait=lambda *arguments: retried.append(generate_and_wait(*arguments)),
    )
    assert retried != [task_id]
    assert get_status(retried[0])["status"] == "Complete"


def test_a_complete_document_needs_no_handling(submit_generation, ended, get_status, payload):
    task_id = submit_generation(payload)
    ended(task_id)
    names = program.run("error_handling", task_id=task_id, get_status=get_status)
    assert names["status"]["status"] == "Complete"


def test_a_refused_submission_is_noticed(
    submit_generation, get_status, payload, ended, logger, notified, caplog
):
    names = program.run(
        "graceful_errors",
        payload={**payload, "file_paths": []},
        # The program goes on with the task it knew before.
        task_id=submit_generation(payload),
        submit_generation=submit_generation,
        poll_status=ended,
        logger=logger,
        notify_user_of_failure=lambda: notified.append("failure"),
    )
    assert notified == ["failure"]
    assert "Generation submission failed: 422" in caplog.text
    assert names["result"]["status"] == "Complete"


def test_a_timeout_is_noticed(
    submit_generation, get_status, payload, logger, notified, caplog
):
    generate_with_timeout = program.run("timeout", get_status=get_status, time=time)[
        "generate_with_timeout"
    ]
    names = program.run(
        "graceful_errors",
        payload=payload,
        submit_generation=submit_generation,
        poll_status=lambda task_id: generate_with_timeout(task_id, max_wait=0),
        logger=logger,
        notify_user_of_timeout=lambda: notified.append("timeout"),
    )
    assert notified == ["timeout"]
    assert f"Task {names['task_id']} timed out" in caplog.text


def test_the_task_is_logged_for_support(submit_generation, payload, logger, caplog):
    caplog.set_level(logging.INFO, logger="client")
    task_id = submit_generation(payload)
    program.run(
        "logged_task_ids",
        task_id=task_id,
        payload=payload,
        current_user=SimpleNamespace(id="ada"),
        logger=logger,
    )
    assert [(one.task_id, one.document_type) for one in caplog.records] == [(task_id, "CSR")]
