// The statement's text: colours behind a plain textarea, one statement of several, completion from what there is.

const KEYWORDS = new Set(("select from where group by order having limit offset with as and or not in is null like ilike between case when then else end " +
  "join left right full inner outer cross on using union all except intersect distinct filter over partition rows range asc desc nulls first last " +
  "cast interval date timestamp true false exists any values explain analyze describe show lateral").split(" "));

const TOKEN = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$)|\$\$[\s\S]*?(?:\$\$|$))|("(?:[^"]|"")*(?:"|$))|([A-Za-z_][A-Za-z0-9_]*)|([\s\S])/g;

/** Pieces of a text: class and text. */
function* tokens(text) {
  for (const [, comment, string, quoted, word, other] of text.matchAll(TOKEN)) {
    if (comment !== undefined) yield ["c", comment];
    else if (string !== undefined) yield ["s", string];
    else if (quoted !== undefined) yield ["", quoted];
    else if (word !== undefined) yield [KEYWORDS.has(word.toLowerCase()) ? "k" : "", word];
    else yield ["", other];
  }
}

/** The statement a place is in: a semicolon in a text or a comment ends none. */
export function statementAt(text, place) {
  let start = 0, at = 0;
  for (const [kind, piece] of tokens(text)) {
    at += piece.length;
    if (kind === "" && piece === ";") {
      if (place <= at || !text.slice(at).trim()) return { sql: text.slice(start, at - 1), start };
      start = at;
    }
  }
  return { sql: text.slice(start), start };
}

export class Editor {
  constructor(area, paint, list) {
    Object.assign(this, { area, paint, list, words: [], chosen: -1, from: 0, error: null, onRun: () => {}, onChange: () => {} });
    area.addEventListener("input", () => { this.error = null; this.draw(); this.suggest(false); this.onChange(); });
    area.addEventListener("scroll", () => { paint.scrollTop = area.scrollTop; });
    area.addEventListener("keydown", (event) => this.key(event));
    area.addEventListener("blur", () => this.close());
    new ResizeObserver(() => { paint.style.height = `${area.offsetHeight}px`; }).observe(area);
  }

  get text() { return this.area.value; }
  set text(value) { this.area.value = value; this.error = null; this.draw(); this.close(); }

  /** What is to run: the selection, else the statement at the cursor. */
  wanted() {
    const { selectionStart: from, selectionEnd: to, value } = this.area;
    return to > from ? { sql: value.slice(from, to), start: from } : statementAt(value, from);
  }

  /** Marks where an error is. */
  mark(place) { this.error = place; this.draw(); }

  draw() {
    const pieces = [];
    let at = 0;
    for (const [kind, piece] of tokens(this.text)) {
      const wrong = this.error !== null && this.error >= at && this.error < at + piece.length;
      at += piece.length;
      if (!kind && !wrong) { pieces.push(piece); continue; }
      const span = document.createElement("span");
      span.className = wrong ? `${kind} e` : kind;
      span.textContent = piece;
      pieces.push(span);
    }
    this.paint.replaceChildren(...pieces, "\n");
    this.paint.scrollTop = this.area.scrollTop;
  }

  key(event) {
    const open = !this.list.hidden;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.close(); this.onRun(); return; }
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); this.suggest(true); return; }
    if (event.key === "Escape") { if (open) { event.preventDefault(); this.close(); } this.leaving = true; return; }
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.choose(this.chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (open && (event.key === "Tab" || event.key === "Enter")) {
      event.preventDefault();
      this.take();
    } else if (event.key === "Tab" && !event.shiftKey && !this.leaving) {
      event.preventDefault();
      this.insert("    ", this.area.selectionStart);
    }
    this.leaving = false;
  }

  insert(text, from) {
    this.area.setRangeText(text, from, this.area.selectionEnd, "end");
    this.draw();
    this.onChange();
  }

  suggest(asked) {
    const place = this.area.selectionStart;
    const before = /[A-Za-z_][A-Za-z0-9_]*$/.exec(this.text.slice(0, place));
    const part = before ? before[0].toLowerCase() : "";
    this.from = place - part.length;
    if (!asked && part.length < 2) return this.close();
    const begins = (word) => word.name.toLowerCase().startsWith(part) && word.name.toLowerCase() !== part;
    const fits = this.words.filter(begins).slice(0, 40);
    if (!fits.length) return this.close();
    this.list.replaceChildren(...fits.map((word, at) => {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.id = `word-${at}`;
      item.textContent = word.name;
      const note = document.createElement("span");
      note.textContent = word.note;
      item.append(note);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); this.chosen = at; this.take(); });
      return item;
    }));
    this.fits = fits;
    this.list.hidden = false;
    const lines = this.text.slice(0, this.from).split("\n");
    this.list.style.top = `${Math.min(lines.length * 21.6 + 14 - this.area.scrollTop, this.area.offsetHeight)}px`;
    this.list.style.left = `${Math.min(lines.at(-1).length * 8.7 + 13, this.area.offsetWidth - 280)}px`;
    this.choose(0);
  }

  choose(at) {
    this.chosen = (at + this.fits.length) % this.fits.length;
    [...this.list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === this.chosen)));
    this.list.children[this.chosen].scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", `word-${this.chosen}`);
  }

  take() {
    const word = this.fits[this.chosen];
    this.close();
    this.insert(word.name, this.from);
  }

  close() { this.list.hidden = true; this.area.removeAttribute("aria-activedescendant"); }
}
