"""The variables by which trainkit tells its plug-ins that it started the process.

Plug-ins load in a user's own verl and vLLM too, and do nothing there. Imports nothing.
"""

from __future__ import annotations

DEVICE_VARIABLE = "TRAINKIT_DEVICE"
"""Tells the plug-in modules that trainkit started the process, and for which device."""
CAPTURE_VARIABLE = "TRAINKIT_CAPTURE"
"""`<count>:<file>`: how many prompts vLLM's engine notes, and where (trainkit.plugins.token_capture)."""
