#!/bin/sh
# Fetches decoders (pytorch-whisper-SIZE) into the current directory, or --models DIR.
set -eu

usage() {
    echo "usage: $(basename "$0") all|base|small|medium|large-v3 [--models DIR]"
    echo "Their encoders: download_models.sh SIZE"
}

find_wlkd() {
    for candidate in "$(command -v wlkd || true)" "$(dirname "$0")/../.venv/bin/wlkd" /opt/wlkd/bin/wlkd; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    echo "wlkd is not installed: run scripts/install.sh, or scripts/run --setup in a checkout" >&2
    exit 69
}

case "${1:-}" in
    all) sizes="base small medium large-v3" ;;
    base | small | medium | large-v3) sizes=$1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
esac
shift
into=.
case "${1:-}" in
    --models | --into)
        [ "$1" = --models ] || echo "$0: --into is called --models now" >&2
        into=${2:?"--models needs a folder"} ;;
    "") ;;
    *) usage >&2; exit 64 ;;
esac

wlkd=$(find_wlkd)
# Unquoted on purpose: one argument per size.
# shellcheck disable=SC2086
exec "$wlkd" models get $sizes --decoder-only --models "$into"
