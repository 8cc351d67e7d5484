"""Off loopback: executors reach the scheduler by https at an address of this machine on its network."""
from __future__ import annotations

import json
import socket
import ssl

import psutil
import pytest
from clusters import Cluster
from flows import Flow, nothing_stays, outer_address
from support import need, wait_until


@pytest.fixture
def flow(cluster, tmp_path):
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    with nothing_stays(cluster):
        yield made


def executors_peer(cluster: Cluster, address: str) -> int | None:
    """The port at `address` that a process on an agent is connected to."""
    for pid in cluster.processes():
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        for connection in connections:
            if connection.raddr and connection.raddr.ip == address:
                return int(connection.raddr.port)
    return None


def test_executors_speak_tls_off_loopback(flow):
    """--listen on the network: inputs and large outputs arrive, and the port that executors use is a TLS port."""
    address = outer_address()
    need(address, "this machine has no address but loopback",
         "as root: ip link add mfmesos0 type dummy; ip addr add 192.0.2.77/32 dev mfmesos0; ip link set mfmesos0 up")
    go = flow.folder / "go"
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": "cat in.txt > small", "inputs": ["in.txt"], "outputs": ["small"]},
        {"command": f"while [ ! -e {go} ]; do sleep 0.1; done; head -c 3000000 /dev/zero > large",
         "outputs": ["large"]})))
    process = flow.start("run", "--master", flow.cluster.master, "--listen", address, "tasks.jsonl")
    try:
        # By then the executor's archive has been fetched, which comes by a plain port of its own.
        wait_until(lambda: (flow.folder / "small").exists(), 30, "a result")
        port = wait_until(lambda: executors_peer(flow.cluster, address), 30, "an executor connected to the scheduler")
        # Its certificate is signed by nobody; that executors look at its fingerprint is shown in tests/staging.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((address, port), timeout=10) as plain, context.wrap_socket(plain) as tls:
            certificate = tls.getpeercert(binary_form=True)
        assert b"mfmesos staging server" in certificate
    finally:
        go.touch()
    ended = flow.end(process)
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "small").read_text() == "x\n"
    assert (flow.folder / "large").stat().st_size == 3_000_000
