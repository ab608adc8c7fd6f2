// What a lost connection means: whether another attempt makes sense, when, and in whose words it is explained.

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 10;

// The server means it: the same request would be refused again.
const FINAL_CODES = ["bad_request", "unauthorized", "undecodable_audio", "forbidden_origin"];
const KINDS = { server_full: "full", draining: "draining", unauthorized: "unauthorized" };

/**
 * `reason` is what `Connection` says, `attempts` how many were made in vain before, `served` whether one ever worked.
 * Answers `{kind, message, seconds}`: the explanation, and when to try again; `seconds` is null where that is no use.
 */
export function trouble(reason, attempts, served) {
  const message = reason?.message;
  if (FINAL_CODES.includes(reason?.code)) return { kind: KINDS[reason.code] ?? "refused", message, seconds: null };
  const kind = KINDS[reason?.code] ?? (reason ? "failed" : served ? "lost" : "unreachable");
  const seconds = reason?.retryAfter ?? Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** attempts);
  return { kind, message, seconds };
}
