"use strict";
// Model output is hostile: it reaches the page as text nodes only (no markup is ever parsed here).
const $ = (id) => document.getElementById(id);
const PAGE = 200; // table rows drawn at a time
const SHOWN = 8000; // characters drawn at each end of a long text until all of it is asked for
const NEAR = 500; // and around the answer
const SIGNS = { correct: "✓", wrong: "✗", no_answer: "∅", unscored: "?" };
// Controls, bidi overrides, zero-width and tag characters: drawn as their code, so that none can hide or reorder.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

let runs = [];
let questions = [];
let visibleRows = [];
let limit = PAGE;
let drawn = ""; // the filters that the table was last drawn for
const state = { find: "", show: "all", reason: "", base: "", new: "", q: "" };
const FILTERS = ["find", "show", "reason", "base", "new"];

const visible = (text) =>
  text.replace(HIDDEN, (c) => `⟦U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`);

function el(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function clip(text, length) {
  return visible(text.length > length ? `${text.slice(0, length)}…` : text);
}

async function load() {
  const packed = atob($("data").textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).json();
}

// Share of a question's samples that are right; null where the run lacks the question or it is unscored.
function share(question, run, field = "outcome") {
  const scored = (question.runs[run] ?? []).filter((sample) => sample.outcome !== "unscored");
  if (scored.length === 0) return null;
  return scored.filter((sample) => sample[field] === "correct").length / scored.length;
}

// Whether a completion holds a thinking block, closed or not.
const UNREAD = ["unfinished thinking", "thinking over its budget"];
const thinks = (sample) => sample.thinking > 0 || sample.part !== null;

const indexOf = (key) => Math.max(0, runs.findIndex((run) => run.key === key));

function isShown(question) {
  const samples = question.runs[indexOf(state.new)] ?? [];
  const before = share(question, indexOf(state.base));
  const after = share(question, indexOf(state.new));
  const paired = before !== null && after !== null;
  switch (state.show) {
    case "fixed": return paired && after > before;
    case "broken": return paired && after < before;
    case "both-right": return paired && before === 1 && after === 1;
    case "both-wrong": return paired && before === 0 && after === 0;
    case "differ": return new Set(runs.map((_, i) => share(question, i)).filter((s) => s !== null)).size > 1;
    case "not-right": return after !== null && after < 1;
    case "no-answer": return samples.some((sample) => sample.outcome === "no_answer");
    case "format": return samples.some((s) => s.outcome !== "correct" && s.lenient === "correct");
    case "truncated": return samples.some((sample) => sample.truncated);
    case "thought": return samples.some(thinks);
    case "not-thought": return samples.some((sample) => !thinks(sample));
    case "unfinished": return samples.some((sample) => UNREAD.includes(sample.reason));
    case "unscored": return samples.some((sample) => sample.outcome === "unscored");
    default: return true;
  }
}

// Outcome and reason of a sample, as the reason filter lists them: "no_answer: unfinished thinking".
const reasonOf = (sample) => `${sample.outcome}: ${sample.reason}`;

function hasReason(question) {
  return !state.reason || (question.runs[indexOf(state.new)] ?? []).some((sample) => reasonOf(sample) === state.reason);
}

// The reasons that the new run's samples have, the most frequent first.
function fillReasons() {
  const counts = new Map();
  for (const question of questions)
    for (const sample of question.runs[indexOf(state.new)] ?? [])
      counts.set(reasonOf(sample), (counts.get(reasonOf(sample)) ?? 0) + 1);
  const option = (value, text) => { const node = el("option", "", text); node.value = value; return node; };
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  $("reason").replaceChildren(option("", "any"), ...sorted.map(([reason, count]) =>
    option(reason, `${clip(reason, 80)} (${count.toLocaleString("en")})`)));
}

function isFound(question) {
  if (!state.find) return true;
  question.haystack ??= [question.id, question.own ?? "", question.question, question.gold ?? "",
    ...question.runs.flatMap((samples) => (samples ?? []).flatMap((s) => [s.answer ?? "", s.text]))]
    .join("\n").toLowerCase();
  return question.haystack.includes(state.find.toLowerCase());
}

function hashFor(changes) {
  const wanted = { ...state, ...changes };
  const params = new URLSearchParams();
  for (const key of ["q", "show", "reason", "base", "new", "find"]) {
    const usual = { show: "all", base: runs[0].key, new: runs[runs.length - 1].key }[key] ?? "";
    if (wanted[key] !== usual) params.set(key, wanted[key]);
  }
  return `#${params}`;
}

function readHash() {
  const params = new URLSearchParams(location.hash.slice(1));
  const offered = (id, value, usual) => [...$(id).options].some((o) => o.value === value) ? value : usual;
  state.q = params.get("q") ?? "";
  state.find = params.get("find") ?? "";
  state.show = offered("show", params.get("show"), "all");
  state.base = offered("base", params.get("base"), runs[0].key);
  state.new = offered("new", params.get("new"), runs[runs.length - 1].key);
  fillReasons();
  state.reason = offered("reason", params.get("reason"), "");
  for (const id of FILTERS) $(id).value = state[id];
}

function cell(samples) {
  if (!samples) return el("td", "", "—");
  const sign = (s) => SIGNS[s.outcome] + (s.truncated ? "✂" : "");
  if (samples.length === 1) return el("td", samples[0].outcome, `${sign(samples[0])} ${clip(samples[0].answer ?? "", 24)}`);
  const right = samples.filter((s) => s.outcome === "correct").length;
  return el("td", right * 2 > samples.length ? "correct" : "wrong", `${right}/${samples.length}`);
}

// Not drawn again for a question that opens or closes, so that the focus can return to its row.
function drawTable() {
  const wanted = JSON.stringify([...FILTERS.map((id) => state[id]), limit]);
  if (wanted === drawn) return;
  drawn = wanted;
  visibleRows = questions.filter((question) => isShown(question) && hasReason(question) && isFound(question));
  const rows = visibleRows.slice(0, limit).map((question) => {
    const link = el("a", "", clip(question.question, 160));
    link.href = hashFor({ q: question.id });
    const name = question.own === null ? [link] : [el("span", "own", clip(question.own, 40)), " ", link];
    const row = el("tr", "", el("td", "number", String(question.number)), el("th", "", ...name),
      el("td", "", clip(question.gold ?? "none", 24)), ...question.runs.map(cell));
    row.children[1].scope = "row";
    return row;
  });
  $("rows").replaceChildren(...rows);
  $("count").textContent = `${visibleRows.length.toLocaleString("en")} of ${questions.length.toLocaleString("en")} questions`;
  $("more").hidden = visibleRows.length <= limit;
  $("more").textContent = `Show ${Math.min(PAGE, visibleRows.length - limit)} more`;
}

// A text with its answer marked and what lies outside `part`, its thinking, paler; of a long one only both ends and the answer, until asked for the rest.
function drawText(text, span, part = null) {
  const box = el("pre", "text");
  box.dir = "ltr";
  box.tabIndex = 0;
  let parts = [[0, text.length]];
  if (text.length > 2 * SHOWN + NEAR) {
    parts = [[0, SHOWN], [text.length - SHOWN, text.length]];
    if (span && span[1] > SHOWN && span[0] < text.length - SHOWN) {
      const from = Math.max(SHOWN, span[0] - NEAR);
      parts.splice(1, 0, [from, Math.min(text.length - SHOWN, from + 3 * NEAR)]);
    }
  }
  let end = 0;
  for (const [from, to] of parts) {
    if (from > end) {
      const button = el("button", "gap", `${(from - end).toLocaleString("en")} characters not shown: show the whole text`);
      button.type = "button";
      button.onclick = () => box.replaceChildren(...marked(text, 0, text.length, span, part));
      box.append(button);
    }
    box.append(...marked(text, from, to, span, part));
    end = to;
  }
  return box;
}

function marked(text, from, to, span, part) {
  const inside = (range, at) => range && at >= range[0] && at < range[1];
  const edges = [from, ...(span ?? []), ...(part ?? []), to].filter((at) => at >= from && at <= to).sort((a, b) => a - b);
  return edges.slice(1).flatMap((end, i) => {
    const start = edges[i], piece = visible(text.slice(start, end));
    if (start === end) return [];
    if (inside(span, start)) return [el("mark", "", piece)];
    return [part && !inside(part, start) ? el("span", "thinking", piece) : piece];
  });
}

// Longest common subsequence over words: [kind, text] pieces; null where the texts are too long for it.
function wordDiff(left, right) {
  if (left.length + right.length > 60000) return null;
  const words = (text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s]/gu) ?? [];
  const a = words(left), b = words(right);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const n = a.length - head - tail, m = b.length - head - tail, width = m + 1;
  if (n * m > 4e6) return null;
  const best = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      best[i * width + j] = a[head + i] === b[head + j]
        ? best[(i + 1) * width + j + 1] + 1
        : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
  const pieces = [["same", a.slice(0, head).join("")]];
  for (let i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && a[head + i] === b[head + j]) { pieces.push(["same", a[head + i]]); i++; j++; }
    else if (j === m || (i < n && best[(i + 1) * width + j] >= best[i * width + j + 1])) pieces.push(["del", a[head + i++]]);
    else pieces.push(["ins", b[head + j++]]);
  }
  pieces.push(["same", a.slice(a.length - tail).join("")]);
  return tail === 0 ? pieces.slice(0, -1) : pieces;
}

function drawDiff(base, fresh) {
  const pieces = wordDiff(base, fresh);
  if (pieces === null) return el("p", "notice", "These texts are too long to compare word by word.");
  const box = el("pre", "text");
  box.id = "diff";
  box.dir = "ltr";
  box.tabIndex = 0;
  for (const [kind, text] of pieces) box.append(kind === "same" ? visible(text) : el(kind, "", visible(text)));
  return el("section", "pane", el("h3", "", `Words of ${state.base} struck out, of ${state.new} underlined`), box);
}

function drawPane(run, sample, number, count) {
  const lenient = sample.lenient !== sample.outcome ? `; lenient: ${sample.lenient}` : "";
  const cut = sample.truncated ? "; truncated" : "";
  const which = count > 1 ? `, sample ${number + 1} of ${count}` : "";
  return el("section", "pane",
    el("h3", "", el("span", `key s${indexOf(run.key) % 8}`, run.key), ` ${visible(run.name)}${which}`),
    el("p", sample.outcome, `${SIGNS[sample.outcome]} ${sample.outcome}: ${clip(sample.reason, 200)}`),
    el("p", "note", `read ${sample.answer === null ? "nothing" : `“${clip(sample.answer, 80)}”`} by ${clip(sample.rule, 60)}; `
      + `${sample.tokens ?? "unknown number of"} tokens${sample.thinking ? `, ${sample.thinking} of thinking` : ""}${cut}${lenient}`),
    drawText(sample.text, sample.span, sample.part));
}

function drawQuestion() {
  const question = questions.find((q) => q.id === state.q);
  if (!question) {
    if ($("question").open) $("question").close();
    return;
  }
  $("question-title").textContent = `Question ${question.number}${question.own === null ? "" : `: ${clip(question.own, 80)}`}`;
  $("link").href = hashFor({});
  const body = [drawText(question.question, null), el("p", "", "Gold: ", el("strong", "", clip(question.gold ?? "none", 80)))];
  if (question.solution) body.push(el("details", "", el("summary", "", "Gold solution"), drawText(question.solution, null)));
  const base = question.runs[indexOf(state.base)], fresh = question.runs[indexOf(state.new)];
  if ($("compare").checked && base && fresh) body.push(drawDiff(base[0].text, fresh[0].text));
  const panes = runs.flatMap((run, i) => (question.runs[i] ?? []).map((sample, k, all) => drawPane(run, sample, k, all.length)));
  $("question-body").replaceChildren(...body, el("div", "panes", ...panes));
  const place = visibleRows.indexOf(question);
  $("previous").disabled = place <= 0;
  $("next").disabled = place < 0 || place === visibleRows.length - 1;
  if (!$("question").open) $("question").showModal();
  $("question").scrollTop = 0;
}

function step(by) {
  const next = visibleRows[visibleRows.findIndex((q) => q.id === state.q) + by];
  if (next) go({ q: next.id });
}

function go(changes) {
  history.replaceState(null, "", hashFor(changes));
  show();
}

function show() {
  readHash();
  drawTable();
  drawQuestion();
}

function listen() {
  for (const id of FILTERS)
    $(id).addEventListener("input", () => { limit = PAGE; go({ [id]: $(id).value }); });
  addEventListener("hashchange", show);
  $("more").onclick = () => { limit += PAGE; drawTable(); };
  $("compare").onchange = drawQuestion;
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  $("close").onclick = () => $("question").close();
  $("question").addEventListener("close", () => { if (state.q) go({ q: "" }); });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    if ($("question").open && event.key === "ArrowLeft") step(-1);
    if ($("question").open && event.key === "ArrowRight") step(1);
    if (!$("question").open && event.key === "/") { event.preventDefault(); $("find").focus(); }
  });
}

load().then((data) => {
  ({ runs, questions } = data);
  questions.forEach((question, i) => { question.number = i + 1; });
  listen();
  show();
  document.body.dataset.ready = Math.round(performance.now());
}, (error) => { $("count").textContent = `The questions cannot be read: ${error.message}`; });
