"""How the page of a report looks, and the sorting of its tables."""

STYLE = """
:root { --ink: #1d232b; --quiet: #5d6773; --line: #dde1e6; --row: #f3f5f7; --accent: #0072b2; --alarm: #b33a00; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 36px 0 4px; padding-top: 14px; border-top: 2px solid var(--ink); }
h3 { font-size: 17px; margin: 24px 0 8px; }
.quiet, footer, figcaption, .files { color: var(--quiet); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 6px 24px; margin: 0 0 12px; }
dt { font-size: 13px; color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre.command { background: var(--row); border-radius: 6px; padding: 8px 12px; margin: 0; white-space: pre-wrap; }
.findings { padding-left: 20px; max-width: 82ch; } .findings li { margin: 5px 0; }
.warning { color: var(--alarm); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); gap: 22px 28px; }
figure { margin: 0; max-width: 620px; break-inside: avoid; } figure svg { width: 100%; height: auto; display: block; }
figcaption { font-size: 13px; line-height: 1.4; margin-top: 2px; } .made, figcaption .files { display: block; }
figcaption code { font-size: 11.5px; } .files { font-size: 12px; }
details { margin: 18px 0; } summary { cursor: pointer; font-weight: 600; }
.scroll { overflow-x: auto; margin-top: 6px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; vertical-align: bottom; cursor: pointer; border-bottom: 1.5px solid var(--ink); }
th[aria-sort=ascending]::after { content: " \\2191"; } th[aria-sort=descending]::after { content: " \\2193"; }
th, td { padding: 4px 14px 4px 0; } td { white-space: nowrap; border-bottom: 1px solid var(--line); }
footer { margin-top: 40px; font-size: 13px; max-width: 82ch; }
@page { margin: 14mm; }
@page wide { size: landscape; }
@media print {
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .figures { grid-template-columns: 1fr 1fr; gap: 12px 18px; } figcaption { font-size: 8pt; }
  figcaption code, .files { font-size: 7pt; } .scroll { overflow: visible; }
  table { font-size: 7pt; width: 100%; } th, td { padding: 2px 5px 2px 0; } td { white-space: normal; }
  .wide { page: wide; } .wide td:nth-child(n+3) { min-width: 6.5ch; }
  tr, li { break-inside: avoid; } h2, h3, summary { break-after: avoid; }
}
"""

#: Sorts a table by the column whose heading is clicked: numbers as numbers, the first number of a cell counts. On
#: paper every table is open but the long ones, which stand in files.
SCRIPT = """
for (const table of document.querySelectorAll('table.sortable')) {
  table.querySelectorAll('th').forEach((head, column) => head.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    const key = row => row.cells[column].textContent.trim();
    const number = text => parseFloat(text.replace(/^[^0-9+-]*/, ''));
    const rows = [...table.tBodies[0].rows];
    const numeric = rows.every(row => key(row) === '\u2013' || !isNaN(parseFloat(key(row))));
    const order = numeric ? (a, b) => (number(key(a)) || 0) - (number(key(b)) || 0)
      : (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true });
    rows.sort((a, b) => up ? order(a, b) : order(b, a)).forEach(row => table.tBodies[0].append(row));
    table.querySelectorAll('th').forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  }));
}
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(part => {
  part.open = !part.classList.contains('long');
}));
"""
