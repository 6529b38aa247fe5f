"""What `--help` shows beside the options: groups of commands in the order of use, and an example of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

GROUPS = {
    "Score": ("score", "noise", "check", "doctor"),
    "Look": ("runs", "show", "report"),
    "Compare": ("diff",),
    "Read answers again": ("rescore", "compare-rules", "extract"),
    "Prompts and tasks": ("prompts", "tasks"),
    "Other tools": ("export", "import"),
}
EXAMPLES = {
    "score": "evalkit score --model smollm2-135m --task sums --limit 64",
    "noise": "evalkit noise smollm2-135m --task sums --limit 64",
    "check": "evalkit check demo-train:step_10",
    "doctor": "evalkit doctor",
    "runs": "evalkit runs",
    "show": "evalkit show RUN --outcome wrong -n 5",
    "report": "evalkit report BASE NEW --output report.html",
    "diff": "evalkit diff step_50 step_100",
    "rescore": "evalkit rescore RUN --rule lenient",
    "compare-rules": "evalkit compare-rules RUN",
    "extract": "evalkit extract --explain 'so 3 + 4 = 7. The answer is 7'",
    "export": "evalkit export RUN --to parquet --output rows.parquet",
    "import": "evalkit import samples_gsm8k.jsonl",
    "prompts list": "evalkit prompts list",
    "prompts show": "evalkit prompts show sums@1 --model smollm2-135m",
    "prompts new": "evalkit prompts new my-boxed --from gsm8k-boxed",
    "prompts release": "evalkit prompts release my-boxed@1 --prompts prompt-templates",
    "prompts adopt": "evalkit prompts adopt CKPT --prompt gsm8k-boxed",
    "prompts cost": "evalkit prompts cost --model smollm2-135m --task sums --limit 64",
    "tasks list": "evalkit tasks list",
    "tasks show": "evalkit tasks show sums -n 3",
    "tasks check": "evalkit tasks check sums",
}


def describe(
    app: typer.Typer, groups: Mapping[str, Sequence[str]], examples: Mapping[str, str], prefix: str = ""
) -> None:
    """Put commands into groups, in the order of `groups`, each with its example below the options.

    A command that no group names comes last; tests/evalkit/cli/test_help.py sees to it that none does.
    """
    order = [name for names in groups.values() for name in names]
    panels = {name: panel for panel, names in groups.items() for name in names}

    def place(entry: Any) -> int:
        return order.index(entry.name) if entry.name in order else len(order)

    for command in app.registered_commands:
        command.rich_help_panel = panels.get(str(command.name), command.rich_help_panel)
        if example := examples.get(f"{prefix}{command.name}"):
            command.epilog = f"Example: {example}"
    app.registered_commands.sort(key=place)
    for group in app.registered_groups:
        group.rich_help_panel = panels.get(str(group.name), group.rich_help_panel)
        if group.typer_instance is not None:
            describe(group.typer_instance, {}, examples, f"{group.name} ")
