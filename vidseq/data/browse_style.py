"""How the page of `browse` looks, and what it does when pointed at."""

STYLE = """
:root { --ink: #1d232b; --quiet: #5d6773; --paper: #f5f6f8; --card: #fff; --line: #dde1e6; --row: #eef0f3;
  --accent: #0072b2; --evidence: #e69f00; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --quiet: #9aa4b1; --paper: #14181d; --card: #1d232b;
  --line: #333c47; --row: #283039; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1260px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0 0 8px; }
header p { margin: 2px 0; } .quiet, small { color: var(--quiet); } .warning { color: #d55e00; font-weight: 600; }
.badge, .split { font-size: 12px; font-weight: 600; padding: 2px 9px; border-radius: 10px; vertical-align: 2px;
  background: var(--row); color: var(--quiet); }
.badge.symbolic { background: #d55e00; color: #fff; }
.cards { display: flex; flex-wrap: wrap; gap: 14px; margin: 18px 0; align-items: stretch; }
.card, .video { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.card { flex: 1 1 280px; } .card.wide { flex: 2 1 420px; } .scroll { max-height: 250px; overflow: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--quiet); font-weight: 600; border-bottom: 1px solid var(--line); }
th, td { padding: 4px 12px 4px 0; vertical-align: top; }
ul.labels { list-style: none; margin: 0; padding: 0; columns: 260px; column-gap: 26px; font-size: 13.5px; }
ul.labels li { display: flex; align-items: center; gap: 7px; break-inside: avoid; padding: 1px 0; }
.label { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.swatch { flex: none; } .bar { height: 7px; border-radius: 3px; background: var(--accent); opacity: .55; }
.count { min-width: 44px; text-align: right; color: var(--quiet); font-variant-numeric: tabular-nums; }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px; align-items: center;
  padding: 10px 0; background: var(--paper); }
nav input { flex: 1 1 260px; } nav input, nav button { font: inherit; padding: 6px 11px; border-radius: 8px;
  border: 1px solid var(--line); background: var(--card); color: var(--ink); }
nav button { cursor: pointer; } nav button.on { background: var(--accent); border-color: var(--accent); color: #fff; }
#found { color: var(--quiet); min-width: 90px; text-align: right; }
.video { margin: 14px 0; } .video h2 .quiet { font-weight: 400; font-size: 13.5px; margin-left: 10px; }
.video.away { display: none; }
svg.timeline { width: 100%; height: auto; display: block; font: 11.5px system-ui, sans-serif; }
svg .row { fill: var(--row); } svg .name, svg text.tick { fill: var(--quiet); } svg line.tick { stroke: var(--quiet); }
svg text.light { fill: #fff; } svg text.dark { fill: #16202a; } svg text { pointer-events: none; }
svg .query { fill: var(--accent); stroke: var(--card); cursor: pointer; } svg .query.next_action { fill: var(--ink); }
svg .evidence { opacity: 0; pointer-events: none; } svg .evidence rect { fill: var(--evidence); opacity: .38; }
svg .evidence line { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 2; }
svg .query.lit .evidence { opacity: 1; }
details { margin-top: 6px; } summary { cursor: pointer; color: var(--quiet); font-size: 13.5px; }
table.queries { margin-top: 6px; } table.queries small { display: block; }
table.queries tbody tr { border-top: 1px solid var(--line); } tr.lit { background: var(--row); }
table.queries td:first-child, table.queries th:first-child { padding-left: 8px; white-space: nowrap; }
"""

SCRIPT = """
const videos = [...document.querySelectorAll('.video')], search = document.querySelector('nav input');
const words = videos.map(video => video.textContent.toLowerCase());
let split = '';
function show() {
  const wanted = search.value.toLowerCase().trim();
  let found = 0;
  videos.forEach((video, i) => {
    const here = (!split || video.dataset.split === split) && words[i].includes(wanted);
    video.classList.toggle('away', !here);
    found += here;
  });
  document.getElementById('found').textContent = found + (found === 1 ? ' video' : ' videos');
}
search.addEventListener('input', show);
document.querySelectorAll('nav button').forEach(button => button.addEventListener('click', () => {
  split = button.dataset.split;
  document.querySelectorAll('nav button').forEach(other => other.classList.toggle('on', other === button));
  show();
}));
function light(event, on) {
  const item = event.target.closest('[data-query]');
  if (!item) return;
  item.closest('.video').querySelectorAll(`[data-query="${item.dataset.query}"]`)
    .forEach(same => same.classList.toggle('lit', on));
}
document.addEventListener('mouseover', event => light(event, true));
document.addEventListener('mouseout', event => light(event, false));
document.addEventListener('click', event => {
  const mark = event.target.closest('svg [data-query]');
  if (!mark) return;
  const video = mark.closest('.video'), row = video.querySelector(`tr[data-query="${mark.dataset.query}"]`);
  video.querySelector('details').open = true;
  if (row) row.scrollIntoView({ block: 'center', behavior: 'smooth' });
});
show();
"""
