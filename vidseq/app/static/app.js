// The page: chooses what is shown, and brings player, timeline, questions and answers together.
import { call, upload } from './api.js';
import { Camera } from './camera.js';
import { byId, element, own, showError, words } from './elements.js';
import { Player } from './player.js';
import { Replies } from './replies.js';
import { Timeline } from './timeline.js';

const KIND_WORDS = { question: 'A question', next_action: 'What happens next' };
let start = null, shown = null, ready = false, turn = 0, questions = [], liveSeconds = 0;

const player = new Player(moved), timeline = new Timeline(seconds => player.seek(seconds), pick), replies = new Replies(seconds => player.seek(seconds), intervals => timeline.light(intervals));
const camera = new Camera(player, seconds => { liveSeconds = seconds; ready = true; showClock(seconds); showHint(); }, error => { endCamera(); showError(error); });
const names = () => start.models.map(model => model.name);
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function showClock(seconds) { byId('clock').textContent = shown && !camera.on ? `${clock(seconds)} / ${clock(shown.end)}` : clock(seconds); byId('ask-clock').textContent = clock(seconds); }
function moved(seconds) { showClock(seconds); timeline.moveTo(seconds); }

// -- what is shown

function fillChoice() {
  const choice = byId('choice'), groups = [['Yours', start.uploads], [start.dataset || 'Data set', start.videos]];
  choice.replaceChildren(new Option('Pick a video …', ''), ...groups.filter(([, videos]) => videos.length).map(([name, videos]) => {
    const group = document.createElement('optgroup');
    group.label = name; group.append(...videos.map(video => new Option(video.title, video.id)));
    return group;
  }));
  choice.hidden = !start.uploads.length && !start.videos.length;
  choice.value = shown ? shown.id : '';
}

async function show(facts) {
  camera.stop(); endCamera(); replies.clear(); showError(null);
  const mine = ++turn;
  shown = facts; ready = false; questions = [];
  byId('welcome').hidden = true; byId('stage').hidden = false; byId('below').hidden = false; byId('known').hidden = true;
  byId('remove').hidden = !start.uploads.some(video => video.id === facts.id); byId('choice').value = facts.id;
  history.replaceState(null, '', `#${facts.id}`);
  player.open(facts, start.rate); timeline.showEmpty(facts.end, names()); moved(0); showHint();
  if (facts.end < facts.duration - 0.05) { byId('screen-note').textContent = `Only the first ${facts.end} s are read.`; byId('screen-note').hidden = false; }
  try { await prepare(facts, mine); } catch (error) { if (mine === turn) { byId('progress').hidden = true; showError(error); } }
}

// Waits until the video is read. Asking again and again keeps the work going; without that it ends.
async function prepare(facts, mine) {
  for (let wait = 100; ; wait = Math.min(1000, wait * 1.5)) {
    const known = await call(`/api/videos/${facts.id}`);
    if (mine !== turn) return;
    if (known.state === 'failed') throw new Error(known.error);
    if (known.state === 'ready') break;
    const texts = { waiting: 'Waiting for other videos …', reading: known.total ? `Reading: ${known.done} of ${known.total} frames` : 'Starting to read …', asking: 'Asking the models …', left: 'Starting again …' };
    showProgress(texts[known.state], known.state === 'reading' && known.total ? known.done / known.total : null);
    await pause(wait);
  }
  const values = await call(`/api/videos/${facts.id}/timeline`);
  if (mine !== turn) return;
  byId('progress').hidden = true; ready = true; questions = values.questions;
  timeline.show(values, names()); timeline.moveTo(player.seconds); fillQuestions(); showHint();
}

function showProgress(text, share) {
  byId('progress').hidden = false; byId('progress-text').textContent = text;
  if (share === null) byId('progress-bar').removeAttribute('value'); else byId('progress-bar').value = share;
}

async function take(file) {
  showError(null);
  if (!file) return;
  if (file.size > start.max_upload_bytes) { showError(new Error(`${own(file.name)} has ${(file.size / 1e6).toFixed(0)} MB; the app takes at most ${start.max_upload_bytes / 1e6} MB. Cut it, or start the app with --max-upload.`)); return; }
  const mine = ++turn;
  try {
    showProgress('Sending …', 0);
    const facts = await upload(file, (loaded, total) => { if (mine === turn) showProgress('Sending …', total ? loaded / total : null); });
    start.uploads.push(facts);
    if (mine !== turn) { fillChoice(); return; }
    shown = facts; fillChoice();
    await show(facts);
  } catch (error) {
    if (mine === turn) { byId('progress').hidden = true; if (shown && !ready) show(shown); }
    showError(error);
  }
}

async function startCamera() {
  showError(null); turn++; camera.stop();
  byId('camera').disabled = true;
  try {
    replies.clear(); shown = null; ready = false; liveSeconds = 0;
    byId('progress').hidden = true; byId('welcome').hidden = true; byId('stage').hidden = false; byId('below').hidden = true; byId('remove').hidden = true; byId('choice').value = '';
    for (const id of ['play', 'back', 'forward']) byId(id).hidden = true;
    history.replaceState(null, '', location.pathname);
    showProgress('Starting the camera …', null);
    await camera.start();
    byId('progress').hidden = true; byId('stop-camera').hidden = false; showClock(0); showHint();
  } catch (error) { endCamera(); showNothing(); showError(error); }
  byId('camera').disabled = false;
}
function endCamera() { for (const id of ['play', 'back', 'forward']) byId(id).hidden = false; byId('stop-camera').hidden = true; byId('said').hidden = true; }
function showNothing() {
  turn++; camera.stop(); endCamera(); player.close(); replies.clear(); shown = null; ready = false; history.replaceState(null, '', location.pathname);
  for (const id of ['stage', 'below', 'progress', 'remove']) byId(id).hidden = true;
  byId('welcome').hidden = false; byId('choice').value = '';
}

// -- asking

const kind = () => { const picked = document.querySelector('#kinds input:checked'); return picked ? picked.value : null; };
const needsText = () => start.models.some(model => model.asked[kind()]);
function makeKinds() {
  const kinds = [...new Set(start.models.flatMap(model => Object.keys(model.asked)))];
  for (const [index, name] of kinds.entries()) {
    const label = element('label'), input = element('input');
    Object.assign(input, { type: 'radio', name: 'kind', value: name, checked: index === 0 });
    input.addEventListener('change', showHint); label.append(input, KIND_WORDS[name] || words(name));
    byId('kinds').append(label);
  }
  byId('kinds').hidden = kinds.length < 2; byId('form').hidden = !kinds.length;
}
function showHint() {
  const hints = [];
  if (kind() === 'next_action') hints.push(needsText() ? 'Write whose next action, such as “What will … do next?”' : 'No text is needed.');
  if (!ready) hints.push(camera.on ? 'The first picture is on its way.' : 'The video has to be read first.');
  byId('hint').textContent = hints.join(' '); byId('send').disabled = !ready;
}

function knownQuery(asked) { return questions.find(query => query.kind === asked.kind && (query.asked || null) === asked.text && Math.abs(query.time - asked.time) < 0.06); }

async function ask() {
  showError(null);
  const text = byId('question').value.trim() || null, live = camera.on, time = live ? liveSeconds : Math.round(player.seconds * 1000) / 1000;
  if (!ready) return;
  if (!text && needsText()) { byId('question').focus(); showError(new Error('Write a question first.')); return; }
  player.stop();
  const asked = { kind: kind(), text, time }, known = live ? null : knownQuery(asked);
  if (known) Object.assign(asked, { truth: known.answer || null, evidence: known.evidence });
  byId('send').disabled = true;
  try {
    const found = await replies.ask(live ? null : shown.id, asked, text || 'What happens next?');
    if (!live) timeline.addAsked({ time, kind: asked.kind, asked: text, truth: asked.truth || null, evidence: asked.evidence || [], answers: answersOf(found, asked) });
  } catch (error) { showError(error); }
  byId('send').disabled = !ready;
}
function answersOf(found, asked) {
  return found.filter(reply => !reply.error).map(reply => ({
    model: names().indexOf(reply.model), answer: reply.ranking[0][0], probability: reply.ranking[0][1], ranking: reply.ranking,
    right: asked.truth ? reply.ranking[0][0] === asked.truth : null,
  }));
}

// A question of the data set, or one that was asked before.
function pick(query) {
  player.stop(); player.seek(query.time);
  const wanted = document.querySelector(`#kinds input[value="${query.askedKind || query.kind}"]`);
  if (!wanted) { timeline.light(query.evidence); return; }
  wanted.checked = true; byId('question').value = query.asked || '';
  showHint(); ask();
}
function fillQuestions() {
  byId('known').hidden = !questions.length;
  byId('questions').replaceChildren(...questions.map(query => {
    const line = element('li'), button = element('button');
    button.type = 'button'; button.append(element('time', clock(query.time)), element('span', query.asked || 'What happens next?'));
    button.addEventListener('click', () => { pick(query); byId('ask').scrollIntoView({ block: 'nearest' }); });
    line.append(button);
    return line;
  }));
}

// -- keys, buttons, dropping

const KEYS = {
  ' ': () => player.toggle(), ArrowLeft: () => player.seek(player.seconds - 1), ArrowRight: () => player.seek(player.seconds + 1),
  Home: () => player.seek(0), End: () => player.seek(player.end), '/': () => byId('question').focus(),
};
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && event.target === byId('question')) byId('question').blur();
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key] || byId('stage').hidden) return;
  if (event.target.closest('input, select, textarea') || (event.key === ' ' && event.target.closest('button, summary'))) return;
  if (camera.on && event.key !== '/') return;
  event.preventDefault(); KEYS[event.key]();
});
byId('play').addEventListener('click', () => player.toggle());
byId('back').addEventListener('click', () => player.seek(player.seconds - 1));
byId('forward').addEventListener('click', () => player.seek(player.seconds + 1));
byId('mute').addEventListener('click', () => { player.video.muted = !player.video.muted; byId('mute').textContent = player.video.muted ? 'Unmute' : 'Mute'; byId('mute').setAttribute('aria-pressed', player.video.muted); });
byId('form').addEventListener('submit', event => { event.preventDefault(); ask(); });
byId('file').addEventListener('change', () => { take(byId('file').files[0]); byId('file').value = ''; });
byId('camera').addEventListener('click', startCamera);
byId('stop-camera').addEventListener('click', showNothing);
byId('error-close').addEventListener('click', () => showError(null));
byId('choice').addEventListener('change', () => {
  const facts = [...start.uploads, ...start.videos].find(video => video.id === byId('choice').value);
  if (facts) show(facts); else showNothing();
});
byId('remove').addEventListener('click', async () => {
  const id = shown.id;
  start.uploads = start.uploads.filter(video => video.id !== id); showNothing(); fillChoice();
  try { await call(`/api/videos/${id}`, { method: 'DELETE' }); } catch (error) { showError(error); }
});
let inside = 0;
const hasFile = event => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
addEventListener('dragenter', event => { if (hasFile(event)) { inside++; byId('drop').hidden = false; } });
addEventListener('dragleave', event => { if (hasFile(event) && --inside <= 0) { inside = 0; byId('drop').hidden = true; } });
addEventListener('dragover', event => { if (hasFile(event)) event.preventDefault(); });
addEventListener('drop', event => { if (!hasFile(event)) return; event.preventDefault(); inside = 0; byId('drop').hidden = true; take(event.dataTransfer.files[0]); });

async function begin() {
  start = await call('/api/start');
  byId('models').textContent = names().join(', ');
  makeKinds(); fillChoice();
  byId('examples').replaceChildren(...start.examples.map(text => new Option(text)));
  byId('vocabulary').hidden = !start.words.length; byId('words').textContent = start.words.join(' ');
  const facts = [...start.uploads, ...start.videos].find(video => video.id === location.hash.slice(1));
  if (facts) await show(facts);
}
begin().catch(showError);
