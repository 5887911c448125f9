// One player for what the browser plays, for pictures from the server where it cannot, and for videos without pictures.
import { byId } from './elements.js';

export class Player {
  // moved(seconds) is called whenever the time changes.
  constructor(moved) {
    this.moved = moved; this.video = byId('video'); this.still = byId('still');
    this.mode = 'none'; this.seconds = 0; this.end = 0; this.ticking = null; this.wanted = -1; this.loading = false;
    this.video.addEventListener('error', () => { if (this.mode === 'file') this.showPictures(); });
    this.video.addEventListener('loadedmetadata', () => {
      if (this.mode !== 'file') return;
      if (!this.video.videoWidth) this.showPictures(); else if (this.seconds) this.video.currentTime = this.seconds;
    });
    this.video.addEventListener('timeupdate', () => { if (this.mode === 'file' && this.ticking === null && !this.video.seeking) this.move(this.video.currentTime); });
    this.video.addEventListener('pause', () => { if (this.mode === 'file') this.stop(); });
    this.still.addEventListener('load', () => { this.loading = false; this.drawStill(); });
    this.still.addEventListener('error', () => { this.loading = false; if (this.mode === 'pictures') this.show('none', 'There are no pictures of this video.'); });
  }

  open(facts, rate) {
    this.close();
    this.facts = facts; this.end = facts.end; this.step = 1 / rate; this.seconds = 0; this.wanted = -1; this.loading = false;
    if (!facts.has_file) { this.show('none', ''); return; }
    this.show('file', '');
    this.video.src = `/api/videos/${facts.id}/file`;
  }

  close() {
    this.stop(); this.show('none', ''); this.video.srcObject = null; this.video.removeAttribute('src'); this.still.removeAttribute('src');
    this.video.load();
  }

  show(mode, note) {
    this.mode = mode;
    this.video.hidden = mode !== 'file' && mode !== 'camera'; this.still.hidden = mode !== 'pictures'; byId('nothing').hidden = mode !== 'none';
    byId('screen-note').textContent = note; byId('screen-note').hidden = !note; byId('mute').hidden = mode !== 'file';
  }

  // The browser cannot play the file: the server decodes it.
  showPictures() {
    const playing = this.ticking !== null;
    this.stop();
    this.show('pictures', 'This browser cannot play the file. These are pictures from the server, as the models see them, without sound.');
    this.drawStill();
    if (playing) this.play();
  }

  drawStill() {
    const index = Math.floor((this.seconds + 1e-6) / this.step);
    if (this.mode !== 'pictures' || this.loading || index === this.wanted) return;
    this.wanted = index; this.loading = true;
    this.still.src = `/api/videos/${this.facts.id}/picture?time=${(index * this.step).toFixed(3)}`;
  }

  seek(seconds) {
    this.move(seconds);
    if (this.mode === 'file' && Math.abs(this.video.currentTime - this.seconds) > 0.001) this.video.currentTime = this.seconds;
  }

  move(seconds) {
    this.seconds = Math.min(Math.max(0, seconds), this.end);
    this.drawStill(); this.moved(this.seconds);
  }

  get playing() { return this.ticking !== null; }
  toggle() { if (this.playing) this.stop(); else this.play(); }

  play() {
    if (this.playing || this.mode === 'camera') return;
    if (this.seconds >= this.end - 0.05) this.seek(0);
    if (this.mode === 'file') this.video.play().catch(() => this.stop());
    let before = performance.now();
    const tick = now => {
      const seconds = this.mode === 'file' ? this.video.currentTime : this.seconds + (now - before) / 1000;
      before = now; this.move(seconds);
      if (seconds >= this.end || (this.mode === 'file' && this.video.ended)) this.stop();
      else this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick); this.showPlaying();
  }

  stop() {
    if (this.ticking !== null) cancelAnimationFrame(this.ticking);
    this.ticking = null;
    if (this.mode === 'file' && !this.video.paused) this.video.pause();
    this.showPlaying();
  }

  showPlaying() { byId('play').textContent = this.playing ? 'Pause' : 'Play'; byId('play').setAttribute('aria-pressed', this.playing); }
}
