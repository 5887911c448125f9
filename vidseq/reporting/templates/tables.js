// Sorts a table by the column whose heading is pressed: numbers as numbers, the first number of a cell counts.
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
// On paper everything is open but long tables, which stand in files.
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(part => {
  part.open = !part.classList.contains('long');
}));
