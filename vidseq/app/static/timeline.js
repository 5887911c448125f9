// The timeline below the player: draws with the drawing of the other pages, and moves the player.
import { byId, own, percent } from './elements.js';

const COLORS = ['ink', 'quiet', 'line', 'row', 'alarm', 'evidence'];

export class Timeline {
  // seek(seconds) is called when a place is picked, pick(query) when an answer is.
  constructor(seek, pick) {
    this.seek = seek; this.pick = pick; this.lit = null; this.queued = false; this.drawing = null; this.cursor = 0;
    const canvas = this.canvas = byId('canvas');
    canvas.addEventListener('pointerdown', event => { if (event.button > 0 || !this.drawing) return; canvas.setPointerCapture(event.pointerId); this.down = event.clientX; this.dragged = false; this.dragTo(event, false); });
    canvas.addEventListener('pointermove', event => { if (this.down === undefined) this.showTip(event); else this.dragTo(event, true); });
    canvas.addEventListener('pointerup', event => this.release(event));
    canvas.addEventListener('pointercancel', () => { this.down = undefined; });
    canvas.addEventListener('pointerleave', () => { byId('tip').hidden = true; });
    new ResizeObserver(() => this.later()).observe(byId('drawing'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.later());
  }

  // values: what the server says of a video; names: the models, in order.
  show(values, names) {
    this.drawing = new Drawing(this.canvas, values.labels, values.styles);
    this.video = { ...values.video, models: names, queries: values.video.queries.map(query => ({ ...query, answers: query.answers.map(answer => ({ ...answer, model: names.indexOf(values.video.models[answer.model]) })) })) };
    this.lit = null; this.refresh();
    this.canvas.setAttribute('aria-valuemax', this.video.duration.toFixed(1));
  }

  // A bare one, while nothing is known yet.
  showEmpty(duration, names) { this.show({ labels: [], styles: [], video: { lines: [], queries: [], models: [], duration } }, names); }

  // Keeps what was asked, for the user to come back to.
  addAsked(query) {
    this.video.queries = this.video.queries.filter(other => !(other.kind === 'asked' && other.time === query.time && other.asked === query.asked));
    this.video.queries.push({ ...query, kind: 'asked', askedKind: query.kind });
    this.video.queries.sort((a, b) => a.time - b.time);
    this.refresh();
  }

  light(intervals) { this.lit = intervals.length ? { evidence: intervals } : null; this.later(); }
  refresh() { this.drawing.show(this.video); this.later(); }
  later() {
    if (this.queued || !this.drawing) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.draw(); });
  }

  draw() {
    const width = byId('drawing').clientWidth, style = getComputedStyle(document.documentElement);
    if (!width || !this.drawing) return;
    this.drawing.layout(width, width < 600);
    this.drawing.draw(0, this.video.duration, Object.fromEntries(COLORS.map(name => [name, style.getPropertyValue(`--${name}`).trim()])), Math.max(1, devicePixelRatio), this.lit);
    byId('cursor').style.height = `${this.drawing.height}px`;
    this.place();
  }

  moveTo(seconds) { this.cursor = seconds; this.place(); }
  place() {
    if (!this.drawing || this.drawing.start === undefined) return;
    byId('cursor').style.left = `${this.drawing.x(this.cursor)}px`;
    this.canvas.setAttribute('aria-valuenow', this.cursor.toFixed(1));
    this.canvas.setAttribute('aria-valuetext', [clock(this.cursor), ...this.heard()].join(', '));
  }

  // What each line shows at the cursor, for those who hear the page.
  heard() {
    return this.drawing.rows.filter(row => row.bars).map(row => [row, barAt(row, this.cursor)]).filter(([, found]) => found)
      .map(([row, found]) => `${row.name}: ${this.drawing.labels[found[2]]}`);
  }

  at(event) { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; }
  dragTo(event, moving) {
    if (moving && Math.abs(event.clientX - this.down) > 3) this.dragged = true;
    if (this.dragged) this.seek(this.drawing.seconds(this.at(event)[0]));
  }
  release(event) {
    if (this.down === undefined) return;
    this.down = undefined;
    if (this.dragged) return;
    const [x, y] = this.at(event), found = this.drawing.find(x, y);
    if (found && found.mark) this.pick(found.mark.query); else this.seek(this.drawing.seconds(x));
  }
  showTip(event) {
    if (!this.drawing || this.drawing.start === undefined) return;
    const [x, y] = this.at(event), found = this.drawing.find(x, y), tip = byId('tip');
    tip.hidden = !found;
    if (!found) return;
    if (found.bar) {
      const [start, end, label, confidence] = found.bar;
      tip.textContent = `${own(this.drawing.labels[label])}, ${clock(start)} to ${clock(end)}${confidence === null ? '' : `, ${percent(confidence)}`}`;
    } else {
      const { query, answer } = found.mark;
      tip.textContent = `${clock(query.time)} ${own(query.asked || 'What happens next?')} ${answer ? `${own(answer.answer)} (${percent(answer.probability)})` : ''}`
        + (query.truth !== null && !(answer && answer.right) ? `, right: ${own(query.truth)}` : '');
    }
    tip.style.top = `${y + 18}px`; tip.style.left = `${Math.max(0, Math.min(x + 12, this.drawing.width - tip.offsetWidth - 4))}px`;
  }
}
