"""The tasks of peer.py, which celery's workers import."""

import os
import time

from celery import Celery

url = os.environ["PEER_REDIS"]
app = Celery("tasks", broker=url, backend=url)
app.conf.update(
    # As its guide to optimizing says for many short tasks.
    worker_prefetch_multiplier=64,
    task_ignore_result=False,
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    worker_redirect_stdouts=False,
)


@app.task
def noop(task):
    return task


@app.task
def when(task):
    # Both processes read the same clock of the machine.
    return time.clock_gettime(time.CLOCK_MONOTONIC)
