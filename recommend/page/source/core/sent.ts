/**
 * How much left this device, counted and not asserted.
 *
 * Three counters meet here: the adviser's own (`/status`), what this browser reports of every request that the
 * page made (Resource Timing, names of another origin), and what the page's policy refused (CSP reports).
 */

export interface Traffic {
  /** Requests to this device, and the bytes that they brought. */
  local: number;
  localBytes: number;
  /** Requests to anywhere else. A browser may hide their size, so they are counted too. */
  remote: number;
  remoteBytes: number;
  refused: string[];
}

export const NO_TRAFFIC: Traffic = { local: 0, localBytes: 0, remote: 0, remoteBytes: 0, refused: [] };

export function isLocal(address: string, origin: string): boolean {
  try {
    const url = new URL(address, origin);
    return url.origin === origin || url.protocol === "blob:" || url.protocol === "data:";
  } catch {
    return false;
  }
}

interface Entry {
  name: string;
  transferSize: number;
  encodedBodySize: number;
}

export function counted(before: Traffic, entries: readonly Entry[], origin: string): Traffic {
  const after = { ...before };
  for (const entry of entries) {
    const bytes = Math.max(entry.transferSize, entry.encodedBodySize);
    if (isLocal(entry.name, origin)) {
      after.local += 1;
      after.localBytes += bytes;
    } else {
      after.remote += 1;
      after.remoteBytes += bytes;
    }
  }
  return after;
}

/** Watch until the returned function is called; entries from before the page's script are included. */
export function watchTraffic(report: (traffic: Traffic) => void): () => void {
  let traffic = NO_TRAFFIC;
  const observer = new PerformanceObserver((list) => {
    traffic = counted(traffic, list.getEntries() as PerformanceResourceTiming[], window.location.origin);
    report(traffic);
  });
  observer.observe({ type: "resource", buffered: true });
  const onRefused = (event: SecurityPolicyViolationEvent) => {
    traffic = { ...traffic, refused: [...traffic.refused, `${event.effectiveDirective}: ${event.blockedURI}`] };
    report(traffic);
  };
  document.addEventListener("securitypolicyviolation", onRefused);
  return () => {
    observer.disconnect();
    document.removeEventListener("securitypolicyviolation", onRefused);
  };
}
