// The page: one video in view, a cursor that the video follows, tables, keys and printing.
const byId = id => document.getElementById(id), data = JSON.parse(byId('data').textContent);
const drawing = new Drawing(byId('canvas'), data.labels, data.styles), player = byId('video');
const PAGE_ROWS = 100, PRINT_ROWS = 2000, LIGHT = { ink: '#1d232b', quiet: '#5d6773', line: '#dde1e6', row: '#eef0f3', alarm: '#b33a00', evidence: '#e69f00' };
const KIND_QUESTIONS = { next_action: 'What happens next?', frame_labels: 'What happens now?' };
let shown = null, view = [0, 1], cursor = 0, lit = null, printing = false, playing = null, queued = false, hasFile = false;

function element(tag, text = '', kind = '') {
  const made = document.createElement(tag);
  made.textContent = text; if (kind) made.className = kind;
  return made;
}
// A text that keeps its direction to itself, within a longer one.
const own = text => `\u2068${text}\u2069`;
const percent = value => value === null ? '' : `${Math.round(100 * value)}%`;
function share(value) {
  const made = element('span', '', 'share'), bar = element('i'), filled = element('b');
  if (value === null) return made;
  filled.style.width = percent(value); bar.append(filled); made.append(bar, percent(value));
  return made;
}
const verdict = answer => answer.right === null ? '' : answer.right ? 'right' : 'wrong';

function colors() {
  if (printing) return LIGHT;
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.keys(LIGHT).map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function draw() {
  const width = printing ? 1000 : byId('drawing').clientWidth;
  if (!width) return;
  drawing.layout(width, !printing && width < 600);
  drawing.draw(...(printing ? [0, shown.duration] : view), colors(), printing ? 2 : Math.max(1, devicePixelRatio), lit);
  byId('cursor').style.height = `${drawing.height}px`;
  const span = shown.duration;
  byId('window').style.left = `${100 * view[0] / span}%`; byId('window').style.width = `${100 * (view[1] - view[0]) / span}%`;
  placeCursor();
}

// Draws once a frame, however often it is wanted.
function later() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; draw(); });
}

function placeCursor() {
  const x = drawing.x(cursor), line = byId('cursor');
  line.style.display = x < drawing.left - 1 || x > drawing.right + 1 ? 'none' : '';
  line.style.left = `${x}px`;
}

// Seconds since the first picture, which players show late where the sound begins before it.
const played = () => player.currentTime - shown.first;

function setCursor(seconds, follow = true) {
  cursor = Math.min(Math.max(0, seconds), shown.duration);
  if (follow && hasFile && Math.abs(played() - cursor) > 0.001) player.currentTime = cursor + shown.first;
  const span = view[1] - view[0];
  if (cursor < view[0] || cursor > view[1]) setView(cursor - (cursor < view[0] ? 0.9 : 0.1) * span, span);
  placeCursor(); showNow();
}

function setView(start, span) {
  span = Math.min(Math.max(span, Math.min(0.2, shown.duration)), shown.duration);
  start = Math.min(Math.max(0, start), shown.duration - span);
  view = [start, start + span]; later();
}

function zoom(factor, about = null) {
  const centre = about === null ? (cursor >= view[0] && cursor <= view[1] ? cursor : (view[0] + view[1]) / 2) : about;
  const span = view[1] - view[0], wanted = Math.min(Math.max(span * factor, Math.min(0.2, shown.duration)), shown.duration);
  setView(centre - (centre - view[0]) / span * wanted, wanted);
}

// What each row shows at the cursor. Its elements are made once a video.
let nowRows = [];
function makeNow() {
  nowRows = drawing.rows.map(row => {
    const line = element('div'), words = element('dd'), part = element('dd');
    line.append(element('dt', row.name), words, part);
    return { row, line, words, part, last: undefined };
  });
  byId('at').replaceChildren(...nowRows.map(item => item.line));
}
function showNow() {
  byId('clock').textContent = clock(cursor);
  const heard = [];
  for (const item of nowRows) {
    const found = item.row.marks ? markAt(item.row, cursor) : barAt(item.row, cursor);
    if (found !== null) heard.push(`${item.row.name}: ${item.row.marks ? (found.answer ? found.answer.answer : found.query.truth) : data.labels[found[2]]}`);
    if (found === item.last) continue;
    item.last = found;
    if (found === null) { item.words.replaceChildren(element('span', '–', 'quiet')); item.part.replaceChildren(); }
    else if (item.row.marks) showMark(item, found); else {
      item.words.replaceChildren(element('span', data.labels[found[2]]));
      item.part.replaceChildren(share(found[3]));
    }
  }
  const canvas = byId('canvas');
  canvas.setAttribute('aria-valuenow', cursor.toFixed(1));
  canvas.setAttribute('aria-valuetext', [clock(cursor), ...heard].join(', '));
}
function showMark(item, { query, answer }) {
  const words = [element('span', answer ? answer.answer : query.truth || '–', answer ? verdict(answer) : '')];
  if (answer && answer.right === false) words.push(element('small', `right: ${own(query.truth)}`));
  words.push(element('small', `${clock(query.time)} ${own(query.asked || KIND_QUESTIONS[query.kind] || '')}`));
  if (answer && answer.ranking.length > 1) words.push(element('small', 'then ' + answer.ranking.slice(1, 3).map(([label, value]) => `${own(label)} ${percent(value)}`).join(', ')));
  item.words.replaceChildren(...words);
  item.part.replaceChildren(share(answer ? answer.probability : null));
}

// A table of which one page of rows stands in the document.
class Table {
  constructor(id, what) { this.box = byId(id); this.what = what; this.page = 0; }

  show(columns, rows, make) {
    Object.assign(this, { columns, rows, make, page: 0 });
    this.box.hidden = !rows.length && !this.kept;
    this.box.querySelector('summary').textContent = `${rows.length.toLocaleString('en')} ${this.what[rows.length === 1 ? 0 : 1]}`;
    this.draw();
  }

  draw() {
    const size = printing ? PRINT_ROWS : PAGE_ROWS, first = printing ? 0 : this.page * size;
    const table = document.createElement('table'), head = table.createTHead().insertRow(), body = table.createTBody();
    for (const name of this.columns) { const cell = element('th', name); cell.scope = 'col'; head.append(cell); }
    for (const row of this.rows.slice(first, first + size)) body.insertRow().append(...this.make(row));
    this.box.querySelector('.scroll').replaceChildren(table, ...this.pager(first, size));
  }

  pager(first, size) {
    if (this.rows.length <= size) return [];
    const pager = element('div', '', 'pager'), turn = (text, by, off) => {
      const button = element('button', text); button.type = 'button'; button.disabled = off;
      button.onclick = () => { this.page += by; this.draw(); };
      return button;
    };
    const last = Math.min(first + size, this.rows.length);
    pager.append(turn('Earlier', -1, first === 0), turn('Later', 1, last === this.rows.length), `${first + 1} to ${last} of ${this.rows.length}`);
    return [pager];
  }
}
const queryTable = new Table('queries', ['query', 'queries']), segmentTable = new Table('segments', ['segment', 'segments']);
queryTable.kept = true;

function timeCell(seconds, onpick) {
  const cell = element('td'), button = element('button', clock(seconds));
  button.type = 'button'; button.onclick = onpick || (() => setCursor(seconds));
  cell.append(button);
  return cell;
}
function answerCell(answer) {
  const cell = element('td');
  if (answer) cell.append(element('span', answer.answer, verdict(answer)), share(answer.probability));
  return cell;
}
function showTables() {
  const asked = shown.queries, known = asked.some(query => query.truth !== null), alone = byId('wrong').checked && known;
  byId('queries').hidden = !asked.length;
  byId('wrong').parentElement.hidden = !known;
  queryTable.show(
    ['time', 'question', ...shown.models, ...(known ? ['right answer'] : [])],
    alone ? asked.filter(query => query.answers.some(answer => answer.right === false)) : asked,
    query => [
      timeCell(query.time, () => { lit = query; setCursor(query.time); later(); }),
      element('td', query.asked || KIND_QUESTIONS[query.kind] || query.kind),
      ...shown.models.map((_, number) => answerCell(query.answers.find(answer => answer.model === number))),
      ...(known ? [element('td', query.truth || '')] : []),
    ],
  );
  byId('queries').hidden = !asked.length;
  const bars = shown.lines.flatMap(line => line.bars.map(bar => ({ line, bar })));
  segmentTable.show(['start', 'end', 'label', 'of', 'confidence'], bars, ({ line, bar }) => {
    const confidence = element('td'); confidence.append(share(bar[3]));
    return [timeCell(bar[0]), element('td', clock(bar[1])), element('td', data.labels[bar[2]]), element('td', line.name), confidence];
  });
}

function showVideo(number) {
  shown = data.videos[number]; lit = null; stop();
  const choice = byId('choice'); choice.value = String(number);
  byId('facts').textContent = choice.selectedOptions[0].dataset.facts;
  byId('previous').disabled = number === 0; byId('next').disabled = number === data.videos.length - 1;
  drawing.show(shown); view = [0, shown.duration]; cursor = 0;
  byId('canvas').setAttribute('aria-valuemax', shown.duration);
  setScreen(shown.file !== null, '');
  if (hasFile) player.src = shown.file; else player.removeAttribute('src');
  makeNow(); showTables(); draw(); setCursor(0, false);
}
function setScreen(here, note) {
  hasFile = here; byId('screen').classList.toggle('away', !here); byId('screen').hidden = !here && !note;
  byId('screen-note').textContent = note; byId('screen-note').hidden = !note;
}
player.addEventListener('error', () => {
  if (shown && hasFile) setScreen(false, `The video ${decodeURI(shown.file)} cannot be shown: it is not there, or the browser cannot play it.`);
});
player.addEventListener('timeupdate', () => { if (playing === null) setCursor(played(), false); });
player.addEventListener('play', () => start());
player.addEventListener('pause', () => stop());

// Plays the video, or the cursor alone where there is no file.
function start() {
  if (playing !== null) return;
  let before = performance.now();
  if (hasFile && player.paused) player.play().catch(() => stop());
  if (!hasFile && cursor >= shown.duration) setCursor(0);
  const tick = now => {
    setCursor(hasFile ? played() : cursor + (now - before) / 1000, false);
    before = now;
    if (!hasFile && cursor >= shown.duration) stop(); else playing = requestAnimationFrame(tick);
  };
  playing = requestAnimationFrame(tick); showPlaying(true);
}
function stop() {
  if (playing !== null) cancelAnimationFrame(playing);
  playing = null; if (!player.paused) player.pause();
  showPlaying(false);
}
function showPlaying(on) { byId('play').textContent = on ? 'Pause' : 'Play'; byId('play').setAttribute('aria-pressed', on); }
const toggle = () => playing === null ? start() : stop();

// The next or previous edge of a bar, or time of a query.
function edge(step) {
  const times = shown.lines.flatMap(line => line.bars.flatMap(bar => [bar[0], bar[1]])).concat(shown.queries.map(query => query.time));
  const beyond = times.filter(time => step > 0 ? time > cursor + 5e-4 : time < cursor - 5e-4);
  return beyond.length ? beyond.reduce((a, b) => step > 0 === a < b ? a : b) : cursor;
}
const KEYS = {
  ' ': toggle, Home: () => setCursor(0), End: () => setCursor(shown.duration), 0: () => setView(0, shown.duration),
  '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), _: () => zoom(2),
  ArrowLeft: event => setCursor(event.shiftKey ? edge(-1) : cursor - 1), ArrowRight: event => setCursor(event.shiftKey ? edge(1) : cursor + 1),
};
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  const within = event.target.closest('input, select, textarea, video, .scroll');
  if (within || (event.key === ' ' && event.target.closest('button, summary'))) return;
  event.preventDefault(); KEYS[event.key](event);
});

const place = event => { const box = byId('canvas').getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
const pointers = new Map();
let grabbed = null;
byId('canvas').addEventListener('pointerdown', event => {
  if (event.button > 0) return;
  pointers.set(event.pointerId, event.clientX); event.target.setPointerCapture(event.pointerId);
  grabbed = { x: event.clientX, view: [...view], moved: false };
});
byId('canvas').addEventListener('pointermove', event => {
  if (!pointers.has(event.pointerId)) { showTip(event); return; }
  const before = [...pointers.values()];
  pointers.set(event.pointerId, event.clientX);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()], [c, d] = before;
    grabbed.moved = true;
    if (Math.abs(a - b) > 8) zoom(Math.abs(c - d) / Math.abs(a - b), drawing.seconds((a + b) / 2 - byId('canvas').getBoundingClientRect().left));
    return;
  }
  grabbed.moved ||= Math.abs(event.clientX - grabbed.x) > 4;
  const span = grabbed.view[1] - grabbed.view[0];
  if (grabbed.moved && span < shown.duration) setView(grabbed.view[0] - (event.clientX - grabbed.x) / (drawing.right - drawing.left) * span, span);
  else if (grabbed.moved) setCursor(drawing.seconds(place(event)[0]));
});
function release(event) {
  if (!pointers.delete(event.pointerId) || pointers.size || event.type === 'pointercancel' || grabbed.moved) return;
  const [x, y] = place(event), found = drawing.find(x, y);
  lit = found && found.mark ? found.mark.query : null;
  setCursor(lit ? lit.time : drawing.seconds(x)); later();
}
byId('canvas').addEventListener('pointerup', release);
byId('canvas').addEventListener('pointercancel', release);
byId('canvas').addEventListener('pointerleave', () => { byId('tip').hidden = true; });
byId('canvas').addEventListener('wheel', event => {
  const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX, span = view[1] - view[0];
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), drawing.seconds(place(event)[0]));
  else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) setView(view[0] + across / drawing.width * span, span);
  else return;
  event.preventDefault();
}, { passive: false });
function showTip(event) {
  const [x, y] = place(event), found = drawing.find(x, y), tip = byId('tip');
  tip.hidden = !found;
  if (!found) return;
  if (found.bar) {
    const [start, end, label, confidence] = found.bar;
    tip.textContent = `${own(data.labels[label])}, ${clock(start, 2)} to ${clock(end, 2)}${confidence === null ? '' : `, ${percent(confidence)}`}`;
  } else {
    const { query, answer } = found.mark;
    tip.textContent = `${clock(query.time, 2)} ${own(query.asked || KIND_QUESTIONS[query.kind] || '')} `
      + (answer ? `${own(answer.answer)} (${percent(answer.probability)})` : '') + (query.truth !== null && !(answer && answer.right) ? `, right: ${own(query.truth)}` : '');
  }
  tip.style.top = `${y + 18}px`; tip.style.left = `${Math.max(0, Math.min(x + 12, drawing.width - tip.offsetWidth - 4))}px`;
}

let dragged = null;
byId('strip').addEventListener('pointerdown', event => {
  const box = byId('strip').getBoundingClientRect(), time = (event.clientX - box.left) / box.width * shown.duration, span = view[1] - view[0];
  if (time < view[0] || time > view[1]) setView(time - span / 2, span);
  dragged = { time, from: view[0] }; byId('strip').setPointerCapture(event.pointerId);
});
byId('strip').addEventListener('pointermove', event => {
  if (!dragged) return;
  const box = byId('strip').getBoundingClientRect();
  setView(dragged.from + (event.clientX - box.left) / box.width * shown.duration - dragged.time, view[1] - view[0]);
});
for (const type of ['pointerup', 'pointercancel']) byId('strip').addEventListener(type, () => { dragged = null; });

byId('play').onclick = toggle; byId('in').onclick = () => zoom(0.5); byId('out').onclick = () => zoom(2);
byId('whole').onclick = () => setView(0, shown.duration);
byId('choice').onchange = () => showVideo(Number(byId('choice').value));
byId('previous').onclick = () => showVideo(Number(byId('choice').value) - 1);
byId('next').onclick = () => showVideo(Number(byId('choice').value) + 1);
byId('wrong').onchange = showTables;
new ResizeObserver(later).observe(byId('drawing'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', later);
function print(on) {
  printing = on; draw(); queryTable.draw();
  byId('canvas').style.height = on ? 'auto' : `${drawing.height}px`;
}
addEventListener('beforeprint', () => print(true));
addEventListener('afterprint', () => print(false));
// The address may name a video and a time: page.html#video=3&t=12.5
function go() {
  const asked = new URLSearchParams(location.hash.slice(1)), number = Number(asked.get('video') || 1) - 1;
  showVideo(data.videos[number] ? number : 0);
  if (asked.has('t')) setCursor(Number(asked.get('t')) || 0);
  if (asked.has('span')) { const span = Number(asked.get('span')) || shown.duration; setView(cursor - span / 2, span); }
}
addEventListener('hashchange', go);
go();
