"""Seconds from the command to the table: `evalkit score`, and `vllm.LLM` as it comes on the same rows.

    python tests/bench/whole_command.py evalkit MODEL [score's options]
    python tests/bench/whole_command.py vllm MODEL [MAX_TOKENS]

Both print their parts. The peer is what vLLM's documentation has: transformers' chat template,
`LLM(model)`, `generate`, and a line that reads the last box; its compile cache is a fresh one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

PEER = r"""
import json, re, sys, time
import os
model, limit, data, began = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
parts = [began]

def done():
    parts.append(time.time())

if __name__ == "__main__":
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [json.loads(line) for line in open(data)]
    asked = "Please reason step by step, and put your final answer within \\boxed{}."
    turns = [[{"role": "user", "content": f"{row['question']}\n{asked}"}] for row in rows]
    as_text = {"tokenize": False, "add_generation_prompt": True}
    prompts = [tokenizer.apply_chat_template(turn, **as_text) for turn in turns]
    done()
    from vllm import LLM, SamplingParams

    done()
    llm = LLM(model=model)
    done()
    outputs = llm.generate(prompts, SamplingParams(temperature=0, max_tokens=limit), use_tqdm=False)
    done()
    golds = [row["answer"].split("####")[-1].strip().replace(",", "") for row in rows]
    found = [re.findall(r"\\boxed\{([^{}]*)\}", output.outputs[0].text) for output in outputs]
    right = sum(bool(f) and f[-1].replace(",", "") == gold for f, gold in zip(found, golds))
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    print(f"{100 * right / len(rows):.1f} % of {len(rows)}, {tokens:,} tokens", flush=True)
    names = ("tokenizer and prompts", "import vllm", "LLM(...)", "generate")
    spent = [after - before for before, after in zip(parts, parts[1:])]
    print(", ".join(f"{seconds:.1f} {name}" for seconds, name in zip(spent, names)), flush=True)
"""


def main(which: str, model: str, *more: str) -> None:
    """Run one of the two and print how long all of it took."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.time()
        if which == "evalkit":
            asked = ["score", "--model", model, "--task", "gsm8k", "--output", f"{scratch}/run", *more]
            command, env = [sys.executable, "-m", "evalkit", *asked], {**os.environ}
        else:
            limit = more[0] if more else "512"
            data = os.path.join(os.environ["EVALKIT_DATA"], "gsm8k/test.jsonl")
            script = os.path.join(scratch, "peer.py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(PEER)
            command = [sys.executable, script, model, limit, data, str(began)]
            env = {**os.environ, "VLLM_CACHE_ROOT": f"{scratch}/cache"}
        subprocess.run(command, check=True, env=env)
        print(f"{which}: {time.time() - began:.1f} s from the command to its end", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
