// Finds videos, shows one split, and lights up a query with its evidence when it is pointed at or has the focus.
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
  document.querySelectorAll('nav button').forEach(other => {
    other.classList.toggle('on', other === button);
    other.setAttribute('aria-pressed', other === button);
  });
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
document.addEventListener('focusin', event => light(event, true));
document.addEventListener('focusout', event => light(event, false));
document.addEventListener('click', event => {
  const mark = event.target.closest('svg [data-query]');
  if (!mark) return;
  const video = mark.closest('.video'), row = video.querySelector(`tr[data-query="${mark.dataset.query}"]`);
  video.querySelector('details').open = true;
  if (row) row.scrollIntoView({ block: 'center', behavior: 'smooth' });
});
show();
