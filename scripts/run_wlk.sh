#!/usr/bin/env bash
# Start, or restart, the service with a model; from any folder.
usage() {
    cat <<'TEXT'
Usage: run_wlk.sh MODEL [-f] [--gpu N|all|none] [--lan LANGUAGE] [--port PORT] [--models DIR]

  MODEL          base, small, medium or large-v3
  -f             in the foreground, to see what is wrong; Ctrl-C ends it
  --gpu N        use GPU number N (see nvidia-smi); all: any; none: the processor
                 (default: as /etc/wlkd.yaml says)
  --lan CODE     language: auto, en, zh, … (default: as /etc/wlkd.yaml says)
  --port PORT    port of the page and the WebSocket (default: as /etc/wlkd.yaml says, 7100)
  --models DIR   folder of the models (default: as /etc/wlkd.yaml says, /data/whisper_models)

The choice is kept in /etc/wlkd/run_wlk.env, over /etc/wlkd.yaml, until the next call; `rm` that file, and
`systemctl restart wlkd`, to go back to /etc/wlkd.yaml alone.
TEXT
}
set -euo pipefail

fail() { echo "run_wlk.sh: $1" >&2; exit "${2:-1}"; }

model='' foreground='' gpu='' language='' port='' models=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        -f) foreground=1; shift ;;
        --gpu | --lan | --port | --models)
            [ $# -ge 2 ] || fail "$1 needs a value" 64
            case $1 in
                --gpu) gpu=$2 ;;
                --lan) language=$2 ;;
                --port) port=$2 ;;
                --models) models=$2 ;;
            esac
            shift 2 ;;
        --gpus | --gpus=*)
            # Docker's option, which stood in the script of the former image: all, 2, "device=2" with its quotes.
            device=$1
            [ "$1" != --gpus ] || device=${2-}
            device=$(tr -d \"\' <<<"${device##*=}")
            fail "--gpus is an option of docker; write --gpu ${device:-N}" 64 ;;
        base | small | medium | large-v3)
            [ -z "$model" ] || fail "one model, not two: $model and $1" 64
            model=$1; shift ;;
        *) usage >&2; fail "unknown argument $1; MODEL is one of base, small, medium, large-v3" 64 ;;
    esac
done
[ -n "$model" ] || { usage >&2; exit 64; }
case $gpu in '' | all | none) ;; *[!0-9]*) fail "--gpu takes a number, all or none, not $gpu" 64 ;; esac
case $port in *[!0-9]*) fail "--port takes a number, not $port" 64 ;; esac
case $language in
    *[!a-z]*)
        code=$(tr '[:upper:]' '[:lower:]' <<<"${language%%[-_]*}") script=''
        case $language in
            zh?TW | zh?Hant) script=traditional ;;
            zh?HK | zh?MO) script=traditional_hk ;;
        esac
        case $code in
            [a-z][a-z] | [a-z][a-z][a-z])
                fail "--lan takes auto or a code like en, not $language; write --lan $code${script:+, and for these\
 characters \`recognition: {chinese_script: $script\}\` in /etc/wlkd.yaml}" 64 ;;
        esac
        fail "--lan takes auto or a code like en, not $language" 64 ;;
esac

here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
program=''
for folder in "$here" /opt/wlkd/bin "$here/../.venv/bin"; do
    if [ -f "$folder/wlkd" ] && [ -x "$folder/wlkd" ]; then
        program=$folder/wlkd
        break
    fi
done
[ -n "$program" ] || fail "wlkd is not installed: run scripts/install.sh" 69

configuration=/etc/wlkd.yaml
# In a checkout without an installation, the foreground takes the configuration of the checkout.
if [ -n "$foreground" ] && [ ! -f "$configuration" ] && [ -f "$here/../etc/wlkd.yaml" ]; then
    configuration=$here/../etc/wlkd.yaml
fi
if [ -z "$models" ] && [ -f "$configuration" ]; then
    models=$("$program" check --config "$configuration" --get models_dir) || fail "$configuration cannot be used" 78
fi
models=${models:-/data/whisper_models}
case $models in *[!A-Za-z0-9/._-]*) fail "$models: the folder's name may have letters, digits and ._- only" 64 ;; esac
encoder=$models/faster-whisper-$model decoder=$models/pytorch-whisper-$model
missing=()
[ -e "$encoder/model.bin" ] || missing+=("$encoder")
[ -e "$decoder/$model.pt" ] || missing+=("$decoder")
if [ ${#missing[@]} -gt 0 ]; then
    # A copy of this script may be anywhere; those two are beside the program then.
    [ -e "$here/download_models.sh" ] || here=$(dirname "$program")
    echo "run_wlk.sh: the model $model is not complete in $models. Missing: ${missing[*]}" >&2
    echo "Copy both folders there, from another server: faster-whisper-$model and pytorch-whisper-$model" >&2
    echo "or fetch them: $here/download_models.sh $model --models $models" >&2
    echo "          and: $here/download_decoder_pt.sh $model --models $models" >&2
    exit 66
fi

options=(--set "backend.options.model=$model" --set "models_dir=$models")
case $gpu in
    '') ;;
    none) options+=(--set backend.options.device=cpu) ;;
    all) options+=(--set backend.options.device=cuda) ;;
    *) options+=(--set backend.options.device=cuda --set "backend.options.device_index=$gpu") ;;
esac
[ -z "$language" ] || options+=(--set "recognition.language=$language")
[ -z "$port" ] || options+=(--set "server.port=$port")

# As the account of the service where that is possible, so that a file it may not read shows here too, and with the
# secrets that systemd would lend it.
run_in_foreground() {
    local as=() secrets='' status=0
    "$program" check --config "$configuration" "${options[@]}" --no-host >/dev/null || exit $?
    if [ "$(id -u)" = 0 ] && id -u wlkd >/dev/null 2>&1; then
        as=(setpriv --reuid=wlkd --regid=wlkd --init-groups)
        secrets=$(mktemp -d)
        trap 'rm -rf "$secrets"' EXIT
        for secret in /etc/credstore/wlkd.*; do
            [ ! -f "$secret" ] || install -m 400 -o wlkd "$secret" "$secrets"
        done
        chown wlkd "$secrets"
        export CREDENTIALS_DIRECTORY=$secrets
    fi
    if [ -d /run/systemd/system ] && systemctl --quiet is-active wlkd; then
        echo "run_wlk.sh: stopping the service; systemctl start wlkd brings it back" >&2
        systemctl stop wlkd
    fi
    # Ctrl-C reaches the daemon too, which drains; this shell waits for it and takes the secrets away.
    trap : INT
    ${as[@]+"${as[@]}"} "$program" run --config "$configuration" "${options[@]}" --set log_level=debug || status=$?
    exit $status
}

restart_service() {
    local file=/etc/wlkd/run_wlk.env dropin=/etc/systemd/system/wlkd.service.d/gpu.conf
    [ -d /run/systemd/system ] || fail "systemd is not running here; -f runs in the foreground" 69
    [ "$(id -u)" = 0 ] || fail "must run as root to start the service; -f runs in the foreground" 77
    case $gpu in
        '') ;;
        none) rm -f "$dropin" ;;
        *) install -D -m 644 "$(dirname "$program")/../share/wlkd/gpu.conf" "$dropin" ;;
    esac
    install -d /etc/wlkd
    echo "WLKD_OPTIONS=${options[*]}" >"$file"
    systemctl daemon-reload
    systemctl reset-failed wlkd 2>/dev/null || true
    if ! systemctl restart wlkd; then
        journalctl --no-pager -o cat -u wlkd -n 20 >&2
        fail "the service did not start; with -f you see it happen"
    fi
    systemctl status --no-pager --lines=0 wlkd
}

if [ -n "$foreground" ]; then
    run_in_foreground
else
    restart_service
fi
