"""A test's executor: v1 executor API over http.client. The task's data is the order:

    finish          RUNNING, then FINISHED            run           RUNNING, until killed or shut down
    exit N          RUNNING, then the process ends    silent        nothing at all
    echo            RUNNING, sends each message back  shell COMMAND runs it in the sandbox, then FINISHED
    stubborn        RUNNING, ignores KILL and SHUTDOWN
    tell            RUNNING, then sends a message with its environment, and its working folder's listing
"""
import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

HOST, PORT = os.environ["MESOS_AGENT_ENDPOINT"].split(":")
IDS = {"framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]},
       "executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]}}
DOES = {}
UNACKNOWLEDGED = {}
TASKS = {}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def call(**body):
    connection = http.client.HTTPConnection(HOST, int(PORT), timeout=10)
    connection.request("POST", "/api/v1/executor", json.dumps({**IDS, **body}), HEADERS)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 202:
        print("refused:", answer.status, text, flush=True)


def update(task_id, state, **more):
    number = base64.b64encode(uuid.uuid4().bytes).decode()
    made = {"status": {"task_id": {"value": task_id}, "state": state, "uuid": number, "source": "SOURCE_EXECUTOR",
                       "timestamp": time.time(), **more}}
    UNACKNOWLEDGED[number] = made
    call(type="UPDATE", update=made)


def message(data):
    call(type="MESSAGE", message={"data": base64.b64encode(data.encode()).decode()})


def launch(task):
    task_id = task["task_id"]["value"]
    do = base64.b64decode(task.get("data", "")).decode()
    DOES[task_id] = do
    TASKS[task_id] = task
    if do == "silent":
        return
    update(task_id, "TASK_RUNNING", message="here we go")
    word, _, rest = do.partition(" ")
    if word == "finish":
        update(task_id, "TASK_FINISHED", data=base64.b64encode(b"result").decode())
    elif word == "exit":
        os._exit(int(rest))
    elif word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "tell":
        message(json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "files": sorted(os.listdir(".")),
                            "pgid": os.getpgid(0), "sid": os.getsid(0), "pid": os.getpid()}))
    elif word == "shell":
        code = subprocess.call(["/bin/sh", "-c", rest])
        update(task_id, "TASK_FINISHED" if code == 0 else "TASK_FAILED", message=f"exit code {code}")


def handle(event):
    kind = event["type"]
    if kind == "LAUNCH":
        threading.Thread(target=launch, args=(event["launch"]["task"],), daemon=True).start()
    elif kind == "KILL":
        task_id = event["kill"]["task_id"]["value"]
        if DOES.get(task_id) != "stubborn":
            policy = event["kill"].get("kill_policy")
            update(task_id, "TASK_KILLED", message="killed " + json.dumps(policy) if policy else "killed")
    elif kind == "ACKNOWLEDGED":
        UNACKNOWLEDGED.pop(event["acknowledged"]["uuid"], None)
    elif kind == "MESSAGE":
        message("echo:" + base64.b64decode(event["message"]["data"]).decode())
    elif kind == "SHUTDOWN" and "stubborn" not in DOES.values():
        for task_id in DOES:
            update(task_id, "TASK_KILLED", message="shut down")
        os._exit(0)
    if kind != "HEARTBEAT":
        print(kind, flush=True)


def stream():
    connection = http.client.HTTPConnection(HOST, int(PORT), timeout=None)
    connection.request("POST", "/api/v1/executor", json.dumps({
        **IDS, "type": "SUBSCRIBE", "subscribe": {
            "unacknowledged_tasks": list(TASKS.values()),
            "unacknowledged_updates": list(UNACKNOWLEDGED.values())}}), HEADERS)
    answer = connection.getresponse()
    if answer.status != 200:
        print("not subscribed:", answer.status, answer.read().decode(), flush=True)
        return
    while True:
        line = answer.readline()
        if not line:
            return
        handle(json.loads(answer.read(int(line))))


def main():
    signal.signal(signal.SIGTERM, lambda *_: None if "stubborn" in DOES.values() else os._exit(0))
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            stream()
        if os.environ.get("MESOS_CHECKPOINT") != "1":
            sys.exit("disconnected")
        time.sleep(0.2)


main()
