#!/usr/bin/env bash
# Install wlkd as a systemd service; run it again to update. Running it twice changes nothing.
usage() {
    cat <<'TEXT'
Usage: scripts/install.sh [--prefix DIR] [--model SIZE] [--models DIR] [--units-only]
                          [--offline BUNDLE [--key FILE]]

Makes a virtual environment in the prefix, fetches the model, installs the units, their account and folders, and
/etc/wlkd.yaml. An /etc/wlkd.yaml that somebody has changed is left alone. Afterwards: systemctl enable --now wlkd

  --prefix DIR      where the program goes: an empty folder, or one of an earlier installation (default: /opt/wlkd)
  --model SIZE      tiny, tiny.en, base (default), small, medium, large-v3, large-v3-turbo
  --models DIR      models folder (default: models_dir of an existing /etc/wlkd.yaml, else /data/whisper_models)
  --offline BUNDLE  use no network, but a bundle of scripts/make_bundle.sh, packed or unpacked; the install.sh in an
                    unpacked bundle uses that. It is verified before anything is changed
  --key FILE        refuse a bundle that is not signed with this minisign public key or OpenPGP keyring
  --units-only      leave the virtual environment and the models as they are

Environment: WLKD_TORCH, WLKD_TORCH_INDEX as for scripts/setup; WLKD_MODELS_SOURCE, where to look for models first (see
`wlkd models get --help`); TMPDIR, where a bundle is unpacked (/var/tmp).
TEXT
}
set -euo pipefail
# What the service's account cannot read, the service cannot use.
umask 022

prefix=/opt/wlkd model='' models='' bundle='' key='' units_only=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --units-only) units_only=1; shift ;;
        --prefix | --model | --models | --offline | --key)
            [ $# -ge 2 ] || { echo "install.sh: $1 needs a value" >&2; exit 2; }
            case $1 in
                --prefix) prefix=$2 ;;
                --model) model=$2 ;;
                --models) models=$2 ;;
                --offline) bundle=$2 ;;
                --key) key=$2 ;;
            esac
            shift 2 ;;
        *) echo "install.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
done

fail() { echo "install.sh: $*" >&2; exit 1; }
say() { echo "install.sh: $*"; }

case $prefix$models in *[!A-Za-z0-9/._-]*) fail "folders may have letters, digits and ._- in their names" ;; esac
case $prefix in /*) ;; *) fail "--prefix must begin with /" ;; esac
[ "$(id -u)" = 0 ] || fail "must run as root: it installs a service"

source=$(cd "$(dirname "$0")/.." && pwd)
bundle_py=$source/scripts/bundle.py
if [ -z "$bundle" ] && [ -f "$source/manifest.json" ]; then
    bundle=$source
fi
[ -z "$key" ] || [ -n "$bundle" ] || fail "--key is for a bundle: --offline BUNDLE"
share=$prefix/share/wlkd
written=$share/wlkd.yaml.written
# What was made by this script carries it; nothing is ever removed from a folder without.
mark=$share/made-by-install.sh
units=/etc/systemd/system
changed=''
# Whether there is an NVIDIA GPU, as its driver shows it.
gpu=''
{ [ ! -d /proc/driver/nvidia/gpus ] && [ ! -e /dev/nvidiactl ]; } || gpu=1

# Ours is a folder that is absent or empty, or that carries the mark (before 0.2: the stamp of the packages).
claim_prefix() {
    if [ -e "$mark" ] || [ -e "$share/packages" ]; then
        :
    elif [ -e "$prefix" ] && [ -n "$(ls -A "$prefix" 2>/dev/null)" ]; then
        fail "$prefix holds files that are not wlkd's; choose an empty folder, like --prefix /opt/wlkd. Nothing was changed"
    fi
    mkdir -p "$share"
    [ -e "$mark" ] || echo "Removed as a whole by $share/uninstall.sh; keep nothing of your own in $prefix." >"$mark"
}

# Whether the environment has a Python, and the one that its packages are for. An upgrade of the system may have taken
# it away, and put another in its place.
runs() { [ -d "$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null)" ]; }

# option PATH FILE: a value of a configuration, as the daemon reads it. Empty if there is no file, or no program that
# runs.
option() {
    [ ! -f "$2" ] || ! "$prefix/bin/wlkd" --version >/dev/null 2>&1 || "$prefix/bin/wlkd" check --config "$2" --get "$1"
}

# put MODE FROM TO: a file of ours, written only when it differs.
put() {
    if ! cmp -s "$2" "$3"; then
        install -D -m "$1" "$2" "$3"
        say "wrote $3"
        changed=1
    fi
}

# Python 3.11 or later that the service's account can reach, too: one in a home folder cannot be.
find_python() {
    local name path
    for name in python3.13 python3.12 python3.11 python3; do
        path=$(PATH=/usr/bin:/usr/local/bin command -v "$name") || continue
        case $(readlink -f "$path") in /root/* | /home/*) continue ;; esac
        if "$path" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    fail "needs a Python of 3.11 or later in /usr, with its venv module (Debian: apt install python3-venv)"
}

# Nothing is changed before the whole bundle is verified. From then on the files of the bundle are the source.
open_bundle() {
    local folders
    command -v python3 >/dev/null || fail "needs a Python of 3.11 or later in /usr"
    if [ -f "$bundle" ]; then
        unpacked=$(mktemp -d "${TMPDIR:-/var/tmp}/wlkd-XXXXXX")
        trap 'rm -rf "$unpacked"' EXIT
        say "verifying $bundle"
        python3 "$bundle_py" unpack "$bundle" "$unpacked" ${key:+--key "$key"} || fail "refused $bundle; nothing was changed"
        bundle=$unpacked
    else
        python3 "$bundle_py" verify --here "$bundle" ${key:+--key "$key"} || fail "refused $bundle; nothing was changed"
    fi
    source=$bundle
    folders=("$bundle"/models/faster-whisper-*)
    if [ -n "$model" ]; then
        [ -d "$bundle/models/faster-whisper-$model" ] || [ -d "${models:-/data/whisper_models}/faster-whisper-$model" ] ||
            fail "the model $model is neither in the bundle nor in ${models:-/data/whisper_models}; nothing was changed"
    elif [ -d "${folders[0]}" ] && [ ! -d "$bundle/models/faster-whisper-base" ]; then
        bundled_model=${folders[0]##*/faster-whisper-}
    fi
}

# What the environment was made from: the same again needs no work.
fingerprint() {
    if [ -n "$bundle" ]; then
        sha256sum <"$bundle/manifest.json"
    else
        (cd "$source" && find pyproject.toml wlkd plugins -name tests -prune -o -name '*.egg-info' -prune -o \
            -name build -prune -o -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
    fi | cut -d' ' -f1
}

install_packages() {
    local stamp pip own_pip python torch=${WLKD_TORCH:-torch==2.13.0}
    stamp="$(fingerprint) $torch${gpu:+ with a GPU}"
    if [ "$(cat "$share/packages" 2>/dev/null)" = "$stamp" ] && runs; then
        return
    fi
    # What is cut short from here on is done again.
    rm -f "$share/packages"
    say "installing packages into $prefix (some minutes the first time)"
    if [ -n "$bundle" ]; then
        python=$(python3 "$bundle_py" python "$bundle")
        make_environment "$python" --without-pip
        # From its wheel: without Debian's python3-venv an environment has no pip.
        own_pip=("$bundle"/wheels/pip-*.whl)
        pip=("$prefix/bin/python" "${own_pip[0]}/pip" --isolated install --quiet --no-index)
        pip+=(--disable-pip-version-check --root-user-action ignore --find-links "$bundle/wheels")
        # Ours are named by file and reinstalled: an update may carry the same version number.
        "${pip[@]}" "$bundle"/wheels/*.whl
        "${pip[@]}" --no-deps --force-reinstall "$bundle"/wheels/wlkd*.whl
    else
        if ! runs; then
            python=$(find_python)
            make_environment "$python"
        fi
        # A bundle begins with an environment that has none, and may have come no further.
        "$prefix/bin/python" -m pip --version >/dev/null 2>&1 || "$prefix/bin/python" -m ensurepip >/dev/null ||
            fail "the environment in $prefix has no pip (Debian: apt install python3-venv)"
        # First and pinned: an open requirement for torch brings gigabytes of CUDA libraries.
        fetch ${WLKD_TORCH_INDEX:+--index-url "$WLKD_TORCH_INDEX"} "$torch"
        local copy
        copy=$(mktemp -d)
        # From a copy: building leaves files in the source.
        cp -r "$source"/{pyproject.toml,README.md,LICENSE,NOTICE,wlkd,plugins} "$copy"
        git -C "$source" describe --always --dirty=+ --exclude='*' >"$copy/wlkd/COMMIT" 2>/dev/null ||
            rm -f "$copy/wlkd/COMMIT"
        fetch "$copy" "$copy"/plugins/*/
        ! uses_gpu || fetch "$copy/plugins/wlkd-simulstreaming[cuda]"
        fetch --no-deps --force-reinstall "$copy" "$copy"/plugins/*/
        rm -rf "$copy"
    fi
    mkdir -p "$share"
    echo "$stamp" >"$share/packages"
    changed=1
}

# fetch REQUIREMENT...: from the package index, or wherever pip is told to look.
fetch() {
    "$prefix/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip failed; a machine without internet needs a bundle: --offline BUNDLE"
}

# Whether there is a GPU and a PyTorch that can use it.
uses_gpu() {
    [ -n "$gpu" ] && "$prefix/bin/python" -c 'import sys, torch; sys.exit(torch.version.cuda is None)'
}

# make_environment PYTHON [OPTION]: an environment of that Python; one of another, or of none any more, is replaced.
make_environment() {
    ! runs || [ ! "$prefix/bin/python" -ef "$1" ] || return 0
    if [ -e "$prefix/bin" ]; then
        say "replacing the environment in $prefix, which is not of $1; plugins of others have to be installed again"
        # venv does not mend links that lead nowhere. What else was in bin/ is written again below.
        rm -rf "$prefix"/{bin,include,lib,lib64,pyvenv.cfg}
    fi
    "$1" -m venv "${@:2}" "$prefix"
}

install_model() {
    if [ -n "$bundle" ]; then
        local file
        while IFS= read -r -d '' file; do
            put 644 "$file" "$models/${file#"$bundle/models/"}"
        done < <(find "$bundle/models" -type f -print0 2>/dev/null)
    else
        "$prefix/bin/wlkd" models get "$model" --models "$models"
    fi
}

# The model asked for, else that of the last time.
choose_model() {
    [ -n "$model" ] || model=$(option backend.options.model "$written")
}

# The shipped file, for this model and folder. What we wrote is remembered, to tell whether somebody changed it.
install_configuration() {
    local new=$share/wlkd.yaml.new
    sed -e "s|^models_dir: .*|models_dir: $models|" -e "/^backend:/,\$s|^    model: .*|    model: $model|" \
        "$source/etc/wlkd.yaml" >"$new"
    if [ ! -e /etc/wlkd.yaml ] || cmp -s /etc/wlkd.yaml "$written"; then
        put 644 "$new" /etc/wlkd.yaml
        cp "$new" "$written"
    elif ! cmp -s "$new" "$written"; then
        put 644 "$new" /etc/wlkd.yaml.new
        say "/etc/wlkd.yaml was changed here and stays; the new defaults are in /etc/wlkd.yaml.new"
        cp "$new" "$written"
    fi
    rm "$new"
}

install_units() {
    local unit page place pages=0
    # Only at first: whoever takes it away has a reason.
    if [ ! -e "$units/wlkd.service" ] && uses_gpu; then
        put 644 "$source/systemd/gpu.conf" "$units/wlkd.service.d/gpu.conf"
    fi
    place=$(mktemp)
    for unit in wlkd.service wlkd@.service wlkd.socket; do
        sed "s|/opt/wlkd/|$prefix/|g" "$source/systemd/$unit" >"$place"
        put 644 "$place" "$units/$unit"
    done
    rm "$place"
    put 644 "$source/systemd/sysusers.conf" /etc/sysusers.d/wlkd.conf
    put 644 "$source/systemd/tmpfiles.conf" /etc/tmpfiles.d/wlkd.conf
    systemd-sysusers /etc/sysusers.d/wlkd.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/wlkd.conf
    put 644 "$source/systemd/gpu.conf" "$share/gpu.conf"
    for page in "$source"/docs/*; do
        cmp -s "$page" "$share/docs/${page##*/}" && continue
        install -D -m 644 "$page" "$share/docs/${page##*/}"
        pages=$((pages + 1)) changed=1
    done
    [ $pages = 0 ] || say "wrote $pages files into $share/docs"
    for unit in run_wlk.sh download_models.sh download_decoder_pt.sh; do
        put 755 "$source/scripts/$unit" "$prefix/bin/$unit"
    done
    put 755 "$source/scripts/uninstall.sh" "$share/uninstall.sh"
    for unit in wlkd run_wlk.sh; do
        if [ ! -e "/usr/local/bin/$unit" ]; then
            mkdir -p /usr/local/bin 2>/dev/null && ln -s "$prefix/bin/$unit" "/usr/local/bin/$unit" 2>/dev/null ||
                say "could not make /usr/local/bin/$unit; the command is $prefix/bin/$unit"
        fi
    done
    if [ -n "$changed" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
}

choose_models() {
    [ -n "$models" ] || models=$(option models_dir /etc/wlkd.yaml) ||
        fail "mend /etc/wlkd.yaml, or name the models folder: --models DIR"
}

choose_models
if [ -n "$units_only" ]; then
    "$prefix/bin/wlkd" --version >/dev/null || fail "$prefix/bin/wlkd does not run; leave --units-only out"
    mkdir -p "$share"
else
    [ -z "$bundle" ] || open_bundle
    claim_prefix
fi
choose_model
if [ -z "$units_only" ]; then
    install_packages
    # Configurations that outlived their program can be read now.
    choose_models
    choose_model
fi
models=${models:-/data/whisper_models}
model=${model:-${bundled_model:-base}}
[ -n "$units_only" ] || install_model
install_units
install_configuration
"$prefix/bin/wlkd" check --config /etc/wlkd.yaml ${units_only:+--no-host}
if [ -e /dev/nvidiactl ] && [ ! -e $units/wlkd.service.d/gpu.conf ]; then
    say "there is an NVIDIA GPU, and the service may not use it: see GPUs in $share/docs/operations.md"
fi
if [ -z "$changed" ]; then
    say "nothing to do"
elif systemctl --quiet is-active wlkd 2>/dev/null; then
    say "done; systemctl restart wlkd uses the new version"
else
    say "done; systemctl enable --now wlkd starts it"
fi
