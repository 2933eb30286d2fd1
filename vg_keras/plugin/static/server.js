// The requests to the plugin's server; see http_api.md.

/** Returns the answer to a request. Throws an Error with the server's reason if it is refused. */
async function get(route, parameters, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) {
      [value].flat().forEach((each) => query.append(name, each));
    }
  }
  const response = await fetch(`${route}?${query}`, {signal});
  const answer = await response.json().catch(() => ({error: response.statusText}));
  if (!response.ok) {
    throw new Error(answer.error);
  }
  return answer;
}

export const fetchRuns = () => get('runs', {});
export const fetchFlow = (parameters, signal) => get('flow', parameters, signal);
export const fetchHistogram = (parameters, signal) => get('histogram', parameters, signal);
