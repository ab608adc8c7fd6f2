#!/opt/wlkd/bin/python
"""Exit 0 if the daemon in this container takes clients. WLKD_PORT: its port, where that is not 7100."""

import os
import sys
import urllib.error
import urllib.request

port = os.environ.get("WLKD_PORT", "7100")
try:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=4) as answer:
        print(answer.read().decode().strip())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode().strip())
except OSError as error:
    sys.exit(f"port {port}: {error}")
