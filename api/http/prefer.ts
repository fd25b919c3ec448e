// The Prefer header (RFC 7240), as far as it means something here.

export interface Preferences {
  respondAsync: boolean;
  /** null = no waiting. */
  waitSeconds: number | null;
}

export const MAX_WAIT_SECONDS = 25;

export function prefers(header: string | undefined): Preferences {
  const preferences: Preferences = { respondAsync: false, waitSeconds: null };
  for (const part of (header ?? '').split(/[,;]/)) {
    const [name, value] = part
      .trim()
      .toLowerCase()
      .split(/\s*=\s*/);
    if (name === 'respond-async') preferences.respondAsync = true;
    // What cannot be understood is ignored, as the RFC says of preferences.
    if (name === 'wait' && /^\d{1,4}$/.test(value ?? '')) preferences.waitSeconds = Math.min(Number(value), MAX_WAIT_SECONDS);
  }
  return preferences;
}
