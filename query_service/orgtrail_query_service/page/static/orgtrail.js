// Enhancements of the page. Everything works without them too, at the same addresses.

const main = document.getElementById("main");
const { zone, path, api, counts, eventCounts, live } = main.dataset;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const number = new Intl.NumberFormat();
/** The address of the table without an open event. */
const closed = location.href;
const plural = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A view without a zone is in UTC: reopen it in the reader's own zone.
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
const address = new URL(location.href);
const leaving = !address.searchParams.has("tz") && ![undefined, "UTC", "Etc/Unknown", zone].includes(own);
if (leaving) {
  address.searchParams.set("tz", own);
  location.replace(address);
}

// Times, countries and how long ago, in the reader's language.

const formats = {
  clock: { timeStyle: "medium" },
  minute: { dateStyle: "medium", timeStyle: "short" },
  day: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  exact: { dateStyle: "medium", timeStyle: "medium" },
};
const units = [["second", 60], ["minute", 60], ["hour", 24], ["day", Infinity]];

function inWords(root) {
  for (const time of $$("time[data-kind]", root)) {
    const { kind } = time.dataset;
    const format = new Intl.DateTimeFormat(undefined, { timeZone: zone, ...formats[kind] });
    if (kind !== "day") time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
  const countries = new Intl.DisplayNames(undefined, { type: "region", fallback: "code" });
  for (const tag of $$("[data-country]", root)) {
    if (/^[A-Z]{2}$/.test(tag.dataset.country)) tag.textContent = countries.of(tag.dataset.country);
  }
  ago(root);
}

function ago(root) {
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
  for (const span of $$("[data-ago]", root)) {
    let count = Math.max(0, (Date.now() - new Date(span.dataset.ago)) / 1000);
    for (const [unit, size] of units) {
      if (count < size) {
        span.textContent = words.format(-Math.floor(count), unit);
        break;
      }
      count /= size;
    }
  }
}

/** Fetch; on failure, throw an Error with a message for the reader. */
async function ask(url, accept) {
  let answer;
  try {
    answer = await fetch(url, { headers: { Accept: accept } });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The service does not answer.");
  }
  if (answer.status === 401) {
    throw new Error("Your session has ended. Reload the page to sign in again.");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The service answered ${answer.status}.`);
  }
  return answer;
}

/** Fetch one of our pages; errors arrive as problem+json because we do not ask for HTML. */
async function parsed(url) {
  const text = await (await ask(url, "application/problem+json")).text();
  return new DOMParser().parseFromString(text, "text/html");
}

// The histogram has its own request, so that the table does not wait for it.

async function drawCounts(place) {
  place.setAttribute("aria-busy", "true");
  try {
    const figure = (await parsed(counts)).getElementById("histogram");
    inWords(figure);
    letDrag($("svg", figure));
    const all = make("a", { href: counts, textContent: "By event and by actor" });
    place.replaceChildren(figure, make("p", { className: "all-counts" }, all));
  } catch (error) {
    place.replaceChildren(make("p", { className: "notice", textContent: `No counts: ${error.message}` }));
  }
  place.removeAttribute("aria-busy");
}

/** A click opens one bar's range; dragging opens the range of several. */
function letDrag(svg) {
  const bars = $$("a", svg);
  const selection = $(".selection", svg);
  const at = (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const place = Math.floor(((event.clientX - left) / width) * bars.length);
    return Math.min(bars.length - 1, Math.max(0, place));
  };
  let from = null;
  let dragged = false;
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    from = at(event);
    dragged = false;
  });
  addEventListener("pointercancel", () => {
    from = null;
    selection.setAttribute("width", 0);
  });
  addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = at(event);
    dragged ||= to !== from;
    selection.setAttribute("x", Math.min(from, to));
    selection.setAttribute("width", dragged ? Math.abs(to - from) + 1 : 0);
  });
  addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [first, last] = [from, at(event)].sort((a, b) => a - b);
    from = null;
    if (!dragged) return;
    const target = new URL(closed);
    for (const name of ["last", "cursor"]) target.searchParams.delete(name);
    target.searchParams.set("from", bars[first].dataset.from);
    target.searchParams.set("to", bars[last].dataset.to);
    location.assign(target);
  });
  svg.addEventListener("click", (event) => dragged && event.preventDefault(), true);
}

// The event filter: a search field, and the count of each type.

function letPick(picker) {
  const search = $("#find-event", picker);
  search.hidden = false;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const label of $$("label", picker)) {
      const text = `${label.textContent} ${$("input", label).value}`.toLowerCase();
      label.hidden = !words.every((word) => text.includes(word));
    }
    for (const group of $$("fieldset", picker)) group.hidden = !$("label:not([hidden])", group);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  picker.addEventListener("change", () => {
    const chosen = $$("input:checked", picker).length;
    $(".picked", picker).textContent = chosen ? `${chosen} chosen` : "All events";
  });
  let asked = false;
  picker.addEventListener("toggle", async () => {
    if (!picker.open) return;
    search.focus();
    if (asked) return;
    asked = true;
    try {
      const summary = await (await ask(`${api.replace(/events$/, "summary")}?${eventCounts}`, "application/json")).json();
      const found = new Map(summary.events.map((each) => [each.event, each.events]));
      for (const span of $$("[data-event]", picker)) {
        span.textContent = number.format(found.get(span.dataset.event) ?? 0);
      }
    } catch {
      asked = false; // Counts are a help: without them the filter works, and opening it asks again.
    }
  });
}

// Completion over everyone who acted or was acted upon.

function letComplete(input) {
  const list = document.getElementById("people");
  let waiting;
  const complete = async () => {
    try {
      const url = `${api.replace(/events$/, "people")}?${new URLSearchParams({ prefix: input.value })}`;
      const people = await (await ask(url, "application/json")).json();
      list.replaceChildren(
        ...people.map((person) => make("option", {
          value: person.email || person.id,
          textContent: [person.name, person.type].filter(Boolean).join(", "),
        })),
      );
    } catch {
      list.replaceChildren(); // What is typed is searched for all the same.
    }
  };
  input.addEventListener("focus", complete);
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(complete, 150);
  });
}

// New events are announced; the page does not move.

function watch(place) {
  const shown = new Set($$("[data-id]").map((row) => row.dataset.id));
  const last = $$("[data-id]").at(-1);
  const reload = make("a", { href: closed.split("#")[0], className: "button primary" });
  const say = (text, element) => {
    // Do not announce the same again, and keep the focus.
    if (place.textContent === text) return;
    if (element) element.textContent = text;
    place.replaceChildren(...(element ? [element] : []));
  };
  setInterval(async () => {
    if (document.hidden) return;
    ago(document);
    try {
      const { events } = await (await ask(`${api}?${live}&limit=50`, "application/json")).json();
      // Events on later pages are not new.
      const end = events.findIndex((event) => event.event_id === last?.dataset.id);
      const more = events.slice(0, end < 0 ? undefined : end).filter((event) => !shown.has(event.event_id));
      const count = more.length === 50 ? "50 or more new events" : plural(more.length, "new event");
      say(more.length ? count : "", more.length ? reload : null);
    } catch (error) {
      say(error.message, make("span", { className: "notice" }));
    }
  }, 10_000);
}

// An event opens beside the table, at its own address.

const panel = document.getElementById("panel");
let opener = null;

async function open(link) {
  opener = link;
  for (const row of $$("tr.current")) row.classList.remove("current");
  link.closest("tr").classList.add("current");
  panel.hidden = false;
  panel.setAttribute("aria-busy", "true");
  const close = make("button", { type: "button", className: "button close", textContent: "Close" });
  close.addEventListener("click", () => history.back());
  try {
    const article = (await parsed(link.href)).getElementById("event");
    if (opener !== link) return; // Another one was chosen meanwhile.
    inWords(article);
    for (const heading of $$("h1, h2", article)) {
      const lower = make(heading.tagName === "H1" ? "h2" : "h3", { id: heading.id });
      lower.append(...heading.childNodes);
      heading.replaceWith(lower);
    }
    panel.replaceChildren(close, article);
    letCopy(panel);
  } catch (error) {
    if (opener !== link) return;
    panel.replaceChildren(close, make("p", { className: "notice", textContent: error.message }));
  }
  panel.removeAttribute("aria-busy");
  cover(matchMedia("(max-width: 64rem)").matches);
  panel.focus();
}

/** Where the panel covers the page, make the page behind it inert. */
function cover(covered) {
  for (const behind of $$("header.top, .skip, main > :not(.beside), .list")) behind.inert = covered;
}

function closePanel() {
  panel.hidden = true;
  cover(false);
  for (const row of $$("tr.current")) row.classList.remove("current");
  opener?.focus();
}

function letOpen(table) {
  table.addEventListener("click", (event) => {
    const link = event.target.closest("a.open");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (panel.hidden) history.pushState(null, "", link.href);
    else history.replaceState(null, "", link.href);
    open(link);
  });
  addEventListener("popstate", () => {
    const link = $$("a.open", table).find((each) => each.href === location.href);
    if (link) open(link);
    else if (!panel.hidden) closePanel();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.repeat || panel.hidden || location.href === closed) return;
    history.back();
  });
}

// Exports show progress; an incomplete file is not saved.

const MERGE_BYTES = 8 * 1024 * 1024;

async function download(link, place) {
  const stop = new AbortController();
  const progress = make("span", { ariaHidden: "true" });
  const cancel = make("button", { type: "button", className: "button", textContent: "Cancel" });
  const row = make("div", {}, `Exporting ${link.textContent} … `, progress, " ", cancel);
  cancel.addEventListener("click", () => stop.abort());
  place.append(row);
  cancel.focus();
  let bytes = 0;
  try {
    const answer = await fetch(link.href, { signal: stop.signal });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail ?? `The service answered ${answer.status}.`);
    }
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1];
    let parts = [];
    let loose = 0;
    let told = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.length;
      loose += value.length;
      // A blob may go to disk, an array of chunks stays in memory.
      if (loose > MERGE_BYTES) [parts, loose] = [[new Blob(parts)], 0];
      if (performance.now() - told > 200) {
        told = performance.now();
        progress.textContent = `${number.format(Math.ceil(bytes / 1024))} kB`;
      }
    }
    const file = URL.createObjectURL(new Blob(parts, { type: answer.headers.get("Content-Type") }));
    make("a", { href: file, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
    const aside = Number(answer.headers.get("Orgtrail-Set-Aside"));
    const left = aside ? ` ${plural(aside, "record")} could not be stored and are not in it.` : "";
    row.replaceChildren(`Exported ${name}, ${number.format(Math.ceil(bytes / 1024))} kB.${left}`);
  } catch (error) {
    const why = stop.signal.aborted ? "The export was cancelled." : `The export failed: ${
      error instanceof TypeError ? `the transfer broke off after ${number.format(Math.ceil(bytes / 1024))} kB.` : error.message}`;
    row.replaceChildren(make("span", { className: "notice", textContent: `${why} Nothing was saved.` }));
  }
}

/** After reloading an event that was opened beside a table, Back must load the table. */
function returnTo(pathname) {
  addEventListener("popstate", () => location.pathname !== pathname && location.reload());
}

function letCopy(root) {
  for (const button of $$("[data-copy]", root)) {
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const target = new URL(button.dataset.copy, location.href).href;
      try {
        const json = button.dataset.copyKind === "json";
        const text = json
          ? JSON.stringify(await (await ask(target, "application/json")).json(), null, 2)
          : target;
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not copied";
      }
      setTimeout(() => (button.textContent = label), 2000);
    });
  }
}

inWords(document);
letCopy(document);
if (counts && !leaving) {
  drawCounts(document.getElementById("counts"));
  letPick($(".picker"));
  for (const input of $$("[data-people]")) letComplete(input);
  for (const link of $$("[data-export]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      link.closest("details").open = false;
      download(link, document.getElementById("export-status"));
    });
  }
  const table = $("table.events");
  if (table) letOpen(table);
  if (live) watch(document.getElementById("new-events"));
} else {
  returnTo(location.pathname);
}
