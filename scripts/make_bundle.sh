#!/usr/bin/env bash
# Pack everything that a machine without internet needs into one file, for scripts/install.sh --offline.
usage() {
    cat <<'TEXT'
Usage: scripts/make_bundle.sh [--model NAME]… [--out FILE] [--python 3.N] [--arch ARCH] [--cuda]
                              [--minisign SECRET_KEY | --gpg KEY_ID]

The bundle holds wheels of wlkd, its plugins and everything they need, models, units, scripts, documentation, and a
manifest with the SHA-256 of each file. FILE.sha256 is written beside it, and the signature, if one is asked for.

  --model NAME     any that `wlkd models get` fetches: tiny, tiny.en, base, small, medium, large-v3, large-v3-turbo;
                   campplus and pyannote-segmentation to tell speakers apart; may be repeated (default: base)
  --no-models      only the program, e.g. to update a machine that has its models
  --out FILE       default: wlkd-offline.tar
  --python 3.N     Python of the target: 3.11 for Debian 12, 3.12 for Ubuntu 24.04, 3.13 for Debian 13
                   (default: the one here)
  --arch ARCH      x86_64 or aarch64 (default: the one here)
  --cuda           with PyTorch for NVIDIA GPUs and the CUDA libraries; several GB. Without it: for the CPU
  --minisign FILE  sign with this minisign secret key: FILE.minisig
  --gpg KEY_ID     sign with this key of gpg's: FILE.sig

Environment:
  WLKD_MODELS_DIR    folder where models are, or are fetched to (default: models/ here)
  WLKD_TORCH         the PyTorch to pack (default: torch==2.13.0, for the CPU torch==2.13.0+cpu)
  WLKD_TORCH_INDEX   package index to take PyTorch from; https://download.pytorch.org/whl/cpu: without CUDA
  WLKD_MODELS_SOURCE where to look for models first; see `wlkd models get --help`
TEXT
}
set -euo pipefail

fail() { echo "make_bundle.sh: $*" >&2; exit 1; }
say() { echo "make_bundle.sh: $*" >&2; }

names=() no_models='' out=wlkd-offline.tar python='' arch=$(uname -m) accelerator=cpu minisign='' gpg=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --cuda) accelerator=cuda; shift ;;
        --no-models) no_models=1; shift ;;
        --model | --out | --python | --arch | --minisign | --gpg)
            [ $# -ge 2 ] || { echo "make_bundle.sh: $1 needs a value" >&2; exit 2; }
            case $1 in
                --model) names+=("$2") ;;
                --out) out=$2 ;;
                --python) python=$2 ;;
                --arch) arch=$2 ;;
                --minisign) minisign=$(realpath -e -- "$2") ;;
                --gpg) gpg=$2 ;;
            esac
            shift 2 ;;
        *) echo "make_bundle.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
done
case $python in '' | 3.1[1-9]) ;; *) fail "--python takes 3.11 or later, not $python" ;; esac
case $arch in x86_64 | aarch64) ;; *) fail "--arch takes x86_64 or aarch64, not $arch" ;; esac
[ -z "$minisign" ] || [ -z "$gpg" ] || fail "one signature, not two: --minisign or --gpg"
# What would be missed after an hour's download is looked at first.
[ -z "$minisign" ] || command -v minisign >/dev/null || fail "minisign is not installed (Debian: apt install minisign)"
[ -z "$gpg" ] || gpg --list-secret-keys "$gpg" >/dev/null 2>&1 || fail "gpg has no secret key $gpg"
mkdir -p "$(dirname "$out")"
out=$(realpath -- "$out")
[ ${#names[@]} -gt 0 ] || names=(base)
[ -z "$no_models" ] || names=()

cd "$(dirname "$0")/.."
models=$(realpath -m -- "${WLKD_MODELS_DIR:-models}")
scripts/setup
venv=$PWD/.venv/bin/python
python=${python:-$("$venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
case $accelerator in cpu) torch=torch==2.13.0+cpu ;; cuda) torch=torch==2.13.0 ;; esac
torch=${WLKD_TORCH:-$torch}
pip=("$venv" -m pip --disable-pip-version-check)
for name in "${names[@]}"; do
    "$PWD/.venv/bin/wlkd" models get "$name" --models "$models"
done
[ ${#names[@]} = 0 ] || "$PWD/.venv/bin/wlkd" models verify "${names[@]}" --models "$models" >&2

# Beside the result: there must be room for it anyway, and /tmp is small on many machines.
stage=$(mktemp -d "$(dirname "$out")/.wlkd-bundle-XXXXXX")
trap 'rm -rf "$stage"' EXIT
folder=$stage/folder wheels=$stage/folder/wheels
mkdir -p "$wheels"

# Where the target's pip looks: newest first, each with all that is older.
target=(--only-binary=:all: --implementation cp --python-version "$python")
for minor in {28..17}; do
    target+=(--platform "manylinux_2_${minor}_$arch")
done
target+=(--platform "manylinux2014_$arch")

build_own_wheels() {
    say "building wheels of wlkd and its plugins"
    # From a copy: building leaves files in the source.
    cp -r pyproject.toml README.md LICENSE NOTICE wlkd plugins "$stage"
    git describe --always --dirty=+ --exclude='*' >"$stage/wlkd/COMMIT" 2>/dev/null || rm -f "$stage/wlkd/COMMIT"
    find "$stage/plugins" -mindepth 1 -maxdepth 1 -type d '!' -exec test -e '{}/pyproject.toml' ';' -exec rm -rf '{}' +
    "${pip[@]}" wheel --quiet --no-deps --wheel-dir "$wheels" "$stage" "$stage"/plugins/*/
    # Published as source only, and pure Python: one wheel serves everywhere.
    "${pip[@]}" wheel --quiet --no-deps --wheel-dir "$wheels" docopt sdnotify srt
}

download() { "${pip[@]}" download --quiet --dest "$wheels" --find-links "$wheels" "${target[@]}" "$@"; }

download_wheels() {
    local wanted=() wheel name missing round
    for wheel in "$wheels"/wlkd*.whl; do
        name=$(basename "$wheel" | cut -d- -f1)
        [ "$name/$accelerator" != wlkd_simulstreaming/cuda ] || name=$name[cuda]
        wanted+=("$name")
    done
    say "fetching $torch and the other wheels for Python $python on $arch"
    # First and pinned: an open requirement for torch brings gigabytes of CUDA libraries.
    download --no-deps ${WLKD_TORCH_INDEX:+--index-url "$WLKD_TORCH_INDEX"} "$torch" ||
        fail "could not get $torch; WLKD_TORCH_INDEX names an index that has it (see --help)"
    case $accelerator$(echo "$wheels"/torch-*) in
        cuda*+cpu*) fail "$torch brought a build for the CPU; WLKD_TORCH or WLKD_TORCH_INDEX must name one for CUDA" ;;
    esac
    for round in 1 2 3 4 5 6; do
        mapfile -t missing < <("$venv" scripts/missing_wheels.py "$wheels" "$python" "$arch" "$torch" "${wanted[@]}")
        [ ${#missing[@]} -gt 0 ] || break
        [ $round != 6 ] || fail "no wheels for ${missing[*]}"
        download "${missing[@]}"
    done
    # A target without its venv package (Debian: python3-venv) has no pip of its own.
    download --no-deps pip
}

add_files() {
    local name part file
    mkdir -p "$folder/models"
    for name in "${names[@]}"; do
        # A Whisper model is two folders; every other one has its name.
        for part in {faster,pytorch}-whisper-"$name" "$name"; do
            [ -d "$models/$part" ] || continue
            mkdir "$folder/models/$part"
            for file in "$models/$part"/*; do
                # As links: the models need not lie here twice.
                case $file in *.part) ;; *) ln -s "$file" "$folder/models/$part/" ;; esac
            done
        done
    done
    cp -r --parents README*.md docs etc systemd "$folder"
    cp --parents scripts/{install,uninstall,run_wlk,download_models,download_decoder_pt}.sh scripts/bundle.py "$folder"
}

build_own_wheels
download_wheels
add_files
say "packing"
scripts/bundle.py pack "$folder" "$stage/bundle.tar" --python "$python" --arch "$arch" --accelerator "$accelerator"
rm -f "$out" "$out".{sha256,minisig,sig}
mv "$stage/bundle.tar" "$out"
(cd "$(dirname "$out")" && sha256sum "$(basename "$out")" >"$(basename "$out").sha256")
[ -z "$minisign" ] || minisign -S -s "$minisign" -m "$out" >&2
[ -z "$gpg" ] || gpg --quiet --local-user "$gpg" --output "$out.sig" --detach-sign "$out"
say "wrote $out"
