/** Hand a file to the browser, which asks or puts it among the downloads; nothing is sent. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken its copy by the time of the next task but one; the page then lets go of it.
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
