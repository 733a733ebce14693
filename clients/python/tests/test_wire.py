"""The replies have the documented shape: every program here relies on it."""

import io
import uuid

import docx
import requests


def test_a_submission_is_accepted_at_once(api_url, headers, payload):
    response = requests.post(
        f"{api_url}/api/v1/documents/generate", headers=headers, json=payload, timeout=10
    )
    assert response.status_code == 202
    reply = response.json()
    assert reply["message"] == "Document generation started"
    assert isinstance(reply["task_id"], str) and reply["task_id"]


def test_a_status_has_the_four_documented_fields(submit_generation, get_status, payload):
    status = get_status(submit_generation(payload))
    assert {"task_id", "status", "progress", "error"} <= status.keys()
    assert status["status"] in ("Generating", "Complete")
    assert status["error"] is None


def test_a_complete_document_can_be_read(api_url, headers, submit_generation, payload, ended):
    task_id = submit_generation(payload)
    assert ended(task_id)["status"] == "Complete"
    found = requests.get(f"{api_url}/api/v1/documents/{task_id}", headers=headers, timeout=10)
    assert found.status_code == 200
    assert found.json()["document"]
    file = requests.get(f"{api_url}/api/v1/documents/{task_id}/file", headers=headers, timeout=10)
    assert file.status_code == 200
    document = docx.Document(io.BytesIO(file.content))
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    assert "Safety" in text
    assert any(paragraph.style.name.startswith("Heading") for paragraph in document.paragraphs)


def test_a_failed_task_says_why(submit_generation, failing_payload, ended):
    status = ended(submit_generation(failing_payload))
    assert status["status"] == "Failed"
    assert status["error"] == "Missing required section: Safety Analysis"


def test_errors_are_json_with_a_detail(api_url, headers, payload):
    generate = f"{api_url}/api/v1/documents/generate"
    nobody = requests.post(generate, json=payload, timeout=10)
    stranger = requests.post(
        generate, headers={"Authorization": "Bearer wrong"}, json=payload, timeout=10
    )
    empty = requests.post(generate, headers=headers, json={}, timeout=10)
    unknown = requests.get(
        f"{api_url}/api/v1/documents/status/{uuid.uuid4()}", headers=headers, timeout=10
    )
    replies = [nobody, stranger, empty, unknown]
    assert [reply.status_code for reply in replies] == [401, 401, 422, 404]
    assert all(isinstance(reply.json()["detail"], str) for reply in replies)
