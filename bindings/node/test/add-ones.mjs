/** Adds ones to a field of a run; how often it had to begin anew. */
export async function addOnes(store, runId, howMany) {
  let anew = 0;
  for (let done = 0; done < howMany; ) {
    try {
      await store.update(runId, (document) => ({ ...document, total: (document.total ?? 0) + 1 }));
      done += 1;
    } catch (error) {
      // No function runs under the lock, so others may come between again and again.
      if (error.code !== 'E_LOCK_TIMEOUT' || !error.retryable) throw error;
      anew += 1;
    }
  }
  return anew;
}
