/**
 * Sent with every answer. xterm.js writes its styles with `style` attributes and elements at run time, which no nonce
 * can cover, hence 'unsafe-inline' for styles alone; scripts come from our own files only.
 */
export const SECURITY_HEADERS = {
  "content-security-policy": [
    "default-src 'none'",
    // The player of recordings is WebAssembly, compiled from bytes in its own script; eval() of text stays forbidden.
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
} as const;

/** A guest's file is never a page of ours, whatever its bytes say. */
export const GUEST_FILE_HEADERS = {
  "content-security-policy": "sandbox; default-src 'none'",
  "content-disposition": "attachment",
  "cache-control": "no-store",
} as const;

/**
 * At the public URL alone, for a year: browsers then ask for it with TLS only. Not for names below it, which may be others' (RFC 6797).
 */
export const HSTS_HEADERS = { "strict-transport-security": "max-age=31536000" } as const;
