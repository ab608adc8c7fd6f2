// Where the keyboard is when what it was on goes away: without this, at the top of the page again.

/** Call before `element` is hidden or disabled: if the focus is on it, or in it, the transcript gets it. */
export function focusTranscript(element) {
  if (element.contains(document.activeElement)) document.getElementById("scroller").focus();
}
