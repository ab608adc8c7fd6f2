#!/opt/wlkd/bin/python
"""Exit 0 if the daemon in this container is ready. WLKD_PORT: its port, where that is not 7100."""

import http.client
import os
import ssl
import sys
import urllib.error
import urllib.request

port = os.environ.get("WLKD_PORT", "7100")
# Its certificate is for the name that clients know, not for this address.
anybody = ssl.create_default_context()
anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
# Engines hand the proxy of their host to containers; it does not lead to this address.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody))
try:
    try:
        answer = opener.open(f"http://127.0.0.1:{port}/readyz", timeout=4)
    except (http.client.HTTPException, ConnectionError):
        answer = opener.open(f"https://127.0.0.1:{port}/readyz", timeout=4)
    print(answer.read().decode().strip())
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode().strip())
except OSError as error:
    sys.exit(f"port {port}: {error}")
