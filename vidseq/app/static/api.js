// What the server is asked. An error of the server is an Error with its line.
export async function call(address, options = {}) {
  let answer;
  try { answer = await fetch(address, options); }
  catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The app does not answer. Look whether it still runs.');
  }
  const text = await answer.text();
  let values = null;
  try { values = text ? JSON.parse(text) : null; } catch { values = null; }
  if (!answer.ok) throw new Error((values && values.error) || text.slice(0, 300) || `The app answered ${answer.status}.`);
  return values;
}

export const send = (address, values, signal) => call(address, { method: 'POST', body: JSON.stringify(values), headers: { 'Content-Type': 'application/json' }, signal });

// Sends a file, and says how much of it is there. `fetch` cannot say that.
export function upload(file, moved) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/videos?name=${encodeURIComponent(file.name.slice(0, 200))}`);
    request.upload.onprogress = event => moved(event.loaded, event.total);
    request.onload = () => {
      let values = {};
      try { values = JSON.parse(request.responseText); } catch { values = {}; }
      if (request.status === 201) resolve(values);
      else reject(new Error(values.error || request.responseText.slice(0, 300) || `The app answered ${request.status}.`));
    };
    request.onerror = () => reject(new Error('The upload stopped. The file may be too large, or the app has ended.'));
    request.send(file);
  });
}
