"""Notes the prompt ids of the first requests where vLLM's engine admits them.

vLLM calls `plugin` in each of its processes (entry point `vllm.general_plugins`, announced by
trainkit.launch.process alone). `trainkit.verify.tokens` compares what is noted with `prompts.tokens.encode`.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from trainkit.plugins.switch import CAPTURE_VARIABLE
from trainkit.plugins.versions import require


def plugin() -> None:
    """Wrap the engine's admission where trainkit asks for it (`TRAINKIT_CAPTURE=<count>:<file>`)."""
    count, _, path = os.environ.get(CAPTURE_VARIABLE, "").partition(":")
    if not path or not int(count):
        return
    require("token_capture")
    from vllm.v1.engine.core import EngineCore

    if getattr(EngineCore.add_request, "captures", False):
        return
    path = path.replace("%p", f"{socket.gethostname()}.{os.getpid()}")
    admit = EngineCore.add_request
    left = int(count)

    def noting(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left > 0:
            left -= 1
            line = json.dumps({"ids": list(request.prompt_token_ids)}) + "\n"
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(file, line.encode())
            os.close(file)
        return admit(self, request, *args, **kwargs)

    noting.captures = True  # type: ignore[attr-defined]
    EngineCore.add_request = noting
