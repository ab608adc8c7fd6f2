#!/usr/bin/env bash
# Build a container image from Debian's packages and a bundle of scripts/make_bundle.sh. No engine, no base image.
usage() {
    cat <<'TEXT'
Usage: container/build.sh --bundle FILE [--key FILE] [--out FILE] [--name NAME:TAG] [--suite SUITE] [--mirror URL]

Writes a docker-archive, which `docker load`, `podman load`, `crane push` and `skopeo copy` take. Models are not in
it: they are mounted at /data/whisper_models. Runs as root, on Debian with mmdebstrap and buildah.

  --bundle FILE    made for the suite's Python: 3.11 for bookworm, 3.13 for trixie; with --cuda for GPUs.
                   Models in it are left out: make it with --no-models
  --key FILE       refuse a bundle that is not signed with this minisign public key or OpenPGP keyring
  --out FILE       default: wlkd-image.tar
  --name NAME:TAG  default: wlkd:VERSION
  --suite SUITE    bookworm (default) or trixie
  --mirror URL     where Debian's packages come from (default: mmdebstrap's own choice)

Proxies are taken from http_proxy, https_proxy.
TEXT
}
set -euo pipefail
# What the image's account cannot read, the image cannot use.
umask 022

fail() { echo "build.sh: $*" >&2; exit 1; }
say() { echo "build.sh: $*" >&2; }

bundle='' key='' out=wlkd-image.tar name='' suite=bookworm mirror=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --bundle | --key | --out | --name | --suite | --mirror)
            [ $# -ge 2 ] || { echo "build.sh: $1 needs a value" >&2; exit 2; }
            case $1 in
                --bundle) bundle=$2 ;;
                --key) key=$2 ;;
                --out) out=$2 ;;
                --name) name=$2 ;;
                --suite) suite=$2 ;;
                --mirror) mirror=$2 ;;
            esac
            shift 2 ;;
        *) echo "build.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
    esac
done
[ -n "$bundle" ] || { usage >&2; exit 2; }
case $suite in bookworm) python=3.11 ;; trixie) python=3.13 ;; *) fail "--suite takes bookworm or trixie" ;; esac
[ "$(id -u)" = 0 ] || fail "must run as root: it makes a root file system"
for program in mmdebstrap buildah; do
    command -v "$program" >/dev/null || fail "$program is not installed (Debian: apt install mmdebstrap buildah)"
done

here=$(cd "$(dirname "$0")" && pwd)
source=$here/..
python3 "$source/scripts/bundle.py" verify "$bundle" ${key:+--key "$key"}
manifest() { tar -xOf "$bundle" wlkd-offline/manifest.json | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
[ "$(manifest python)" = "$python" ] || fail "the bundle is for Python $(manifest python), and $suite has $python"
name=${name:-wlkd:$(manifest wlkd)}
mkdir -p "$(dirname "$out")"
out=$(realpath -- "$out")
work=$(mktemp -d "$(dirname "$out")/.wlkd-image-XXXXXX")
trap 'rm -rf "$work"' EXIT

# OCI's own format has no place for a health check; registries and engines take Docker's as well.
export BUILDAH_FORMAT=docker
# A storage of its own: nothing of an engine on this machine is used or changed.
buildah() { command buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

say "Debian $suite"
mmdebstrap --quiet --variant=minbase --include=python3 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$work/root" ${mirror:+"$mirror"}
# What the build knew of networks and mirrors stays here: an image is built anew, not upgraded from inside.
rm -f "$work/root"/etc/{resolv.conf,hostname} "$work/root"/etc/apt/apt.conf.d/99mmdebstrap
: >"$work/root/etc/apt/sources.list"

say "wlkd"
mkdir -p "$work/root/bundle"
tar -xf "$bundle" -C "$work/root/bundle" --strip-components=1 wlkd-offline/wheels wlkd-offline/etc
chroot "$work/root" /bin/sh -euc '
    python3 -m venv --without-pip /opt/wlkd
    set -- /bundle/wheels/pip-*.whl
    /opt/wlkd/bin/python "$1/pip" --isolated install --quiet --no-index --no-deps --no-cache-dir \
        --root-user-action ignore $(ls /bundle/wheels/*.whl | grep -v /pip-)
    # The account is known by its number too, for engines that ask whether it is root.
    groupadd --gid 7100 wlkd
    useradd --uid 7100 --gid 7100 --home-dir / --no-create-home --shell /usr/sbin/nologin wlkd
    mkdir -p /data/whisper_models
    cp /bundle/etc/wlkd.yaml /etc/wlkd.yaml
'
rm -rf "$work/root/bundle"
install -m 755 "$here/healthcheck.py" "$work/root/opt/wlkd/bin/healthcheck"

say "image $name"
image=$(buildah from --name wlkd scratch)
buildah add --quiet "$image" "$work/root" / >/dev/null
# NVIDIA's toolkit reads the two variables; `--gpus` sets the first.
buildah config \
    --user 7100:7100 \
    --workingdir / \
    --env PATH=/opt/wlkd/bin:/usr/local/bin:/usr/bin:/bin \
    --env HF_HUB_OFFLINE=1 --env ORT_DISABLE_TELEMETRY=1 --env PYTHONDONTWRITEBYTECODE=1 \
    --env NVIDIA_VISIBLE_DEVICES=void --env NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    --entrypoint '["/opt/wlkd/bin/wlkd"]' --cmd 'run --config /etc/wlkd.yaml' \
    --port 7100/tcp \
    --stop-signal SIGTERM \
    --healthcheck 'CMD /opt/wlkd/bin/healthcheck' --healthcheck-interval 10s --healthcheck-timeout 5s \
    --healthcheck-start-period 120s --healthcheck-retries 3 \
    --label org.opencontainers.image.title=wlkd \
    --label org.opencontainers.image.version="$(manifest wlkd)" \
    --label org.opencontainers.image.licenses=Apache-2.0 \
    "$image"
buildah commit --quiet "$image" "$name" >/dev/null
rm -rf "$work/root"
rm -f "$out"
buildah push --quiet "$name" "docker-archive:$out:$name"
say "wrote $out ($(du -h "$out" | cut -f1))"
