"""AWS' command line and its plugin for Session Manager, as far as a tunnel needs them: they forward a real port.

`FAKE_ASKED` is the file with what was asked for; a file `FAKE_ENDS` ends the session, and `FAKE_REFUSES` begins none.
"""

import sys
from pathlib import Path

AWS = f"""#!{sys.executable}
import json, os, socket, sys, threading, time

given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
open(os.environ["FAKE_ASKED"], "w").write(json.dumps([sys.argv[1:3], given]))
if os.environ.get("FAKE_REFUSES"):
    print("An error occurred (TargetNotConnected) when calling the StartSession operation: it is not connected.")
    sys.exit(254)
there = json.loads(given["--parameters"])
(host,), (port,), (local,) = there["host"], there["portNumber"], there["localPortNumber"]

def pump(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.close()

def serve():
    with socket.create_server(("127.0.0.1", int(local))) as listening:
        print("Waiting for connections...", flush=True)
        while True:
            client, _ = listening.accept()
            server = socket.create_connection((host, int(port)))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

threading.Thread(target=serve, daemon=True).start()
while not os.path.exists(os.environ["FAKE_ENDS"]):
    time.sleep(0.02)
print("SessionId: me-0 : the instance was stopped")
sys.exit(255)
"""


def install(folder: Path) -> dict[str, str]:
    """Both programs in a new folder; what their environment has to have."""
    folder.mkdir()
    for name, text in {"aws": AWS, "session-manager-plugin": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {name: str(folder / name) for name in ("FAKE_ASKED", "FAKE_ENDS")}
