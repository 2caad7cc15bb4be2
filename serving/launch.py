"""Starts a server in the foreground. Does not import BentoML: the process becomes BentoML's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from serving.contract import SETTINGS_VARIABLE, ServeSettings

#: The folder that holds the packages. The workers start there, so that no folder of the caller's can take their place.
_ROOT = Path(__file__).resolve().parent.parent


def server_command(settings: ServeSettings, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command of the server and the environment that it needs."""
    environment = dict(os.environ) | {
        SETTINGS_VARIABLE: settings.as_json(),
        "BENTOML_DO_NOT_TRACK": "True",
        # One per port: a second server would delete the first one's metrics, which lie in this folder.
        "BENTOML_HOME": str(settings.home / "bentoml" / str(port)),
    }
    command = ["-m", "bentoml", "serve", "serving.service:Homeroom", "--host", host, "--port", str(port)]
    return [sys.executable, *command, "--timeout-graceful-shutdown", str(int(settings.timeout_s) + 1)], environment


def serve(settings: Mapping[str, object], host: str = "127.0.0.1", port: int = 3000) -> NoReturn:
    """Serve until told to stop. Ctrl-C and SIGTERM let the requests that are being worked on finish.

    ``settings`` are those of :class:`~serving.contract.ServeSettings`, by name; an unknown one is refused.
    """
    told = ServeSettings.from_mapping(settings)
    told.home.mkdir(parents=True, exist_ok=True)
    command, environment = server_command(told, host, port)
    os.chdir(_ROOT)
    os.execve(sys.executable, command, environment)  # noqa: S606 (no shell, and every part is ours)
