"""A document service in a process of its own."""

import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
SAMPLES = REPOSITORY / "examples" / "document-service" / "samples"
ORGANIZATION = "org-id"
TOKEN = "token-of-the-tests"
READY_WITHIN_SECONDS = 30


class Service:
    """Starts `document-service serve` on a free port, with the sample files below `folder`."""

    def __init__(self, folder, *options):
        files = folder / "files"
        shutil.copytree(SAMPLES, files / ORGANIZATION / "documents")
        command = [
            program(), "serve", "--listen", "127.0.0.1:0", "--store", "memory:",
            "--files", str(files), "--token", f"{ORGANIZATION}={TOKEN}",
            "--webhook-network", "127.0.0.0/8", *options,
        ]
        self._log = []
        self._ready = threading.Event()
        self.url = None
        # The service takes options from the environment, too; a developer's do not belong here.
        names = (name for name in os.environ if not name.startswith("DOCUMENT_SERVICE_"))
        self._process = subprocess.Popen(
            command, cwd=folder, text=True, env={name: os.environ[name] for name in names},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(READY_WITHIN_SECONDS) or self.url is None:
            self.stop()
            raise RuntimeError(f"{' '.join(command)} did not get ready:\n{self.log()}")

    def _read(self):
        for line in self._process.stdout:
            self._log.append(line)
            found = re.search(r"listening on (http://[0-9.]+:\d+)", line)
            if found and self.url is None:
                self.url = found.group(1)
                self._ready.set()
        # The process has ended; whoever waits for it to get ready may stop waiting.
        self._ready.set()

    def log(self):
        return "".join(self._log)

    def stop(self):
        """Asks the service to end, and returns its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(timeout=5)
        return code


def program():
    path = os.environ.get("DOCUMENT_SERVICE_BIN", REPOSITORY / "target/debug/document-service")
    if not Path(path).is_file():
        raise RuntimeError(
            f"{path} does not exist: run ./scripts/test clients, or set DOCUMENT_SERVICE_BIN"
        )
    return str(path)


def free_port():
    """Returns a port that nobody listens on, for a program that has to be told its own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
