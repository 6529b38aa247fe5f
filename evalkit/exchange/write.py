"""One run to one of the formats of others: which function makes it, and where it goes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from evalkit.runs.folder import Run
from prompts.errors import UserError
from prompts.files import refuse_existing, write_new_file, write_new_folder

ENDINGS: dict[str, str] = {
    "lm-eval": "-lm-eval",
    "inspect": "-inspect",
    "parquet": ".parquet",
    "hf-card": "-card",
}


def export_run(run: Run, to: str, output: Path | None, prompts: Sequence[Path] = ()) -> Path:
    """Write a run and return the path; whole or not at all.

    Raises UserError for an unknown format, a run without completions, and a path that is taken or
    cannot be written.
    """
    if to not in ENDINGS:
        near = difflib.get_close_matches(to, ENDINGS, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UserError(f"no format {to!r}{hint}; --to takes {', '.join(ENDINGS)}")
    output = output or Path(run.name + ENDINGS[to])
    refuse_existing(output)
    if not run.records:
        raise UserError(f"{run.name} holds no completions, there is nothing to export; score it again")
    if to == "lm-eval":
        from evalkit.exchange.lm_eval import to_lm_eval

        write_new_folder(output, to_lm_eval(run, prompts))
    elif to == "inspect":
        from evalkit.exchange.inspect import to_inspect

        write_new_folder(output, to_inspect(run, prompts))
    elif to == "parquet":
        from evalkit.exchange.parquet import to_parquet

        write_new_file(output, to_parquet(run))
    else:
        from evalkit.exchange.hf_card import to_hf_card

        write_new_folder(output, to_hf_card(run))
    return output
