"""`python send.py segment|segment-gzip|rudder URL KEY`: makes the calls of standard input with an SDK.

The calls are a JSON list of objects: `type` is the method, the others its arguments as in the protocol.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any


def client_of(sdk: str, url: str, key: str) -> Any:
    if sdk == "rudder":
        import rudderstack.analytics as rudder

        rudder.write_key, rudder.dataPlaneUrl = key, url
        return rudder
    from segment.analytics.client import Client

    return Client(key, host=url, gzip=sdk == "segment-gzip")


def main() -> None:
    client = client_of(*sys.argv[1:])
    for call in json.load(sys.stdin):
        method = getattr(client, call.pop("type"))
        call["timestamp"] = datetime.fromisoformat(call["timestamp"])
        method(**{re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in call.items()})
    client.shutdown()


if __name__ == "__main__":
    main()
