#!/usr/bin/env bash
# Remove what install.sh installed. /etc/wlkd.yaml, /etc/wlkd, changes made with `systemctl edit` and the models stay.
usage() {
    cat <<'TEXT'
Usage: scripts/uninstall.sh [--prefix DIR] [--purge]

  --prefix DIR   where the program is (default: /opt/wlkd)
  --purge        remove /etc/wlkd.yaml, /etc/wlkd and what `systemctl edit` made of the units too
TEXT
}
set -euo pipefail

prefix=/opt/wlkd purge=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --purge) purge=1; shift ;;
        --prefix)
            [ $# -ge 2 ] || { echo "uninstall.sh: $1 needs a value" >&2; exit 2; }
            prefix=$2; shift 2 ;;
        *) echo "uninstall.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
done
[ "$(id -u)" = 0 ] || { echo "uninstall.sh: must run as root" >&2; exit 1; }

units=/etc/systemd/system
if [ -d /run/systemd/system ]; then
    systemctl disable --now wlkd.socket wlkd.service 2>/dev/null || true
    mapfile -t instances < <(systemctl list-units --all --plain --no-legend 'wlkd@*' | cut -d' ' -f1)
    [ ${#instances[@]} = 0 ] || systemctl disable --now "${instances[@]}"
fi
rm -f "$units"/wlkd{.service,@.service,.socket} /etc/{sysusers,tmpfiles}.d/wlkd.conf
kept=(/etc/wlkd.yaml /etc/wlkd)
# All but gpu.conf is the operator's: what `systemctl edit` wrote, for a unit or for an instance such as wlkd@gpu0.
for folder in "$units"/wlkd{,@*}.{service,socket}.d; do
    [ -d "$folder" ] || continue
    rm -f "$folder/gpu.conf"
    if [ -n "$purge" ]; then
        rm -rf "$folder"
    elif ! rmdir "$folder" 2>/dev/null; then
        kept+=("$folder")
    fi
done
[ ! -d /run/systemd/system ] || systemctl daemon-reload
for command in wlkd run_wlk.sh; do
    [ "$(readlink "/usr/local/bin/$command")" != "$prefix/bin/$command" ] || rm "/usr/local/bin/$command"
done
share=$prefix/share/wlkd
if [ ! -e "$prefix" ]; then
    echo "uninstall.sh: nothing is installed in $prefix"
elif [ -e "$share/made-by-install.sh" ] || { [ -e "$share/packages" ] && [ -f "$prefix/pyvenv.cfg" ]; }; then
    # Only what install.sh and its environment put there: somebody may keep files of his own beside it.
    # Some packages bring files for elsewhere, such as a manual page; their records list them, from site-packages on.
    sed -n 's|^\.\./\.\./\.\./\([^.,][^,]*\),.*|\1|p' "$prefix"/lib/python3*/site-packages/*.dist-info/RECORD 2>/dev/null |
        while read -r file; do rm -f "$prefix/$file"; done || true
    rm -rf "$prefix"/{bin,include,lib,lib64,pyvenv.cfg} "$share"
    find "$prefix" -depth -type d -empty -delete
    [ ! -e "$prefix" ] || echo "uninstall.sh: $prefix holds other files and stays: $(ls -A "$prefix")" >&2
else
    echo "uninstall.sh: $prefix was not made by install.sh and stays" >&2
fi
if [ -n "$purge" ]; then
    rm -rf /etc/wlkd.yaml /etc/wlkd.yaml.new /etc/wlkd
else
    echo "kept: $(printf '%s, ' "${kept[@]}")the models and the account wlkd"
fi
