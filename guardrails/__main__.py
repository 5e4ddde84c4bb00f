"""Where an engine before 3.274 starts the pack; newer ones start `pulumi-analyzer-guardrails`.

It runs this file by its folder, so that nothing of the checkout can be imported; the pack takes its place.
"""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
os.execv(sys.executable, [sys.executable, "-u", "-m", "guardrails.pack", *sys.argv[1:]])
