"""Loops that end: at a terminal answer, or at any answer but `Generating`."""

import time

import pytest

import program

LOOPS = [
    "aggressive_polling",
    "conservative_polling",
    "recommended_polling",
    "best_practice_backoff",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_it_ends_with_a_complete_document(loop, submit_generation, get_status, payload):
    names = program.run(
        loop, task_id=submit_generation(payload), get_status=get_status, time=time
    )
    assert names["status"]["status"] == "Complete"
    assert all(one["status"] == "Generating" for one in get_status.seen[:-1])


@pytest.mark.parametrize("loop", LOOPS)
def test_it_ends_with_a_failure(loop, submit_generation, get_status, failing_payload):
    names = program.run(
        loop, task_id=submit_generation(failing_payload), get_status=get_status, time=time
    )
    assert names["status"]["status"] == "Failed"
    assert names["status"]["error"] == "Missing required section: Safety Analysis"
