"""Raw verl checkpoints: recognised, merged, verified, cached.

The checkpoints are real ones of verl's FSDPCheckpointManager (tests/helpers/fsdp_checkpoints.py, two gloo
ranks, about 40 s); what they must merge to was made by verl's merger, for LoRA by peft.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import TESTS

from evalkit.models.checkpoint import (
    is_checkpoint,
    last_complete_step,
    merge_into,
    open_checkpoint,
    prepare_checkpoint,
)
from evalkit.models.smollm2 import smollm2_folder
from prompts.errors import Failed, Mismatch, UserError
from prompts.files import read_json, write_json

torch = pytest.importorskip("torch")
pytest.importorskip("verl")
pytestmark = pytest.mark.long
SCRIPT = TESTS / "helpers/fsdp_checkpoints.py"
NAMES = ("full", "hybrid", "single", "lora")
STEP = "global_step_2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that tests/helpers/fsdp_checkpoints.py fills."""
    folder = tmp_path_factory.mktemp("checkpoints")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(SCRIPT), str(folder), str(smollm2_folder())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in NAMES:
        base = folder / ("untied" if name == "hybrid" else "tied")
        write_json(folder / name / "train.json", {"model_folder": str(base)})
        write_json(folder / name / STEP / "manifest.json", {"step": 2})
    return folder


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test's own, with the embedded model in it."""
    models = smollm2_folder().parent
    folder = tmp_path_factory.mktemp("cache")
    (folder / "lockstep-evalkit").mkdir()
    (folder / "lockstep-evalkit/models").symlink_to(models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "lockstep-evalkit" / "merged"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy a training run, and give its checkpoint, to be damaged."""

    def copied(name: str) -> Path:
        shutil.copytree(made / name, tmp_path / name)
        return tmp_path / name / STEP

    return copied


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {name: t for path in sorted(folder.glob("*.safetensors")) for name, t in load_file(path).items()}


def merged_here(step: Path, target: Path) -> dict[str, object]:
    """The work of the merging process, in this process."""
    from evalkit.models.checkpoint.merge import merge

    target.mkdir()
    return merge(open_checkpoint(step), target)


def edit_shard(step: Path, rank: int, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    import torch.distributed.tensor

    (path,) = (step / "actor").glob(f"model_*_rank_{rank}.pt")
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


@pytest.mark.parametrize("name", NAMES)
def test_merge_equals_the_oracle(made: Path, name: str) -> None:
    folder = prepare_checkpoint(made / name / STEP)
    ours, oracle = tensors(folder), tensors(made / "oracle" / name)
    assert set(ours) == set(oracle)
    for key, tensor in oracle.items():
        assert ours[key].dtype == tensor.dtype == torch.bfloat16
        assert torch.equal(ours[key], tensor), key
    report = read_json(folder / "merge.json")
    assert report["ranks"] == (1 if name == "single" else 2)
    if name != "lora":  # an adapter leaves embedding and norms as they were
        assert report["unmoved"] == [] and report["moved"] == len(ours)
    else:
        assert report["moved"] == 14 and all("proj" not in key for key in report["unmoved"])


def test_weights_are_written_in_the_format_of_the_rollouts(copy: Callable[[str], Path]) -> None:
    """A float32 rollout saw updates that bfloat16 rounds away; an adapter is rounded by verl itself."""
    for name, expected in (("single", torch.float32), ("lora", torch.bfloat16)):
        step = copy(name)
        rounded = prepare_checkpoint(step)
        assert {t.dtype for t in tensors(rounded).values()} == {torch.bfloat16}
        command = ["actor_rollout_ref.rollout.dtype=bfloat16", "actor_rollout_ref.rollout.dtype=float32"]
        write_json(step / "manifest.json", {"kind": "checkpoint", "command": command})
        whole = prepare_checkpoint(step)
        assert {t.dtype for t in tensors(whole).values()} == {expected}
        assert read_json(whole / "config.json")["dtype"] == str(expected).removeprefix("torch.")
        assert (whole != rounded) == (expected == torch.float32)
        for key, tensor in tensors(whole).items():
            assert torch.equal(tensor.bfloat16(), tensors(rounded)[key]), key


def test_the_tied_head_is_left_out_and_the_other_kept(made: Path) -> None:
    assert "lm_head.weight" not in tensors(prepare_checkpoint(made / "full" / STEP))
    assert "lm_head.weight" in tensors(prepare_checkpoint(made / "hybrid" / STEP))


def test_merged_folder_is_a_model_that_reads_as_the_base(made: Path) -> None:
    from evalkit.models.resolve import resolve_model
    from prompts.tokenizer.digest import tokenizer_digest
    from prompts.tokens import load_tokenizer, resolve_stop_ids

    model = resolve_model(str(made / "full" / STEP))
    base, ours = load_tokenizer(made / "tied"), load_tokenizer(model.folder)
    assert tokenizer_digest(ours) == tokenizer_digest(base)
    assert ours.chat_template == base.chat_template
    assert resolve_stop_ids(ours, model.folder) == resolve_stop_ids(base, made / "tied")
    assert model.lock is None
    assert read_json(model.folder / "config.json")["dtype"] == "bfloat16"


def test_no_generation_config_is_made_up(copy: Callable[[str], Path], tmp_path: Path) -> None:
    step = copy("single")
    (step / "actor/huggingface/generation_config.json").unlink()
    merged_here(step, tmp_path / "merged")
    assert not (tmp_path / "merged/generation_config.json").exists()


def test_merged_once_wherever_it_lies(copy: Callable[[str], Path], made: Path) -> None:
    first = prepare_checkpoint(made / "full" / STEP)
    when = (first / "merge.json").stat().st_mtime_ns
    moved = copy("full")
    assert prepare_checkpoint(made / "full" / STEP / "actor") == prepare_checkpoint(moved) == first
    assert (first / "merge.json").stat().st_mtime_ns == when
    edit_shard(moved, 1, lambda state: state["model.norm.weight"]._local_tensor.mul_(2))
    assert prepare_checkpoint(moved) != first


def test_lock_of_the_run_travels_and_an_edited_tokenizer_is_refused(
    copy: Callable[[str], Path], made: Path
) -> None:
    from evalkit.locks.check import check_model
    from prompts.lock import make_lock, read_lock, write_lock
    from prompts.registry import get_template
    from prompts.tokens import load_tokenizer, resolve_stop_ids

    step = copy("single")
    tokenizer = load_tokenizer(made / "tied")
    lock = make_lock(
        template=get_template("sums"),
        tokenizer=tokenizer,
        stop_ids=resolve_stop_ids(tokenizer, made / "tied"),
        task="sums",
        split="train",
        prompts=[],
        sampling={"max_tokens": 16},
        scorer={"rule": f"{get_template('sums').rule}@1"},
    )
    write_lock(lock, step.parent)
    folder = prepare_checkpoint(step)
    assert read_lock(folder) == lock
    assert check_model(folder).fingerprint == lock.fingerprint

    template = step / "actor/huggingface/chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "assistant:"))
    edited = prepare_checkpoint(step)
    assert edited != folder
    with pytest.raises(Mismatch, match="chat template"):
        check_model(edited)


ACTOR_FILES = [
    "model_world_size_2_rank_0.pt",
    "model_world_size_2_rank_1.pt",
    "optim_world_size_2_rank_1.pt",
    "extra_state_world_size_2_rank_0.pt",
    "fsdp_config.json",
    "huggingface/config.json",
    "huggingface/tokenizer_config.json",
    "huggingface/tokenizer.json",
]


# A tokenizer without tokenizer.json exists, so only a torn one shows anything.
INTERRUPTED = [(file, how) for file in ACTOR_FILES for how in ("torn", "missing")][:-1]


@pytest.mark.parametrize(("file", "how"), INTERRUPTED)
def test_interrupted_in_the_middle(copy: Callable[[str], Path], file: str, how: str) -> None:
    step = copy("full")
    path = step / "actor" / file
    if how == "missing":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    assert is_checkpoint(step) and last_complete_step(step.parent) is None
    with pytest.raises(UserError, match="interrupted save") as caught:
        prepare_checkpoint(step)
    assert file in str(caught.value)


def test_trainkit_s_own_checkpoint_is_whole_once_its_manifest_is_there(copy: Callable[[str], Path]) -> None:
    step = copy("full")
    (step / "manifest.json").unlink()  # killed after verl's part of the save, its tracker included
    (step.parent / "latest_checkpointed_iteration.txt").write_text("2")
    assert last_complete_step(step.parent) is None
    with pytest.raises(UserError, match=r"manifest\.json, which trainkit writes last, is missing"):
        open_checkpoint(step)


def test_interrupted_before_the_end(copy: Callable[[str], Path]) -> None:
    """A run of verl alone: its tracker tells."""
    step = copy("full")
    (step.parent / "train.json").unlink()
    (step / "manifest.json").unlink()
    earlier = step.with_name("global_step_1")
    shutil.copytree(step, earlier)
    tracker = step.parent / "latest_checkpointed_iteration.txt"
    tracker.write_text("1")
    assert last_complete_step(step.parent) == 1
    with pytest.raises(UserError, match="complete there: step_1"):
        open_checkpoint(step)
    tracker.write_text("")  # killed while writing it: verl's own resume would stop here
    assert last_complete_step(step.parent) == 2
    tracker.unlink()
    assert open_checkpoint(step).step == 2
    os.truncate(step / "data.pt", 100)
    with pytest.raises(UserError, match=r"data\.pt"):
        open_checkpoint(step)


def test_other_folders_are_no_checkpoints(made: Path, tmp_path: Path) -> None:
    assert not is_checkpoint(made / "tied") and not is_checkpoint(tmp_path / STEP)
    with pytest.raises(UserError, match="no verl checkpoint"):
        open_checkpoint(made / "tied")
    assert last_complete_step(tmp_path) is None


class Attack:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.sentinel),)


def test_shard_that_runs_code_is_refused(copy: Callable[[str], Path], tmp_path: Path) -> None:
    step = copy("single")
    path = step / "actor/model_world_size_1_rank_0.pt"
    torch.save({"model.norm.weight": Attack(tmp_path / "ran")}, path, pickle_module=pickle)
    with pytest.raises(UserError, match=r"asks for more than tensors and is refused: .*mkdir"):
        prepare_checkpoint(step)
    assert not (tmp_path / "ran").exists()


def damage_nan(state: dict[str, torch.Tensor]) -> None:
    state["model.norm.weight"]._local_tensor[0] = float("nan")


def damage_missing(state: dict[str, torch.Tensor]) -> None:
    del state["model.norm.weight"]


def damage_unknown(state: dict[str, torch.Tensor]) -> None:
    state["model.extra"] = torch.zeros(2)


def damage_shape(state: dict[str, torch.Tensor]) -> None:
    state["model.norm.weight"] = torch.zeros(3)


def damage_tie(state: dict[str, torch.Tensor]) -> None:
    state["lm_head.weight"] = state["model.embed_tokens.weight"]._local_tensor + 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_nan, "not finite"),
        (damage_missing, "misses 1 tensors, the first is model.norm.weight"),
        (damage_unknown, "model.extra, which its config.json does not know"),
        (damage_shape, "model.norm.weight has shape"),
        (damage_tie, "ties it"),
    ],
)
def test_damaged_weights_are_refused(
    copy: Callable[[str], Path], tmp_path: Path, damage: Callable[..., None], message: str
) -> None:
    step = copy("single")
    edit_shard(step, 0, damage)
    with pytest.raises(UserError, match=message):
        merged_here(step, tmp_path / "merged")


def test_ranks_that_disagree_are_refused(copy: Callable[[str], Path], tmp_path: Path) -> None:
    step = copy("hybrid")
    edit_shard(step, 1, lambda state: state["model.norm.weight"]._local_tensor.add_(1))
    with pytest.raises(UserError, match="same on every rank"):
        merged_here(step, tmp_path / "one")
    step = copy("full")
    edit_shard(step, 1, damage_missing)
    with pytest.raises(UserError, match="hold different tensors"):
        merged_here(step, tmp_path / "two")


def test_missing_alpha_is_refused(copy: Callable[[str], Path], tmp_path: Path) -> None:
    step = copy("lora")
    (step / "actor/lora_train_meta.json").unlink()
    with pytest.raises(UserError, match="its alpha is unknown"):
        merged_here(step, tmp_path / "merged")


def test_untrained_weights_are_refused(copy: Callable[[str], Path], made: Path) -> None:
    step = copy("single")
    base = tensors(made / "tied")

    def restore(state: dict[str, torch.Tensor]) -> None:
        for name in list(state):
            state[name] = base.get(name, base["model.embed_tokens.weight"]).float()

    edit_shard(step, 0, restore)
    with pytest.raises(Failed, match="nothing was trained"):
        prepare_checkpoint(step)


def test_wrong_values_on_disk_are_found(copy: Callable[[str], Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from evalkit.models.checkpoint.merge import whole_tensors
    from evalkit.models.checkpoint.verify import verify_folder

    step = copy("single")
    merged_here(step, tmp_path / "merged")
    expected = [(name, t.bfloat16()) for name, t in whole_tensors(open_checkpoint(step))]
    assert verify_folder(tmp_path / "merged", expected) == len(expected)
    written = tensors(tmp_path / "merged")
    for change, message in (
        (lambda t: t * 1.01, "other values"),
        (lambda t: t.float(), "was written as F32"),
    ):
        edited = {**written, "model.norm.weight": change(written["model.norm.weight"])}
        save_file(edited, tmp_path / "merged/model.safetensors", metadata={"format": "pt"})
        with pytest.raises(Failed, match=message):
            verify_folder(tmp_path / "merged", expected)
    del written["model.norm.weight"]
    save_file(written, tmp_path / "merged/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Failed, match=r"missing keys: model\.norm\.weight"):
        verify_folder(tmp_path / "merged", expected)


def test_killed_merge_leaves_nothing_and_can_be_repeated(made: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "merged"
    code = (
        "import sys; from pathlib import Path; from evalkit.models.checkpoint import *; "
        "merge_into(open_checkpoint(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(made / "single" / STEP), str(target)], start_new_session=True
    )
    while not list(tmp_path.glob("out/.merged*/**/model.safetensors")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    merge_into(open_checkpoint(made / "single" / STEP), target)
    assert (target / "merge.json").exists()
    with pytest.raises(UserError, match="there already"):
        merge_into(open_checkpoint(made / "single" / STEP), target)


@pytest.mark.parametrize(("name", "rank"), [("full", 0), ("single", 0), ("lora", 3)])
def test_a_checkpoint_is_as_large_as_was_estimated(made: Path, name: str, rank: int) -> None:
    """Weights and optimizer; names and layout of some 100 tensors in each of the files come on top."""
    from trainkit.options import Options
    from trainkit.plan.disk import checkpoint_bytes
    from trainkit.plan.model_shape import read_shape

    size = sum(path.stat().st_size for path in (made / name / STEP / "actor").glob("*.pt"))
    estimated = checkpoint_bytes(Options(lora_rank=rank), read_shape(made / "tied"))
    assert 0 <= size - estimated < 250_000
