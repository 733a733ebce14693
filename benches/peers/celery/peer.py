"""The work of artos-bench on Celery with Redis: peer.py WHAT STORE TASKS SLOTS PLACE.

STORE is redis-everysec or redis-always, which is how often Redis syncs its log. SLOTS is the number
of worker processes. What counts is what the result backend says about each task's end.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import redis

HERE = pathlib.Path(__file__).parent
PROGRAMS = pathlib.Path(sys.executable).parent
DURABILITY = {
    "everysec": "Redis syncs its log every second: the last second may be lost",
    "always": "Redis syncs its log before it answers: outlives power cuts",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def patiently(question, seconds=60):
    until = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > until:
            raise TimeoutError(question)
        time.sleep(0.005)
    return answer


def answers(client):
    try:
        return client.ping()
    except redis.exceptions.ConnectionError:
        return False


def noop(number):
    document = "org-7f3a/documents/protocol.pdf"
    return {"number": number, "customer": "org-7f3a", "document": document}


def submit(app, tasks, stages):
    import celery
    import tasks as program

    results = []
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for number in range(tasks):
            if stages == 1:
                result = program.noop.apply_async((noop(number),), producer=producer)
            else:
                steps = [program.noop.s(noop(number))] + [program.noop.s()] * (stages - 1)
                result = celery.chain(*steps).apply_async(producer=producer)
            results.append(result.id)
    return results


def ended(client, ids):
    """How many tasks ended well, by what Redis holds about each."""
    count = 0
    for start in range(0, len(ids), 1000):
        keys = ["celery-task-meta-" + one for one in ids[start : start + 1000]]
        found = [json.loads(one) for one in client.mget(keys) if one]
        count += sum(one["status"] == "SUCCESS" for one in found)
    return count


def worker(slots):
    command = [PROGRAMS / "celery", "-A", "tasks", "worker", "--loglevel", "ERROR"]
    command += ["--pool", "prefork", "--concurrency", str(slots), "-O", "fair"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return running(command, cwd=HERE, stderr=subprocess.DEVNULL)


def burn_down(app, client, tasks, slots, stages):
    ids = submit(app, tasks, stages)
    started = time.monotonic()
    with worker(slots):
        # The start of its processes is not what is measured: the clock starts at the first end.
        patiently(lambda: ended(client, ids[:1000]) > 0)
        begun, before = time.monotonic(), ended(client, ids)
        # The last are asked for: asking for all over and over is work, too.
        patiently(lambda: ended(client, ids[-100:]) == len(ids[-100:]), 600)
        verified = patiently(lambda: ended(client, ids) == tasks and tasks)
        seconds = time.monotonic() - begun
    rate = (tasks - before) / seconds
    return {"seconds": time.monotonic() - started, "rate": rate, "verified": verified}


# The fewest samples of which a 99th percentile is told: two of them took longer.
SAMPLES_FOR_P99 = 200


def percentile(ordered, permille):
    """The least of the values that so many of a thousand are no larger than."""
    rank = -(-len(ordered) * permille // 1000)
    return ordered[max(rank, 1) - 1]


def latency(app, tasks, slots):
    import tasks as program

    clock = lambda: time.clock_gettime(time.CLOCK_MONOTONIC)
    waits = []
    with worker(slots):
        started = program.when.delay(noop(0)).get(timeout=60)
        for number in range(tasks):
            # A moment of rest since the last start, not in step with anything.
            rest = 0.005 + number * 7 % 11 / 1000
            time.sleep(max(started + rest - clock(), 0))
            asked = clock()
            started = program.when.delay(noop(number)).get(timeout=60)
            waits.append(started - asked)
    waits.sort()
    figures = {"p50_us": 500, "p99_us": 990, "max_us": 1000}
    if tasks < SAMPLES_FOR_P99:
        del figures["p99_us"]
    figures = {name: percentile(waits, permille) * 1e6 for name, permille in figures.items()}
    return figures | {"verified": len(waits)}


def main():
    what, store, tasks, slots, place = sys.argv[1:]
    tasks, slots = int(tasks), int(slots)
    sync = store.removeprefix("redis-")
    port = free_port()
    os.environ["PEER_REDIS"] = f"redis://127.0.0.1:{port}/0"
    command = [PROGRAMS / "redis-server", "--port", str(port), "--dir", place, "--save", ""]
    command += ["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", sync]
    with running(command):
        client = redis.Redis(port=port)
        patiently(lambda: answers(client))
        sys.path.insert(0, str(HERE))
        from tasks import app

        stages = 5 if what == "pipeline" else 1
        if what == "latency":
            figures = latency(app, tasks, slots)
        else:
            figures = burn_down(app, client, tasks, slots, stages)
        version = client.info("server")["redis_version"]
        import celery

        about = {
            "peer": "celery",
            "version": f"{celery.__version__}, Redis {version}",
            "durability": DURABILITY[sync],
            "settings": f"prefork, {slots} processes, prefetch 64, acks late",
            "what": what,
            "store": store,
            "stages": stages,
            "tasks": tasks,
            "slots": slots,
        }
        print(json.dumps(about | figures), flush=True)


main()
