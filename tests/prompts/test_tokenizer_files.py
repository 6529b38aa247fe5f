"""A tokenizer is read from plain files of its own folder, whatever its configuration names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from prompts.errors import UserError
from prompts.tokenizer.files import NAMING, OPENED, require_own_files


def folder_with(place: Path, name: str, **keys: Any) -> Path:
    folder = place / "model"
    folder.mkdir()
    (folder / name).write_text(json.dumps(keys))
    (place / "tokenizer.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("key", OPENED)
@pytest.mark.parametrize(
    "form", ["{0}/tokenizer.json", "../tokenizer.json", "tokenizer.json", ["a", "../tokenizer.json"]]
)
def test_a_file_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str, form: str | list[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # which holds a tokenizer.json of its own
    value = form.format(tmp_path) if isinstance(form, str) else form
    with pytest.raises(UserError, match=f"{name}: {key} is .*not in the model's folder"):
        require_own_files(folder_with(tmp_path, name, **{key: value}))


@pytest.mark.parametrize(
    "value", [None, 5, "", ".", "gone.json", "/gone/tokenizer.json", "\x00", "x" * 5000, {"a": 1}]
)
def test_what_is_not_there_is_left_over(tmp_path: Path, value: Any) -> None:
    require_own_files(
        folder_with(tmp_path, NAMING[0], tokenizer_file=value, special_tokens_map_file="/etc/hostname")
    )


def test_links_may_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, NAMING[0], tokenizer_file=None)
    (folder / "tokenizer.json").symlink_to(tmp_path / "tokenizer.json")
    require_own_files(folder)
    (tmp_path / "link").symlink_to(folder)
    require_own_files(tmp_path / "link")


@pytest.mark.parametrize("name", ["chat_template.jinja", "merges.txt", "additional_chat_templates/a.jinja"])
def test_pipes_and_devices_are_refused(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, NAMING[0])
    (folder / name).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match="no plain file"):
        require_own_files(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="no plain file"):
        require_own_files(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)  # a loop leads nowhere: transformers takes it for no file
    with pytest.raises(UserError, match="link to nothing"):
        require_own_files(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.jinja", "tokenizer.model"])
def test_a_link_to_nothing_is_not_a_missing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("gone")
    with pytest.raises(UserError, match=f"{name} is a link to nothing"):
        require_own_files(tmp_path)
