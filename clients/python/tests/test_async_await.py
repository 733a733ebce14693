"""The same with asyncio and aiohttp."""

import pytest

import program


def test_it_leaves_the_task_when_the_document_is_complete(api_url, token, payload, get_status):
    names = program.run("async_await", api_url=api_url, token=token, payload=payload)
    assert get_status(names["task_id"])["status"] == "Complete"


def test_it_raises_the_reason_of_a_failure(api_url, token, failing_payload):
    with pytest.raises(Exception) as raised:
        program.run("async_await", api_url=api_url, token=token, payload=failing_payload)
    assert str(raised.value) == "Failed: Missing required section: Safety Analysis"
