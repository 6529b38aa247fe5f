"""`evalkit prompts list | show | new | release | adopt`; `cost` joins from evalkit/cli/cost.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli import options
from evalkit.cli.app import app
from evalkit.settings import OWN_TEMPLATES, template_folders
from evalkit.text import json_text

prompts_app = typer.Typer(
    help="Prompt templates: look at them, make them, see what they cost.", no_args_is_help=True
)
app.add_typer(prompts_app, name="prompts")

QUESTION = "A farmer has 17 sheep and buys 25 more. How many sheep does he have?"


@prompts_app.command("list")
def list_command(prompts: options.Prompts = None, format: options.Format = "table") -> None:
    """List all prompt templates: kind, extraction rule, the marker asked for, tasks, released or draft."""
    from evalkit.text import render_grid
    from prompts.registry import load_templates

    folders = template_folders(prompts)
    rows: list[dict[str, Any]] = [
        {
            "prompt": template.ref,
            "kind": template.kind,
            "rule": template.rule,
            "marker": template.marker,
            "tasks": list(template.tasks),
            "status": "released" if template.released else "draft",
            "description": template.description,
            "sha256": template.text_sha256,
        }
        for template in sorted(load_templates(folders).values(), key=lambda t: (t.name, t.version))
    ]
    if format == "json":
        print(json_text(rows))
        return
    header = ["prompt", "kind", "rule", "marker", "tasks", "status"]
    cells = [[" ".join(row[key]) if key == "tasks" else row[key] for key in header] for row in rows]
    print(render_grid(header, cells, format))


@prompts_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="Template, as in gsm8k-boxed (newest) or gsm8k-boxed@1.")],
    model: Annotated[
        str | None, typer.Option(help="Show the text and token ids as this model reads them.")
    ] = None,
    question: Annotated[str, typer.Option(help="The question to put in.")] = QUESTION,
    prompts: options.Prompts = None,
    trust_remote_code: options.TrustRemoteCode = False,
    format: options.TableOrJson = "table",
) -> None:
    """Show a template around a question; with --model the exact text, the token ids and their count."""
    from evalkit.score.prompt_view import as_text, view
    from prompts.registry import get_template

    shown = view(get_template(name, template_folders(prompts)), question, model, trust_remote_code)
    print(json_text(shown) if format == "json" else as_text(shown))
    if shown.get("warning"):
        print(f"warning: {shown['warning']}", file=sys.stderr)


@prompts_app.command("new")
def new_command(
    name: Annotated[str, typer.Argument(help="Name of the template; one that exists gets its next version.")],
    source: Annotated[str | None, typer.Option("--from", help="Template to start from.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", help="Folder to write it into; ./prompt-templates unless the settings name one."
        ),
    ] = None,
) -> None:
    """Write a copy of a template under a new name or version, for you to edit."""
    from prompts.registry import find_template, load_templates
    from prompts.release import new_template
    from prompts.template import BUILT_IN

    configured = template_folders(None)
    folder = prompts or next(iter(configured), OWN_TEMPLATES)
    folders = list(dict.fromkeys([*configured, *([folder] if folder.is_dir() else [])]))
    known = load_templates(folders, verify=False)
    newest = any(template.name == name for template in known.values())
    template = find_template(source or (name if newest else "gsm8k-boxed"), known)
    files = (place / f"{template.ref}.toml" for place in (BUILT_IN, *folders))
    path = new_template(name, template, next(file for file in files if file.exists()), folder, known)
    ref = path.name.removesuffix(".toml")
    print(f"{path}: edit it, then")
    print(f"  evalkit prompts show {ref} --prompts {folder}      look at it")
    print(
        f"  evalkit prompts release {ref} --prompts {folder}   freeze its text, so that results may cite it"
    )


@prompts_app.command("release")
def release_command(
    ref: Annotated[str, typer.Argument(help="Template with its version, as in my-boxed@1.")],
    prompts: Annotated[Path, typer.Option("--prompts", help="Folder that holds it.")],
) -> None:
    """Freeze a template of your own: its hash is written down, and an edited text is refused from then on."""
    from prompts.release import release

    release(ref, prompts)
    print(f"{ref} is released; results may cite it")


@prompts_app.command("adopt")
def adopt_command(
    model: Annotated[str, typer.Argument(help="Folder of a checkpoint without a prompt lock.")],
    prompt: Annotated[str | None, typer.Option(help="The template that it was trained under.")] = None,
    data: Annotated[Path | None, typer.Option(help="The parquet that it was trained on.")] = None,
    prompts: options.Prompts = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a lock that is there.")] = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Write a prompt lock for somebody else's checkpoint, from a template name or its training data."""
    from evalkit.locks.adopt import adopt

    lock, path, notes = adopt(
        model,
        prompt=prompt,
        data=data,
        extra=template_folders(prompts),
        force=force,
        trust_remote_code=trust_remote_code,
    )
    print(f"{path}: {lock.template}, fingerprint {lock.fingerprint}")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
