"""Submit, then ask every five seconds."""

import pytest

import program


@pytest.fixture
def generate_and_wait():
    return program.define("basic_polling")["generate_and_wait"]


def test_it_returns_the_task_when_the_document_is_complete(
    generate_and_wait, api_url, token, payload, get_status, capsys
):
    task_id = generate_and_wait(api_url, token, payload)
    assert get_status(task_id)["status"] == "Complete"
    printed = capsys.readouterr().out
    assert f"Task started: {task_id}" in printed
    assert "Document generation complete!" in printed


def test_it_raises_the_reason_of_a_failure(generate_and_wait, api_url, token, failing_payload):
    with pytest.raises(Exception) as raised:
        generate_and_wait(api_url, token, failing_payload)
    assert str(raised.value) == "Generation failed: Missing required section: Safety Analysis"


def test_it_raises_the_reply_to_a_refused_submission(generate_and_wait, api_url, payload):
    with pytest.raises(Exception, match="Failed to start generation: .*detail"):
        generate_and_wait(api_url, "wrong", payload)


def test_it_gives_up_after_the_longest_wait(generate_and_wait, api_url, token, payload):
    with pytest.raises(TimeoutError, match="timed out after 0s"):
        generate_and_wait(api_url, token, payload, max_wait=0)
