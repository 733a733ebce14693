"""Thousands of requests made of the OpenAPI document, and what it says of their answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import service as services

CONFIGURATION = Path(__file__).parents[1] / "schemathesis.toml"
EXAMPLES_MIN = 2_000
EXAMPLES_PER_OPERATION = 100


def test_every_answer_is_one_that_the_document_describes(tmp_path):
    folder = tmp_path / "service"
    folder.mkdir()
    # Nobody is to be told to come back later: quotas have tests of their own.
    quotas = ["--submits-per-minute", "1000000", "--polls-per-minute", "1000000"]
    service = services.Service(folder, *quotas)
    report = tmp_path / "report.json"
    seed = os.environ.get("ARTOS_SCHEMATHESIS_SEED")
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION),
        "run", f"{service.url}/api/v1/openapi.json",
        "--header", f"Authorization: Bearer {services.TOKEN}",
        "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(EXAMPLES_PER_OPERATION), "--workers", "2",
        "--continue-on-failure", "--request-timeout", "30",
        "--report", "json", "--report-json-path", str(report),
        *(["--seed", seed] if seed else []),
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    code = service.stop()
    said = f"{run.stdout}\n{run.stderr}"
    # What failed is at the end, with its seed.
    assert run.returncode == 0, f"schemathesis found something:\n{said[-20_000:]}"
    assert code == 0, f"the service ended with {code}:\n{service.log()[-5_000:]}"
    found = json.loads(report.read_text())
    assert found["test_cases"]["generated"] >= EXAMPLES_MIN, found["test_cases"]
    assert all(phase["status"] == "success" for phase in found["phases"].values()), found["phases"]
    assert "panicked" not in service.log(), service.log()[-5_000:]
