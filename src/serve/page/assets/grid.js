// Rows as a table: real cells, moments in people's zone with UTC behind them, sorted by a column's head.

export class Grid {
  constructor(place, zone) {
    Object.assign(this, { place, sorted: null });
    this.clock = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  }

  show(columns, rows, caption) {
    Object.assign(this, { columns, rows, caption, sorted: null });
    this.draw(rows);
  }

  cell(column, value) {
    const cell = document.createElement("td");
    if (value === null || value === undefined) { cell.className = "none"; cell.textContent = "–"; return cell; }
    if (column.kind === "number") cell.className = "number";
    if (column.kind === "moment") {
      const at = new Date(value);
      cell.className = "when";
      cell.textContent = isNaN(at) ? value : this.clock.format(at);
      cell.title = `${String(value).replace("T", " ").replace("Z", "")} UTC`;
    } else {
      cell.textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
    }
    return cell;
  }

  draw(rows) {
    const table = document.createElement("table");
    table.className = "data";
    const caption = table.createCaption();
    caption.textContent = this.caption;
    const head = table.createTHead().insertRow();
    for (const column of this.columns) {
      const th = document.createElement("th");
      th.scope = "col";
      if (column.kind === "number") th.className = "number";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.name;
      button.title = column.type;
      button.addEventListener("click", () => this.sort(column));
      th.append(button);
      if (this.sorted?.key === column.key) th.ariaSort = this.sorted.up ? "ascending" : "descending";
      head.append(th);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const column of this.columns) line.append(this.cell(column, row[column.key]));
    }
    this.place.replaceChildren(table);
  }

  sort(column) {
    const up = this.sorted?.key === column.key ? !this.sorted.up : true;
    this.sorted = { key: column.key, up };
    const compare = (a, b) => column.kind === "number" ? a - b : String(a).localeCompare(String(b));
    const rows = [...this.rows].sort((one, other) => {
      const [a, b] = [one[column.key], other[column.key]];
      if (a === null || b === null) return (a === null) - (b === null);
      return up ? compare(a, b) : compare(b, a);
    });
    this.draw(rows);
    [...this.place.querySelectorAll("thead button")].find((button) => button.textContent === column.name)?.focus();
  }
}
