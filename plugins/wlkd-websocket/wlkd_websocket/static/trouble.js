// What a lost connection means: whether another attempt makes sense, when, and in whose words it is explained.

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 10;

// The server, or the browser, means it: the same request would be refused again.
const FINAL_CODES = ["bad_request", "unauthorized", "undecodable_audio", "forbidden_origin", "insecure"];
const KINDS = {
  server_full: "full",
  draining: "draining",
  moving: "draining",
  unauthorized: "unauthorized",
  insecure: "insecureServer",
};

/**
 * `reason` is what `Connection` says, `attempts` how many were made in vain before, `served` whether one ever worked.
 * Answers `{kind, message, seconds}`: the explanation, and when to try again; `seconds` is null where that is no use.
 */
export function trouble(reason, attempts, served) {
  const message = reason?.message;
  if (FINAL_CODES.includes(reason?.code)) return { kind: KINDS[reason.code] ?? "refused", message, seconds: null };
  const kind = KINDS[reason?.code] ?? (reason ? "failed" : served ? "lost" : "unreachable");
  // A server that cannot resume is there, and is asked without the continuation next.
  const atOnce = reason?.code === "cannot_resume" || (reason?.code === "moving" && attempts === 0);
  if (atOnce) return { kind, message, seconds: 0 };
  // Not all at the same moment: a server that returns would meet all its clients at once.
  const wait = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** attempts) * (0.5 + Math.random() / 2);
  const seconds = reason?.retryAfter ?? wait;
  return { kind, message, seconds };
}
