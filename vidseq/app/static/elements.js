// Small parts that all of the page uses.
export const byId = id => document.getElementById(id);
export function element(tag, text = '', kind = '') {
  const made = document.createElement(tag);
  made.textContent = text; if (kind) made.className = kind;
  return made;
}
export const percent = value => `${Math.round(100 * value)}%`;
export const words = label => label.replaceAll('_', ' ');
// A text that keeps its direction to itself, within a longer one.
export const own = text => `\u2068${text}\u2069`;
export function bar(share) {
  const made = element('span', '', 'bar'), filled = element('b');
  filled.style.width = percent(Math.min(1, Math.max(0, share))); made.append(filled);
  return made;
}
export function showError(error) {
  if (error && error.name === 'AbortError') return;
  byId('error-text').textContent = error ? error.message || String(error) : '';
  byId('error').hidden = !error;
}
