"""A script for pages under test: what the browser has given them to hear is in `window.given`."""

TELL_GIVEN = """
for (const name of ["getUserMedia", "getDisplayMedia"]) {
  const ask = MediaDevices.prototype[name];
  MediaDevices.prototype[name] = async function (...wish) {
    return (window.given = await ask.apply(this, wish));
  };
}
"""
