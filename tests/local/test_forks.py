"""A server is started under another account by a fork, also by a process in which gRPC is at work."""

import os
import subprocess
import sys

PROGRAM = """
import concurrent.futures, grpc, subprocess
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{port}")).result(30)
for _ in range(20):
    subprocess.run(["true"], user=%d, check=True)
"""


def test_no_fork_ends_in_a_handler_of_grpc():
    done = subprocess.run([sys.executable, "-c", PROGRAM % os.getuid()], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
