// Draws the rows of a video on a canvas. Only what is in view is drawn, and of what would share a pixel, the first.
const GAP = 6, BAR = 22, STRIP = 6, MARK = 24, AXIS = 26, LETTERS = '11.5px system-ui, sans-serif';
const KINDS = { next_action: 'next', question: 'question', frame_labels: 'label' };
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, whole = Math.round(seconds * unit) / unit;
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

// The first index from which `test` holds; it holds for all that follow, too.
function firstIndex(length, test) {
  let low = 0, high = length;
  while (low < high) { const middle = (low + high) >> 1; if (test(middle)) high = middle; else low = middle + 1; }
  return low;
}

// The rows of a video: lines of bars, then the marks of each model's answers by kind.
function rowsOf(video) {
  const rows = video.lines.map(line => {
    let latest = -Infinity;
    const reach = line.bars.map(bar => latest = Math.max(latest, bar[1]));
    return { name: line.name, role: line.role, bars: line.bars, reach, places: line.places, strip: line.bars.some(bar => bar[3] !== null) };
  });
  for (const kind of [...new Set(video.queries.map(query => query.kind))]) {
    video.models.forEach((model, number) => {
      const marks = [];
      for (const query of video.queries) {
        const answer = query.kind === kind && query.answers.find(item => item.model === number);
        if (answer) marks.push({ query, answer });
      }
      if (marks.length) rows.push({ name: `${KINDS[kind] || kind} · ${model}`, kind, marks });
    });
    const open = video.queries.filter(query => query.kind === kind && !query.answers.length);
    if (open.length) rows.push({ name: KINDS[kind] || kind, kind, marks: open.map(query => ({ query, answer: null })) });
  }
  return rows;
}

class Drawing {
  constructor(canvas, labels, styles) {
    Object.assign(this, { canvas, labels, styles, context: canvas.getContext('2d'), hatched: {}, widths: new Map() });
    this.indices = new Map(labels.map((label, index) => [label, index]));
  }

  show(video) { this.rows = rowsOf(video); this.duration = video.duration; }

  // Puts rows below one another; on narrow screens, names stand above their rows.
  layout(width, narrow) {
    this.width = width; this.narrow = narrow;
    const longest = Math.max(...this.rows.map(row => this.measure(row.name)), 0);
    this.left = narrow ? 2 : Math.min(Math.max(60, longest + 14), width * 0.25);
    this.right = width - 12;
    let top = AXIS;
    for (const row of this.rows) {
      row.title = top; top += narrow ? 16 : 0; row.top = top;
      row.height = row.marks ? MARK : row.places * BAR + (row.strip ? STRIP + 2 : 0);
      top += row.height + GAP;
    }
    this.height = top;
  }

  measure(text) {
    if (!this.widths.has(text)) { this.context.font = LETTERS; this.widths.set(text, this.context.measureText(text).width); }
    return this.widths.get(text);
  }

  fit(text, room) {
    const width = this.measure(text);
    if (width <= room) return text;
    const letters = Math.floor(text.length * room / width) - 1;
    return letters >= 2 ? text.slice(0, letters) + '…' : '';
  }

  x(seconds) { return this.left + (seconds - this.start) / (this.end - this.start) * (this.right - this.left); }
  seconds(x) { return this.start + (x - this.left) / (this.right - this.left) * (this.end - this.start); }

  draw(start, end, colors, scale, lit) {
    Object.assign(this, { start, end, colors });
    const { canvas, context } = this;
    const wide = Math.round(this.width * scale), high = Math.round(this.height * scale);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    canvas.style.height = `${this.height}px`;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.textBaseline = 'middle';
    this.drawAxis();
    for (const row of this.rows) this.drawRow(row);
    if (lit) this.drawEvidence(lit);
  }

  drawAxis() {
    const { context, colors } = this, span = this.end - this.start, room = Math.max(2, (this.right - this.left) / 76);
    const step = STEPS.find(item => span / item <= room) || Math.ceil(span / room / 3600) * 3600;
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    context.font = LETTERS; context.textAlign = 'center';
    for (let tick = Math.ceil(this.start / step - 1e-9); tick * step <= this.end + 1e-9; tick++) {
      const x = this.x(tick * step), text = clock(tick * step, digits), half = this.measure(text) / 2;
      context.fillStyle = colors.line; context.fillRect(x - 0.5, 18, 1, this.height - 18);
      context.fillStyle = colors.quiet; context.fillText(text, Math.min(Math.max(x, half + 1), this.width - half - 1), 9);
    }
  }

  drawRow(row) {
    const { context, colors } = this;
    context.font = LETTERS; context.fillStyle = colors.quiet; context.textAlign = this.narrow ? 'left' : 'right';
    const name = this.fit(row.name, this.narrow ? this.width - 6 : this.left - 12);
    context.fillText(name, this.narrow ? this.left : this.left - 8, this.narrow ? row.title + 8 : row.top + row.height / 2);
    context.fillStyle = colors.row; context.fillRect(this.left, row.top, this.right - this.left, row.height);
    context.save();
    context.beginPath(); context.rect(this.left - (row.marks ? 6 : 0), row.top, this.right - this.left + (row.marks ? 12 : 0), row.height); context.clip();
    if (row.marks) this.drawMarks(row); else this.drawBars(row);
    context.restore();
  }

  drawBars(row) {
    const { context, colors } = this, done = new Array(row.places).fill(-Infinity);
    context.textAlign = 'left';
    for (let i = firstIndex(row.bars.length, k => row.reach[k] > this.start); i < row.bars.length; i++) {
      const [start, end, label, confidence, place] = row.bars[i];
      if (start >= this.end) break;
      const left = Math.max(this.x(start), this.left - 2), right = Math.min(this.x(end), this.right + 2);
      if (right - done[place] < 0.5) continue;
      done[place] = right;
      const width = Math.max(1, right - left - (right - left > 3 ? 1 : 0)), top = row.top + place * BAR;
      this.fillBar(label, left, top, width);
      if (row.strip && confidence !== null && place === 0) {
        context.fillStyle = colors.quiet; context.fillRect(left, row.top + row.height - STRIP * confidence, width, STRIP * confidence);
      }
    }
  }

  fillBar(label, left, top, width) {
    const { context } = this, [color, hatch, dark] = this.styles[label];
    context.fillStyle = color; context.fillRect(left, top + 1, width, BAR - 2);
    if (hatch) { context.fillStyle = this.hatch(hatch); context.fillRect(left, top + 1, width, BAR - 2); }
    if (width < 24) return;
    const text = this.fit(this.labels[label].replaceAll('_', ' '), width - 10);
    if (!text) return;
    if (hatch) { context.fillStyle = color; context.fillRect(left + 3, top + 3, this.measure(text) + 4, BAR - 6); }
    context.fillStyle = dark ? '#16202a' : '#fff'; context.fillText(text, left + 5, top + BAR / 2);
  }

  hatch(name) {
    if (this.hatched[name]) return this.hatched[name];
    const tile = document.createElement('canvas'); tile.width = tile.height = 6;
    const pen = tile.getContext('2d'); pen.strokeStyle = pen.fillStyle = 'rgba(255,255,255,.35)'; pen.lineWidth = 1.6;
    pen.beginPath();
    if (name === 'dots') { pen.arc(3, 3, 1.3, 0, 7); pen.fill(); }
    else if (name === 'bars') { pen.moveTo(1.5, 0); pen.lineTo(1.5, 6); pen.stroke(); }
    else { for (const shift of [-6, 0, 6]) { pen.moveTo(shift - 1, 7); pen.lineTo(shift + 7, -1); } pen.stroke(); }
    return this.hatched[name] = this.context.createPattern(tile, 'repeat');
  }

  // Right answers are dots, wrong ones crosses, open ones rings; the answer stands beside, where there is room.
  drawMarks(row) {
    const { context, colors } = this, middle = row.top + row.height / 2;
    context.textAlign = 'left'; context.lineWidth = 2;
    let done = -Infinity;
    for (let i = firstIndex(row.marks.length, k => row.marks[k].query.time >= this.start - 8 * (this.end - this.start) / this.width); i < row.marks.length; i++) {
      const { query, answer } = row.marks[i], x = this.x(query.time);
      if (query.time > this.end) break;
      const right = answer && answer.right;
      if (x - done < 1 && right !== false) continue;
      done = x;
      const next = i + 1 < row.marks.length ? this.x(row.marks[i + 1].query.time) : this.right;
      this.drawMark(x, middle, right, next - x < 9 ? 2.5 : 4);
      const label = answer ? answer.answer : query.truth || '', style = this.styles[this.indices.get(label)];
      const text = next - x > 40 ? this.fit(label.replaceAll('_', ' '), next - x - 30) : '';
      if (!text) continue;
      if (style) { context.fillStyle = style[0]; context.fillRect(x + 8, middle - 6, 4, 12); }
      context.fillStyle = colors.ink; context.fillText(text, x + (style ? 15 : 9), middle);
    }
  }

  drawMark(x, middle, right, size) {
    const { context, colors } = this;
    context.beginPath();
    if (right === false) {
      context.strokeStyle = colors.alarm;
      context.moveTo(x - size, middle - size); context.lineTo(x + size, middle + size);
      context.moveTo(x - size, middle + size); context.lineTo(x + size, middle - size); context.stroke();
    } else {
      context.arc(x, middle, right ? size : size - 1, 0, 7);
      if (right) { context.fillStyle = '#009e73'; context.fill(); } else { context.strokeStyle = colors.quiet; context.stroke(); }
    }
  }

  drawEvidence(query) {
    const { context, colors } = this;
    context.save(); context.beginPath(); context.rect(this.left, AXIS, this.right - this.left, this.height); context.clip();
    context.fillStyle = colors.evidence; context.globalAlpha = 0.3;
    for (const [start, end] of query.evidence) {
      const left = this.x(start); context.fillRect(left, AXIS, Math.max(2, this.x(end) - left), this.height - AXIS - GAP);
    }
    context.restore();
  }

  // What is at a place of the canvas: a bar or a mark, with its row.
  find(x, y) {
    const row = this.rows.find(item => y >= item.top && y < item.top + item.height);
    if (!row || x < this.left - 6 || x > this.right + 6) return null;
    const time = this.seconds(x);
    if (!row.marks) {
      const place = Math.min(Math.floor((y - row.top) / BAR), row.places - 1), bar = barAt(row, time, place);
      return bar && { row, bar };
    }
    const after = firstIndex(row.marks.length, k => row.marks[k].query.time >= time);
    const near = [row.marks[after - 1], row.marks[after]].filter(mark => mark && Math.abs(this.x(mark.query.time) - x) < 8);
    near.sort((a, b) => Math.abs(a.query.time - time) - Math.abs(b.query.time - time));
    return near.length ? { row, mark: near[0] } : null;
  }
}

// The bar of a row at a time; in any place, or in one. Of bars that overlap, the last to begin.
function barAt(row, time, place = null) {
  for (let i = firstIndex(row.bars.length, k => row.bars[k][0] > time) - 1; i >= 0 && row.reach[i] > time; i--)
    if (row.bars[i][1] > time && (place === null || row.bars[i][4] === place)) return row.bars[i];
  return null;
}

// The newest mark of a row at a time.
function markAt(row, time) {
  return row.marks[firstIndex(row.marks.length, k => row.marks[k].query.time > time + 5e-4) - 1] || null;
}
