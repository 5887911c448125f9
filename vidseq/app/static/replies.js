// The answers: a card for each model, the slider over less and less of the past, and the strip of what decided.
import { bar, byId, element, own, percent, words } from './elements.js';
import { send } from './api.js';

const lengthInWords = (context, all) => context.frames === 1 ? 'the newest frame alone' : all ? `all ${context.frames} frames (${context.seconds.toFixed(1)} s)` : `the last ${context.frames} frames (${context.seconds.toFixed(1)} s)`;

export class Replies {
  // seek(seconds) moves the player, light(intervals) marks parts of the timeline.
  constructor(seek, light) {
    this.seek = seek; this.light = light; this.aborter = null;
    byId('less').addEventListener('input', () => this.showLess());
  }

  clear() { this.leave(); byId('replies').hidden = true; byId('cards').replaceChildren(); }
  // Ends what is still being computed for the question before.
  leave() { if (this.aborter) this.aborter.abort(); this.aborter = null; }

  // asked: { kind, text, time, truth, evidence }; video: its id, or null for a camera.
  async ask(video, asked, text) {
    this.leave();
    const aborter = this.aborter = new AbortController(), body = { kind: asked.kind, text: asked.text, time: asked.time };
    const found = await send(video ? `/api/videos/${video}/answers` : '/api/live/answers', body, aborter.signal);
    Object.assign(this, { asked, found, contexts: {}, cards: {} });
    byId('asked').replaceChildren(element('span', `${clock(asked.time)} ${own(text)}`));
    if (asked.truth) byId('asked').append(' ', element('small', `right: ${own(words(asked.truth))}`));
    byId('replies').hidden = false; byId('past').hidden = !video;
    const slider = byId('less');
    slider.disabled = true; slider.max = 1; slider.value = 1; slider.setAttribute('aria-valuetext', 'all of the past'); byId('less-text').textContent = 'all of the past';
    byId('cards').replaceChildren(...found.map(reply => this.makeCard(reply)));
    this.light(asked.evidence || []);
    if (video && found.some(reply => !reply.error)) this.goOn(video, body, aborter.signal).catch(error => { if (error.name !== 'AbortError') this.failed(error); });
    return found;
  }

  failed(error) { for (const card of Object.values(this.cards)) card.strip.replaceChildren(element('p', error.message, 'warn')); }

  // Answers from less of the past, then what decided, model after model.
  async goOn(video, body, signal) {
    const able = this.found.filter(reply => !reply.error).map(reply => reply.model);
    for (const reply of await send(`/api/videos/${video}/contexts`, { ...body, models: able }, signal)) if (!reply.error) this.contexts[reply.model] = reply.contexts;
    this.makeSlider();
    for (const name of able) {
      this.cards[name].strip.replaceChildren(element('p', 'Looking for the part of the past that decided …', 'quiet'));
      const [found] = await send(`/api/videos/${video}/evidence`, { ...body, models: [name] }, signal);
      this.showEvidence(video, name, found);
    }
  }

  makeCard(reply) {
    const card = element('article', '', 'card'), parts = { best: element('p', '', 'best'), list: element('ol'), notes: element('div'), curve: element('div', '', 'curve'), strip: element('div') };
    card.append(element('h3', reply.model));
    this.cards[reply.model] = parts; parts.curve.hidden = true; parts.curve.setAttribute('aria-hidden', 'true');
    if (reply.error) { card.append(element('p', reply.error, 'warn')); return card; }
    card.append(parts.best, parts.list, parts.notes, parts.curve, parts.strip);
    if (reply.unknown_words.length) parts.notes.append(element('p', `The model does not know: ${reply.unknown_words.map(own).join(', ')}.`, 'warn'));
    this.showRanking(reply.model, reply.ranking);
    return card;
  }

  showRanking(name, ranking) {
    const { best, list } = this.cards[name], [label, value] = ranking[0], truth = this.asked.truth;
    best.textContent = `${own(words(label) || '(no word)')} ${percent(value)}`;
    best.className = `best ${truth ? (label === truth ? 'right' : 'wrong') : ''}`;
    list.replaceChildren(...ranking.map(([label, value]) => {
      const line = element('li');
      line.append(element('span', words(label)), bar(value), element('span', percent(value)));
      return line;
    }));
  }

  makeSlider() {
    const lengths = Object.values(this.contexts), slider = byId('less');
    this.longest = lengths.reduce((a, b) => b.length > a.length ? b : a, []);
    slider.max = Math.max(0, this.longest.length - 1); slider.value = slider.max; slider.disabled = this.longest.length < 2;
    for (const [name, contexts] of Object.entries(this.contexts)) {
      const last = contexts.at(-1).ranking[0][0], { curve } = this.cards[name];
      curve.replaceChildren(...contexts.map(context => {
        const column = element('i', '', context.ranking[0][0] === last ? 'same' : '');
        column.style.height = percent(context.ranking[0][1]);
        return column;
      }));
      curve.hidden = contexts.length < 2;
    }
    this.showLess();
  }

  // Each model answers from the part of the past at the slider; one with other samples from the nearest.
  showLess() {
    const chosen = this.longest && this.longest[Number(byId('less').value)];
    if (!chosen) return;
    const text = lengthInWords(chosen, chosen === this.longest.at(-1));
    byId('less-text').textContent = text; byId('less').setAttribute('aria-valuetext', text);
    for (const [name, contexts] of Object.entries(this.contexts)) {
      const near = contexts.reduce((a, b) => Math.abs(b.seconds - chosen.seconds) < Math.abs(a.seconds - chosen.seconds) ? b : a);
      this.showRanking(name, near.ranking);
      [...this.cards[name].curve.children].forEach((column, index) => column.classList.toggle('here', contexts[index] === near));
    }
  }

  showEvidence(video, name, found) {
    const { strip } = this.cards[name];
    if (found.error) { strip.replaceChildren(element('p', found.error, 'quiet')); return; }
    const most = Math.max(0.05, ...found.tiles.map(tile => tile.loss)), tiles = element('div', '', 'strip');
    tiles.setAttribute('role', 'group'); tiles.setAttribute('aria-label', `What decided the answer of ${name}`);
    for (const tile of found.tiles) tiles.append(this.makeTile(video, tile, most, found.peak));
    strip.replaceChildren(element('p', this.evidenceInWords(found)), tiles);
    if (found.peak && !(this.asked.evidence || []).length) this.light([[found.peak[0], found.peak[1]]]);
  }

  evidenceInWords({ answer, peak }) {
    if (!peak) return 'No part of the past alone decided: without any one of them the answer stays as likely.';
    return `${clock(peak[0])} to ${clock(peak[1])} decided: without it, “${own(words(answer))}” loses ${Math.round(100 * peak[2])} points.`;
  }

  makeTile(video, tile, most, peak) {
    const made = element('button'), picture = element('img'), line = element('span');
    made.type = 'button'; picture.alt = ''; picture.loading = 'lazy'; picture.src = `/api/videos/${video}/picture?time=${tile.time.toFixed(3)}`;
    picture.addEventListener('error', () => picture.remove());
    line.append(element('span', clock(tile.time)), element('span', tile.loss > 0.005 ? `−${Math.round(100 * tile.loss)}` : ''));
    made.append(picture, bar(tile.loss / most), line);
    made.setAttribute('aria-label', `${clock(tile.time)}: without it the answer loses ${Math.round(100 * Math.max(0, tile.loss))} points. Go there.`);
    if (peak && tile.start < peak[1] && tile.end > peak[0]) made.className = 'peak';
    made.addEventListener('click', () => this.seek(tile.time));
    return made;
  }
}
