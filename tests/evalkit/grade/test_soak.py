"""Random texts of relevant pieces, read by every rule and compared with golds: no error, no hedge that pays.

    EVALKIT_SOAK=1000000 pytest tests/evalkit/grade/test_soak.py -m soak

`make soak` tries 20,000 texts. EVALKIT_SOAK_SEED draws others, so that a long soak can be run in slices.
"""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from evalkit.extract.reading import extract
from evalkit.extract.rules import RULES
from evalkit.grade.grade import grade
from evalkit.grade.judge import judge

TEXTS = int(os.environ.get("EVALKIT_SOAK", "20000"))
SEED = int(os.environ.get("EVALKIT_SOAK_SEED", "0"))
SLICE = 2_000

PIECES = r"""
7 8 -7 1 2 0 12 1,234 1.5 0.5 1/2 3^2 x y n a_n x_1 f(x) \frac{1}{2} \frac12 \sqrt{4} \sqrt[3]{8}
\pi e i \infty + - \pm \times \cdot / = < > \le \ge \neq \approx , ; : ! ? . ( ) [ ] { } \{ \} |
\mid \cup \cap \setminus \in \mathbb{R} \emptyset ^ _ ^2 _{2} ' \text{or} \text{and} \text{cm}
\text{ } \left( \right) \left[ \right] \\ & \begin{pmatrix} \end{pmatrix} \sum_{k=1}^{n} \int_0^1 dx
\lim_{x\to0} \log_2 \ln \sin \cos ^\circ % \% $ $$ \( \) \[ \] \boxed{ \boxed{7} \phantom{8} ####
### <answer> </answer> <think> </think> <|im_end|> Answer: Question: A) (B) C D. or and not is the
wait because option 答案 是 选 정답은 はです Réponse الإجابة ½ ７ ² − “ \u200b \x00 … ° ∪ ≤ ∞ {"answer": "7"}
** ``` ```python ```output seven hours p.m. 7:30 5-7 2024-01-02 e5 10^ 5! \binom{5}{2} |x|
""".split()  # noqa: SIM905 (readable so)
GLUE = ("", "", " ", " ", "\n", "$", "{", "}")
FRAMES = (
    "{}", "{}", "#### {}", "\\boxed{{{}}}", "So \\boxed{{{}}}.", "The answer is {}.", "The answer is ${}$.",
    '{{"answer": "{}"}}', "Answer: {}", "<answer>{}</answer>", "答案是{}。",
)  # fmt: skip
# No answer is right for two of these.
GOLDS = ("7", "8", "-7", "\\frac{1}{2}", "(1,2)", "(2,1)", "x+y=7", "x>7", "x<7", "x^2+2")


def random_text(draw: random.Random) -> str:
    words = draw.choices(PIECES, k=draw.randint(1, 9))
    inner = "".join(word + draw.choice(GLUE) for word in words)
    return draw.choice(FRAMES).replace("{{", "{").replace("}}", "}").replace("{}", inner, 1)


def faults(seed: int, count: int) -> list[str]:
    """What is wrong with `count` texts that are drawn from a seed."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        text = random_text(draw)
        try:
            found += [f"{fault}: {text!r}" for fault in faults_of(text)]
        except Exception as error:  # any at all is the fault that is looked for
            found.append(f"{error!r}: {text!r}")
    return found


def faults_of(text: str) -> list[str]:
    found = []
    for rule in RULES:
        read = extract(text, rule)
        if read.answer is None:
            continue
        right = [gold for gold in GOLDS if grade(read, gold).outcome == "correct"]
        if len(right) > 1:
            found.append(f"{rule} is right for {right}")
        if right and judge(text, right[0], rule).lenient_outcome != "correct":
            found.append(f"{rule} is right for {right[0]} and lenient is not")
    return found


@pytest.mark.soak
def test_random_texts() -> None:
    slices = range(SEED, SEED + max(TEXTS // SLICE, 1))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = [fault for part in pool.map(partial(faults, count=SLICE), slices) for fault in part]
    assert found == [], "\n".join(found[:20])


def test_random_texts_in_short() -> None:
    assert faults(SEED, 300) == []
