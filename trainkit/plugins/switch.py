"""The variables by which trainkit tells its plug-ins that it started the process, and what to leave out.

Plug-ins load in a user's own verl and vLLM too, and do nothing there. Imports nothing heavy.
"""

from __future__ import annotations

import os

from prompts.errors import UserError

DEVICE_VARIABLE = "TRAINKIT_DEVICE"
"""Tells the plug-in modules that trainkit started the process, and for which device."""
CAPTURE_VARIABLE = "TRAINKIT_CAPTURE"
"""`<count>:<file>`: how many prompts vLLM's engine notes, and where (trainkit.plugins.token_capture)."""
TOKENS_FILE = "tokens_vllm.jsonl"
"""Where they are noted, in the run's folder."""
TOKENS_FILES = "tokens_vllm.%p.jsonl"
"""On several nodes: a file a process, since appends of several machines to one file are not whole."""
RUN_VARIABLE = "TRAINKIT_RUN"
"""A name that no other run on the machine has (trainkit.plugins.own_socket)."""
WITHOUT_VARIABLE = "TRAINKIT_WITHOUT"
"""Names of `OPTIONAL`, separated by commas: patches that only save time, left out for once."""
OPTIONAL = ("nested_rows", "freeze_heap", "first_log_probs", "start_early")


def left_out() -> frozenset[str]:
    """The patches that the user turned off."""
    return frozenset(filter(None, map(str.strip, os.environ.get(WITHOUT_VARIABLE, "").split(","))))


def check_left_out() -> None:
    """UserError where a name in the variable is none that can be left out."""
    if unknown := sorted(left_out() - set(OPTIONAL)):
        raise UserError(f"{WITHOUT_VARIABLE}={unknown[0]}: only {', '.join(OPTIONAL)} can be left out")
