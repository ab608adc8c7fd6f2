# Sourced by every script that runs in the container.
# A copy, not a mount: uninstalling removes it.
cp -a /out/prefix /opt/wlkd
export PATH=/opt/wlkd/bin:$PATH SYSTEMD_PAGER='' SYSTEMD_COLORS=0 HOME=/root
trap 'echo "FAILED in line $LINENO: $BASH_COMMAND"; systemctl status --no-pager -l wlkd || true
      journalctl --no-pager -o cat -n 60 -u "wlkd*" || true' ERR

fail() { echo "FAILED: $*"; journalctl --no-pager -o cat -n 60 -u "wlkd*"; exit 1; }

install_wlkd() { bash /opt/src/scripts/install.sh --units-only "$@"; }

# configure YAML: the scripted backend for everything that YAML does not say.
configure() {
    printf '%s\n' "models_dir: /data/whisper_models" "decoders: {pcm: {}}" "vad: {name: none}" \
        "transports: {websocket: {input: pcm}}" "$1" >"${2:-/etc/wlkd.yaml}"
}

# tune UNIT LINES: a drop-in with lines for [Service].
tune() {
    mkdir -p "/etc/systemd/system/$1.d"
    printf '[Service]\n%s\n' "$2" >"/etc/systemd/system/$1.d/test.conf"
    systemctl daemon-reload
}

property() { systemctl show --value --property "$1" "${2:-wlkd}"; }

# within SECONDS COMMAND...: wait until the command succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || { echo "not within the time: $*"; return 1; }
        sleep 0.2
    done
}

journal() { journalctl --no-pager -o cat -u "${1:-wlkd}"; }
said() { journal "${2:-wlkd}" | grep -q -- "$1"; }
status_says() { property StatusText | grep -q -- "$1"; }
http() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:${2:-7100}$1" || true; }
stream() { /opt/wlkd/bin/python /opt/src/tests/systemd/stream.py "$@"; }
answers() { [ "$(http "$1")" = "$2" ]; }
