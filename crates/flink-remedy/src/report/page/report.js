
"use strict";
// Everything that stands in the data is somebody's text: it becomes text of the page and never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const filters = ["text", "namespace", "standing", "rule", "verdict"];
  const signs = new Map(data.cells.map((cell) => [cell.cell, cell]));
  const rules = new Map(data.rules.map((rule) => [rule.code, rule]));
  const rows = [];

  /** An element with attributes and children; `null` among them is left out. */
  function el(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  /** A word that is also a class, which gives it its colour; a strange one has none. */
  const known = new Set([...data.standings, ...signs.keys(), "Done", "Verified", "Unverified", "Failed", "Withdrawn"]);
  const word = (text) => el("span", { class: "standing" + (known.has(text) ? " " + text : "") }, text);
  const code = (text) => el("code", {}, text);
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

  /** A time as a person reads it. */
  function time(text) {
    const found = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(text || "");
    return found ? `${found[1]} ${found[2]} UTC` : text || "";
  }

  function sign(cell) {
    const { character, meaning } = signs.get(cell);
    return el("span", { class: `sign ${cell}`, role: "img", "aria-label": meaning }, character);
  }

  function sum(count) {
    return data.jobs.reduce((total, job) => total + count(job), 0);
  }

  function drawSummary() {
    find("where").textContent = `${data.cluster} · ${time(data.read)} · flink-remedy ${data.version}`;
    document.title = `Flink remediation report · ${data.cluster}`;
    const numbers = [
      [data.jobs.length, "jobs"],
      [sum((job) => job.findings.gaps), "gaps"],
      [sum((job) => job.findings.advice), "for a human"],
      [sum((job) => (job.filled || []).length), "values filled"],
      [sum((job) => (job.optOut ? 1 : 0)), "jobs with an opt-out"],
    ];
    for (const [number, what] of numbers) {
      find("numbers").append(el("li", {}, el("b", {}, String(number)), el("span", {}, what)));
    }
    for (const standing of data.standings) {
      const count = data.jobs.filter((job) => job.standing === standing).length;
      if (count === 0) continue;
      const part = el("i", { class: standing });
      part.style.flexGrow = count;
      find("bar").append(part);
      const chip = el("button", { class: `chip ${standing}`, type: "button", "aria-pressed": "false" });
      chip.append(standing, el("b", {}, String(count)));
      chip.dataset.standing = standing;
      find("standings").append(chip);
      find("standing").append(el("option", { value: standing }, `${standing} (${count})`));
    }
  }

  function drawFilters() {
    const namespaces = new Map();
    for (const job of data.jobs) namespaces.set(job.namespace, (namespaces.get(job.namespace) || 0) + 1);
    for (const [namespace, count] of namespaces) {
      find("namespace").append(el("option", { value: namespace }, `${namespace} (${count})`));
    }
    for (const rule of data.rules) {
      find("rule").append(el("option", { value: rule.code }, `${rule.code} ${rule.name}`));
    }
    const seen = new Set(data.jobs.flatMap((job) => Object.values(job.rules)));
    for (const { cell, meaning } of data.cells) {
      if (!seen.has(cell)) continue;
      find("verdict").append(el("option", { value: cell }, meaning));
      find("legend").append(el("li", {}, sign(cell), meaning));
    }
    for (const rule of data.rules) {
      find("catalogue").querySelector("dl").append(
        el("dt", {}, code(rule.code)),
        el("dd", {}, rule.name ? `${rule.name}: ${rule.summary}` : "a rule of another version"),
      );
    }
  }

  function drawHeads() {
    const heads = el("tr", {}, el("th", { scope: "col" }, "Job"), el("th", { scope: "col" }, "Standing"));
    for (const rule of data.rules) {
      const title = `${rule.code} ${rule.name}: ${rule.summary}`;
      heads.append(el("th", { class: "rule", scope: "col", title }, el("span", {}, rule.code)));
    }
    // What room is left is to the right of the signs, not between them and the names.
    heads.append(el("td", { class: "rest" }));
    document.querySelector("#matrix thead").append(heads);
  }

  function drawRow(job) {
    const name = el("button", { class: "name", type: "button", "aria-expanded": "false" });
    name.append(`${job.namespace}/`, el("b", {}, job.name));
    name.title = name.textContent;
    const kind = job.kind === "FlinkDeployment" ? null : el("span", { class: "kind" }, job.kind.replace(/^Flink/, ""));
    const row = el("tr", { class: "job" }, el("th", { scope: "row" }, name, kind), el("td", {}, word(job.standing)));
    for (const rule of data.rules) {
      const cell = job.rules[rule.code];
      const td = el("td", { class: "cell" }, cell ? sign(cell) : null);
      if (cell) td.title = `${rule.code} ${rule.name}: ${signs.get(cell).meaning}`;
      row.append(td);
    }
    row.append(el("td"));
    return { job, row, name, detail: null, text: haystack(job) };
  }

  /** Everything that the search looks at. */
  function haystack(job) {
    const texts = [job.namespace + "/" + job.name, job.kind, job.standing, job.message];
    for (const item of job.findings.items || []) texts.push(item.rule, item.name, item.message, item.key);
    for (const value of job.filled || []) texts.push(value.shown, value.rule);
    if (job.pending) texts.push(job.pending.plan, ...(job.pending.fills || []));
    if (job.hold) texts.push(job.hold.reason, job.hold.message);
    if (job.optOut) texts.push(job.optOut.reason, ...(job.optOut.rules || []));
    return texts.filter(Boolean).join("\n").toLowerCase();
  }

  /** A part of a job's detail; none where there is nothing in it. */
  function part(heading, children, wide) {
    const shown = children.filter((child) => child !== null && child !== undefined);
    if (shown.length === 0) return null;
    return el("section", { class: wide ? "part wide" : "part" }, el("h2", {}, heading), ...shown);
  }

  function list(items, draw) {
    return items && items.length > 0 ? el("ul", {}, ...items.map((item) => el("li", {}, ...draw(item)))) : null;
  }

  // Each text in an element of its own, since the browser would join them.
  const apart = (child) => (typeof child === "string" ? el("span", {}, child) : child);
  const what = (...children) => el("div", { class: "what" }, ...children.filter(Boolean).map(apart));
  const why = (text) => (text ? el("div", { class: "why" }, text) : null);
  const line = (text) => (text ? el("p", {}, text) : null);

  function findings(job) {
    const more = job.findings.gaps + job.findings.advice + job.findings.implicit - (job.findings.items || []).length;
    return part("Findings", [
      list(job.findings.items, (item) => [
        what(word(item.verdict), code(item.rule), item.name, item.key ? code(item.key) : null),
        why(item.message),
      ]),
      more > 0 ? line(`and ${more} more`) : null,
    ], true);
  }

  function pending(job) {
    if (!job.pending) return null;
    const { plan, fills, leaving, restarts } = job.pending;
    return part("Pending", [
      list(fills, (fill) => [code(fill)]),
      line(leaving && leaving.length > 0 ? `Leaves again: ${leaving.join(", ")}` : ""),
      line(restarts ? "The running job restarts for it." : "It costs no restart."),
      plan ? el("p", {}, "Plan ", code(plan), ": what the annotation ", code("flink-remedy.dev/approve"), " takes.") : null,
    ]);
  }

  function hold(job) {
    if (!job.hold) return null;
    const retry = job.hold.nextRetry ? `Tried again at ${time(job.hold.nextRetry)}.` : "";
    // Mostly the message above says so.
    const message = (job.message || "").includes(job.hold.message) ? "" : job.hold.message;
    return part("Held", [what(word("Held"), job.hold.reason), line(message), line(retry)]);
  }

  function optOut(job) {
    if (!job.optOut) return null;
    const { rules: codes, reason, until } = job.optOut;
    return part("Opted out", [
      line(codes && codes.length > 0 ? `Rules: ${codes.join(", ")}` : "The whole job"),
      line(reason ? `Reason: ${reason}` : "No reason is given."),
      line(until ? `Until ${time(until)}` : "Without an end"),
    ]);
  }

  function policy(job) {
    const { problem, deniedOptOuts } = job.policy;
    const denied = deniedOptOuts && deniedOptOuts.length > 0 ? deniedOptOuts.join(", ") : "";
    return part("Policy", [
      problem ? line(`It cannot be read, so nothing is written to this job: ${problem}`) : null,
      denied ? line(`It makes these rules mandatory, so their opt-out does not count: ${denied}`) : null,
    ]);
  }

  function filled(job) {
    return part("Filled", [list(job.filled, (value) => [
      what(code(value.shown)),
      why([value.rule, value.why, time(value.at)].filter(Boolean).join(" · ")),
    ])]);
  }

  function quarantine(job) {
    if (!job.quarantine) return null;
    const { plan, at, why: evidence } = job.quarantine;
    return part("Quarantine", [el("p", {}, "Plan ", code(plan), ` failed ${at ? "at " + time(at) : ""}`), line(evidence)]);
  }

  function history(job) {
    return part("History", [list(job.history, (entry) => [
      what(word(entry.outcome), time(entry.at), entry.cost === "Restart" ? "one restart" : "no restart", code(entry.change)),
      why((entry.filled || []).length > 0 ? `Filled ${entry.filled.join(", ")}` : ""),
      why((entry.withdrawn || []).length > 0 ? `Taken out ${entry.withdrawn.join(", ")}` : ""),
      why(entry.reason),
    ])]);
  }

  function drawDetail(job) {
    const facts = [
      job.kind,
      job.mode ? `mode ${job.mode}` : "",
      job.policy.name ? `policy ${job.policy.name}` : "",
      plural(job.findings.gaps, "gap"),
      `${job.findings.advice} for a human`,
    ];
    const parts = [hold, pending, optOut, policy, quarantine, findings, filled, history].map((draw) => draw(job));
    return el("tr", { class: "detail" }, el("td", { colspan: 3 + data.rules.length },
      job.message ? el("p", { class: "message" }, job.message) : null,
      el("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      el("div", { class: "parts" }, ...parts.filter(Boolean))));
  }

  function toggle(entry) {
    const opens = entry.name.getAttribute("aria-expanded") !== "true";
    if (opens && !entry.detail) {
      entry.detail = drawDetail(entry.job);
      entry.row.after(entry.detail);
    }
    entry.name.setAttribute("aria-expanded", String(opens));
    entry.row.classList.toggle("open", opens);
    entry.detail.hidden = !opens;
  }

  function passes(entry, wanted, words) {
    const { job } = entry;
    if (wanted.namespace && job.namespace !== wanted.namespace) return false;
    if (wanted.standing && job.standing !== wanted.standing) return false;
    if (wanted.rule && !(wanted.rule in job.rules)) return false;
    if (wanted.verdict) {
      const cells = wanted.rule ? [job.rules[wanted.rule]] : Object.values(job.rules);
      if (!cells.includes(wanted.verdict)) return false;
    }
    return words.every((text) => entry.text.includes(text));
  }

  function filter() {
    const wanted = Object.fromEntries(filters.map((name) => [name, find(name).value.trim()]));
    const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      const isShown = passes(entry, wanted, words);
      entry.row.hidden = !isShown;
      if (entry.detail) entry.detail.hidden = !isShown || !entry.row.classList.contains("open");
      shown += isShown ? 1 : 0;
    }
    for (const chip of find("standings").children) {
      chip.setAttribute("aria-pressed", String(chip.dataset.standing === wanted.standing));
    }
    const said = filters.filter((name) => wanted[name]).map((name) => {
      const choice = find(name).selectedOptions;
      return `${name === "text" ? "search" : name} ${name === "verdict" ? choice[0].textContent : wanted[name]}`;
    });
    const total = plural(rows.length, "job");
    find("count").textContent = said.length > 0 ? `${shown} of ${total}: ${said.join(", ")}` : total;
    find("none").hidden = shown > 0;
  }

  /** The next or the last job that is shown, from this one on. */
  function neighbour(entry, step) {
    for (let at = rows.indexOf(entry) + step; rows[at]; at += step) {
      if (!rows[at].row.hidden) return rows[at];
    }
    return null;
  }

  function onKey(event) {
    const typing = ["INPUT", "SELECT"].includes(document.activeElement.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      find("text").focus();
      return;
    }
    const row = document.activeElement.closest("tr");
    const entry = rows.find((candidate) => row && (candidate.row === row || candidate.detail === row));
    if (!entry) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && neighbour(entry, step);
    if (next) {
      event.preventDefault();
      next.name.focus();
    } else if (event.key === "Escape" && entry.row.classList.contains("open")) {
      toggle(entry);
      entry.name.focus();
    }
  }

  function listen() {
    find("filters").addEventListener("input", filter);
    find("filters").addEventListener("submit", (event) => event.preventDefault());
    // A form is reset after its event.
    find("filters").addEventListener("reset", () => setTimeout(filter));
    find("standings").addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip) return;
      find("standing").value = find("standing").value === chip.dataset.standing ? "" : chip.dataset.standing;
      filter();
    });
    document.querySelector("#matrix tbody").addEventListener("click", (event) => {
      const row = event.target.closest("tr.job");
      const entry = rows.find((candidate) => candidate.row === row);
      // Whoever marks text does not want the job opened.
      if (entry && String(getSelection()) === "") toggle(entry);
    });
    document.addEventListener("keydown", onKey);
  }

  drawSummary();
  drawFilters();
  drawHeads();
  rows.push(...data.jobs.map(drawRow));
  document.querySelector("#matrix tbody").append(...rows.map((entry) => entry.row));
  listen();
  filter();
})();
