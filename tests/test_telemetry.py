"""Logs as data: every line is one object, whoever it comes from."""

import json
import subprocess
import sys

OUTAGE = """
import asyncio
import logging
from headstart.telemetry import configure_logging
configure_logging(readable=False)
for name in ("asyncpg.pool", "asyncio"):
    try:
        raise ConnectionRefusedError("nobody\\nanswers")
    except OSError:
        logging.getLogger(name).warning("Failed to %s", "connect", exc_info=True)
try:
    raise asyncio.CancelledError
except asyncio.CancelledError:
    logging.getLogger("uvicorn.error").error("Exception in the application", exc_info=True)
logging.getLogger("httpx").info("who cares")
"""


def test_what_libraries_log_is_one_object_each_and_the_driver_s_without_a_trace() -> None:
    done = subprocess.run([sys.executable, "-c", OUTAGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    driver, other, given_up = (json.loads(line) for line in done.stderr.splitlines())
    assert (driver["event"], driver["level"]) == ("library_reports", "warning")
    assert (driver["logger"], driver["said"]) == ("asyncpg.pool", "Failed to connect")
    assert driver["error"] == "ConnectionRefusedError: nobody\nanswers"
    assert "Traceback" not in json.dumps(driver)
    assert driver["timestamp"].endswith("Z"), "in UTC"
    assert "Traceback" in other["exception"]
    assert (given_up["level"], given_up["error"]) == ("info", "CancelledError: ")
    assert "exception" not in given_up
